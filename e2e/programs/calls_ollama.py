"""Calls by Ollama's own library.

    python calls_ollama.py MODE...        Environment: telemetry.py
"""
import sys

import telemetry

telemetry.start()
import ollama  # noqa: E402

client = ollama.Client(host=telemetry.URL)
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def chat():
    return client.chat(model="llama3.2", messages=QUESTION).message.content


def stream():
    return "".join(piece.message.content for piece in client.chat(model="llama3.2", messages=QUESTION, stream=True))


def tools():
    return client.chat(model="llama3.2", messages=[{"role": "user", "content": "How is the weather in Tokyo?"}], tools=[TOOL]).message.tool_calls[0].function.name


telemetry.run({name: made for name, made in globals().items() if callable(made)}, sys.argv[1:])
