"""A program with OpenTelemetry's instrumentation of OpenAI that calls a LiteLLM proxy, which reports the same calls once more.

    python gateway.py one|two      one: `traceparent` is sent to the proxy, both report into one trace; two: they do not know of each other
Environment: OTEL_EXPORTER_OTLP_ENDPOINT, LLM_BASE_URL.
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"
config = pathlib.Path(tempfile.mkdtemp()) / "litellm.yaml"
models = "".join(f"""
  - model_name: {name}
    litellm_params: {{model: {to}, api_base: "{os.environ['LLM_BASE_URL']}{path}", api_key: sk-test}}""" for name, to, path in (
    ("gpt-4o", "openai/gpt-4o", "/v1"), ("gpt-4o-mini", "openai/gpt-4o-mini", "/v1"), ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5-20250929", "")))
config.write_text(f"""model_list:{models}
litellm_settings: {{callbacks: ["otel"]}}
general_settings: {{master_key: sk-proxy}}
""")
settings = {"OTEL_SERVICE_NAME": "llm-gateway", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_BSP_SCHEDULE_DELAY": "200"}
litellm = pathlib.Path(sys.executable).parent / "litellm"
proxy = subprocess.Popen([sys.executable, litellm, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"],
                         env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
try:
    for _ in range(900):
        try:
            urllib.request.urlopen(url + "/health/liveliness").close()
            break
        except OSError:
            assert proxy.poll() is None, "the proxy ended"
            time.sleep(0.2)
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    OpenAIInstrumentor().instrument()
    if sys.argv[1] == "one":
        HTTPXClientInstrumentor().instrument()
    client = OpenAI(base_url=url, api_key="sk-proxy", max_retries=0)
    question = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]
    with trace.get_tracer("shop").start_as_current_span("handle question", attributes={"user.id": "user-42", "session.id": "session-7"}):
        client.chat.completions.create(model="gpt-4o", messages=question)
        client.chat.completions.create(model="claude-sonnet-4-5-20250929", messages=question)
        for _ in client.chat.completions.create(model="gpt-4o-mini", messages=question, stream=True, stream_options={"include_usage": True}):
            pass
    provider.shutdown()
    time.sleep(3)       # the proxy's callbacks run in the background
finally:
    proxy.terminate()
    proxy.wait()
