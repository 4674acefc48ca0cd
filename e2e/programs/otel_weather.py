"""A question that needs a tool, observed by OpenTelemetry's own instrumentation of OpenAI. Texts go as log records, spans as spans.

    python otel_weather.py http|grpc
"""
import json
import os
import sys

os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"

from openai import OpenAI
from opentelemetry import _logs, trace
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

resource = Resource.create({"service.name": f"weather-{sys.argv[1]}"})
spans = TracerProvider(resource=resource)
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(spans)
records = LoggerProvider(resource=resource)
records.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
_logs.set_logger_provider(records)
OpenAIInstrumentor().instrument()

client = OpenAI(base_url=os.environ["LLM_BASE_URL"] + "/v1", max_retries=0)
tools = [{"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}}]
with trace.get_tracer("weather").start_as_current_span("answer", attributes={"user.id": "u-1"}):
    messages = [{"role": "user", "content": "How is the weather in Tokyo?"}]
    asked = client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools).choices[0].message
    messages += [asked, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": json.dumps({"celsius": 18})}]
    print(client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools).choices[0].message.content)
spans.shutdown()
records.shutdown()
