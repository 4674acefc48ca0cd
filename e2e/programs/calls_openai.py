"""Calls by OpenAI's SDK, in all of the ways in which programs make them.

    python calls_openai.py MODE...        Environment: telemetry.py
"""
import sys

import telemetry

telemetry.start()
if telemetry.HOW == "langfuse":
    from langfuse.openai import AsyncOpenAI, OpenAI
else:
    from openai import AsyncOpenAI, OpenAI
client = OpenAI(base_url=telemetry.URL + "/v1")
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]
TOOL = {"name": "get_weather", "description": "Weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}
PIXEL = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")


def chat():
    return client.chat.completions.create(model="gpt-4o", messages=QUESTION, temperature=0.3).choices[0].message.content


def conversation():
    messages = list(QUESTION)
    for question in (None, "And its weather?"):
        if question:
            messages.append({"role": "user", "content": question})
        answer = client.chat.completions.create(model="gpt-5-mini", messages=messages).choices[0].message
        messages.append({"role": "assistant", "content": answer.content})
    return messages[-1]["content"]


def image():
    return client.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is the capital of France, shown here?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]}]).id


def flex():
    """Served when there is room, for half of the price."""
    client.responses.create(model="gpt-5-mini", input="What is the capital of France?", service_tier="flex")
    return client.chat.completions.create(model="gpt-5-mini", messages=QUESTION, service_tier="flex").service_tier


def audio():
    return client.chat.completions.create(model="gpt-audio", modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}, messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is the capital of France?"}, {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]).id


def local():
    """A server of one's own, whose model has no price."""
    return client.chat.completions.create(model="llama3.2", messages=QUESTION).id


def stream():
    chunks = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True, stream_options={"include_usage": True})
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tools():
    messages = [{"role": "user", "content": "東京の天気は?"}]
    offered = [{"type": "function", "function": TOOL}]
    asked = client.chat.completions.create(model="gpt-4.1", messages=messages, tools=offered).choices[0].message
    messages += [asked.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "18 C, sunny"}]
    return client.chat.completions.create(model="gpt-4.1", messages=messages, tools=offered).choices[0].message.content


def structured():
    form = {"type": "json_schema", "json_schema": {"name": "weather", "schema": TOOL["parameters"], "strict": True}}
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Where is it sunny?"}], response_format=form).id


async def concurrent():
    import asyncio
    many = AsyncOpenAI(base_url=telemetry.URL + "/v1")
    answers = await asyncio.gather(*(many.chat.completions.create(model="gpt-4o-mini", messages=[
        {"role": "user", "content": f"Question {number}"}]) for number in range(3)))
    return [answer.id for answer in answers]


async def async_stream():
    many = AsyncOpenAI(base_url=telemetry.URL + "/v1")
    chunks = await many.chat.completions.create(model="gpt-4.1", messages=QUESTION, stream=True, stream_options={"include_usage": True})
    return [chunk.id async for chunk in chunks][0]


def embeddings():
    return len(client.embeddings.create(model="text-embedding-3-small", input=["one", "two"]).data)


def responses():
    return client.responses.create(model="gpt-5-mini", instructions="Be brief.", input="What is the capital of France?").output_text


def responses_stream():
    events = client.responses.create(model="gpt-5-mini", input="What is the capital of France?", stream=True)
    return [event.type for event in events][-1]


def responses_tools():
    offered = [{"type": "function", "strict": True, **TOOL}]
    asked = client.responses.create(model="gpt-4.1", input="東京の天気は?", tools=offered).output[0]
    return client.responses.create(model="gpt-4.1", tools=offered, input=[
        {"role": "user", "content": "東京の天気は?"}, asked.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": asked.call_id, "output": "18 C, sunny"}]).output_text


def retry():
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Again please [[retry]]"}]).id


def error():
    client.with_options(max_retries=0).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Fail please [[429]]"}])


telemetry.run({name.replace("_", "-"): made for name, made in globals().items() if callable(made)}, sys.argv[1:])
