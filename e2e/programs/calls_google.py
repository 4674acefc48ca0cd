"""Calls by Google's GenAI SDK.

    python calls_google.py MODE...        Environment: telemetry.py
"""
import sys

import telemetry

telemetry.start()
from google import genai  # noqa: E402
from google.genai import types  # noqa: E402

client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=telemetry.URL))
MODEL, QUESTION = "gemini-2.5-flash", "What is the capital of France?"
DECLARED = types.Tool(function_declarations=[types.FunctionDeclaration(name="get_weather", parameters=types.Schema(
    type="OBJECT", properties={"city": types.Schema(type="STRING")}))])


def generate():
    return client.models.generate_content(model=MODEL, contents=QUESTION, config={"system_instruction": "Be brief.", "temperature": 0.3}).text


def stream():
    return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(model=MODEL, contents=QUESTION))


async def asynchronous():
    return (await client.aio.models.generate_content(model=MODEL, contents=QUESTION)).text


def chat():
    talk = client.chats.create(model=MODEL)
    talk.send_message(QUESTION)
    return talk.send_message("And its weather?").text


def tools():
    first = types.Content(role="user", parts=[types.Part(text="東京の天気は?")])
    config = types.GenerateContentConfig(tools=[DECLARED], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
    asked = client.models.generate_content(model=MODEL, contents=[first], config=config).candidates[0].content
    told = types.Content(role="user", parts=[types.Part.from_function_response(name="get_weather", response={"result": "18 C, sunny"})])
    return client.models.generate_content(model=MODEL, contents=[first, asked, told], config=config).text


def structured():
    schema = types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")})
    return client.models.generate_content(model=MODEL, contents="Where is it sunny?", config=types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=schema)).text


def embed():
    return len(client.models.embed_content(model="gemini-embedding-001", contents="one").embeddings)


def error():
    client.models.generate_content(model=MODEL, contents="Fail please [[400]]")


telemetry.run({name.replace("_", "-"): made for name, made in globals().items() if callable(made)}, sys.argv[1:])
