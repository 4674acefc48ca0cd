"""How a program under test reports. TELEMETRY says by which library; each is set up as its own documentation says.

    TELEMETRY="package.module:Instrumentor ..."     OpenTelemetry instrumentors, OpenInference's and OpenLLMetry's among them
    TELEMETRY=provider                              a tracer provider alone, for frameworks that report by themselves
    TELEMETRY=traceloop|openlit|laminar|logfire|mlflow|langfuse|langsmith|sentry|sentry-otlp

`start()` before the packages under watch are used, `work(name)` round each piece of work, `stop()` at the end.
"""
import contextlib
import importlib
import logging
import os
import threading
import time
import urllib.parse

HOW = os.environ.get("TELEMETRY", "provider")
ENDPOINT = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
KEY = os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").partition("=")[2]
URL = os.environ["LLM_BASE_URL"]
WHO = {"session.id": "session-7", "user.id": "user-42"}
ends = []


def start():
    if HOW == "traceloop":
        from traceloop.sdk import Traceloop
        Traceloop.init(app_name="shop", api_endpoint=ENDPOINT, disable_batch=True, telemetry_enabled=False, traceloop_sync_enabled=False)
    elif HOW == "openlit":
        import openlit
        openlit.init(otlp_endpoint=ENDPOINT, application_name="shop", environment="staging")
        ends.append(flush)
    elif HOW == "laminar":
        from lmnr import Laminar
        place = urllib.parse.urlsplit(ENDPOINT)
        Laminar.initialize(project_api_key=KEY, base_url=f"http://{place.hostname}", http_port=place.port, force_http=True)
        ends.append(Laminar.force_flush)
    elif HOW == "logfire":
        import logfire
        logfire.configure(send_to_logfire=False, service_name="shop", console=False, environment="staging", inspect_arguments=False,
                          scrubbing=False)      # else it takes "session" for a secret
        for name in os.environ["LOGFIRE"].split():
            getattr(logfire, "instrument_" + name)()
        ends.append(logfire.shutdown)
    elif HOW == "mlflow":
        import mlflow
        os.environ.update(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ENDPOINT + "/v1/traces", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf")
        mlflow.openai.autolog()
        ends.append(mlflow.flush_trace_async_logging)
    elif HOW == "langfuse":
        import langfuse
        ends.append(langfuse.get_client().flush)
    elif HOW.startswith("sentry"):
        import sentry_sdk
        if HOW == "sentry-otlp":
            from sentry_sdk.integrations.otlp import OTLPIntegration
            sentry_sdk.init(integrations=[OTLPIntegration()], send_default_pii=True)
            instrument(os.environ["INSTRUMENT"])
            ends.append(flush)
        else:
            named = os.environ.get("SENTRY_INTEGRATIONS", "").split()       # those that are not on by themselves
            made = [getattr(importlib.import_module("sentry_sdk.integrations." + module), name)() for module, _, name in (each.partition(":") for each in named)]
            sentry_sdk.init(traces_sample_rate=1.0, send_default_pii=True, integrations=made)
        ends.append(sentry_sdk.flush)
    else:
        provider()
        if HOW == "langsmith":
            os.environ.update(LANGSMITH_TRACING="true", LANGSMITH_OTEL_ENABLED="true", LANGSMITH_OTEL_ONLY="true", LANGSMITH_API_KEY="none",
                              LANGSMITH_ENDPOINT=URL)
        elif HOW != "provider":
            instrument(HOW)


def provider():
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    resource = Resource.create({"service.name": "shop"})
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    ends.append(tracers.shutdown)
    with contextlib.suppress(ImportError):      # messages, where an instrumentation sends them as log records
        from opentelemetry._logs import set_logger_provider
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        loggers = LoggerProvider(resource=resource)
        loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        set_logger_provider(loggers)
        ends.append(loggers.shutdown)


def instrument(names):
    for name in names.split():
        module, _, instrumentor = name.partition(":")
        getattr(importlib.import_module(module), instrumentor)().instrument()


def flush():
    from opentelemetry import trace
    trace.get_tracer_provider().force_flush()


@contextlib.contextmanager
def work(name):
    """A piece of the program's own work, whose user and session are known."""
    if HOW == "sentry":
        import sentry_sdk
        with sentry_sdk.isolation_scope() as scope, sentry_sdk.start_transaction(op="task", name=name):
            scope.set_user({"id": WHO["user.id"]})
            yield
    elif HOW == "laminar":
        from lmnr import Laminar
        with Laminar.start_as_current_span(name, session_id=WHO["session.id"], user_id=WHO["user.id"]):
            yield
    elif HOW == "logfire":
        import logfire
        with logfire.span(name, **{"session.id": WHO["session.id"], "user.id": WHO["user.id"]}):
            yield
    elif HOW == "mlflow":
        import mlflow
        with mlflow.start_span(name):
            mlflow.update_current_trace(metadata={"mlflow.trace.session": WHO["session.id"], "mlflow.trace.user": WHO["user.id"]})
            yield
    elif HOW == "langfuse":
        import langfuse
        with langfuse.get_client().start_as_current_observation(name=name), langfuse.propagate_attributes(user_id=WHO["user.id"], session_id=WHO["session.id"]):
            yield
    else:
        from opentelemetry import trace
        with trace.get_tracer("shop").start_as_current_span(name, attributes=WHO):
            yield


def stop():
    if os.environ.get("LANGSMITH_TRACING"):
        from langchain_core.tracers.langchain import wait_for_all_tracers
        wait_for_all_tracers()
    for end in ends:
        end()


def run(modes, chosen):
    """Runs the chosen ones of a program's functions, each as work of its own."""
    import asyncio
    for name in chosen:
        with work(name):
            try:
                done = modes[name]()
                if asyncio.iscoroutine(done):
                    done = asyncio.run(done)
                print(name, done)
            except Exception as error:      # a refusal of the provider is a result as well
                if name != "error":
                    raise
                print(name, type(error).__name__)
    stop()
