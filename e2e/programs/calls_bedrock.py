"""Calls of Amazon Bedrock by boto3.

    python calls_bedrock.py MODE...        Environment: telemetry.py
"""
import json
import os
import sys

import telemetry

os.environ.update(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none", AWS_DEFAULT_REGION="us-east-1")
telemetry.start()
import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402

client = boto3.client("bedrock-runtime", endpoint_url=telemetry.URL, config=Config(retries={"total_max_attempts": 1}))
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
QUESTION = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "description": "Weather of a city", "inputSchema": {"json": {
    "type": "object", "properties": {"city": {"type": "string"}}}}}}]}


def converse():
    answer = client.converse(modelId=MODEL, messages=QUESTION, system=[{"text": "Be brief."}], inferenceConfig={"maxTokens": 300})
    return answer["output"]["message"]["content"][0]["text"]


def stream():
    events = client.converse_stream(modelId=MODEL, messages=QUESTION)["stream"]
    return "".join(event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for event in events)


def tools():
    messages = [{"role": "user", "content": [{"text": "東京の天気は?"}]}]
    asked = client.converse(modelId=MODEL, messages=messages, toolConfig=TOOLS)["output"]["message"]
    call = asked["content"][0]["toolUse"]
    messages += [asked, {"role": "user", "content": [{"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "18 C, sunny"}]}}]}]
    return client.converse(modelId=MODEL, messages=messages, toolConfig=TOOLS)["output"]["message"]["content"][0]["text"]


def invoke():
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 300, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]}]}
    return json.loads(client.invoke_model(modelId=MODEL, body=json.dumps(body))["body"].read())["content"][0]["text"]


def error():
    client.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "Fail please [[429]]"}]}])


telemetry.run({name.replace("_", "-"): made for name, made in globals().items() if callable(made)}, sys.argv[1:])
