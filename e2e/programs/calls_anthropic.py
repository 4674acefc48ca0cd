"""Calls by Anthropic's SDK.

    python calls_anthropic.py MODE...        Environment: telemetry.py
"""
import sys

import telemetry

telemetry.start()
from anthropic import Anthropic, AsyncAnthropic  # noqa: E402

client = Anthropic(base_url=telemetry.URL)
MODEL = "claude-sonnet-4-5-20250929"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
TOOLS = [{"name": "get_weather", "description": "Weather of a city", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]


def create():
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    return client.messages.create(model=MODEL, max_tokens=300, system=system, messages=QUESTION).content[0].text


def small():
    return client.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=QUESTION).content[0].text


def stream():
    events = client.messages.create(model=MODEL, max_tokens=300, system="Be brief.", messages=QUESTION, stream=True)
    return [event.type for event in events][-1]


def message_stream():
    with client.messages.stream(model="claude-haiku-4-5", max_tokens=300, messages=QUESTION) as events:
        return "".join(events.text_stream)


async def concurrent():
    import asyncio
    many = AsyncAnthropic(base_url=telemetry.URL)
    answers = await asyncio.gather(*(many.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=[
        {"role": "user", "content": f"Question {number}"}]) for number in range(3)))
    return [answer.id for answer in answers]


def tools():
    messages = [{"role": "user", "content": "東京の天気は?"}]
    asked = client.messages.create(model=MODEL, max_tokens=300, messages=messages, tools=TOOLS)
    call = asked.content[0]
    messages += [{"role": "assistant", "content": [call.model_dump(exclude_none=True, include={"type", "id", "name", "input"})]},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "18 C, sunny"}]}]
    return client.messages.create(model=MODEL, max_tokens=300, messages=messages, tools=TOOLS).content[0].text


def error():
    client.with_options(max_retries=0).messages.create(model=MODEL, max_tokens=300, messages=[{"role": "user", "content": "Fail please [[429]]"}])


telemetry.run({name.replace("_", "-"): made for name, made in globals().items() if callable(made)}, sys.argv[1:])
