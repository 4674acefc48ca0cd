"""A server to be treated badly, and a client that remembers what it was promised."""

import contextlib
import http.client
import json
import os
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from promises import NEVER, Promises

KEY = "0123456789abcdef0123456789abcdef"
DAY = 86_400


class NotStarted(Exception):
    """With the last that the server said."""


def ask(url, token=None, body=None, method=None, kind=None, raw=False):
    request = urllib.request.Request(url, data=body, method=method)
    if kind:
        request.add_header("content-type", kind)
    if token:
        request.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
        return text if raw else json.loads(text or "null")


def start(binary, data, before=(), **variables):
    port_file = data + ".port"
    if os.path.exists(port_file):
        os.remove(port_file)
    environment = {**os.environ, "HINOMI_DSN_KEY": KEY, "HINOMI_INGEST_OTLP_PORTS": "false", **variables}
    command = [*before, binary, "serve", "--data", data, "--listen", "127.0.0.1:0", "--port-file", port_file]
    log = open(data + ".log", "ab")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    log.close()
    for _ in range(3000):
        if process.poll() is not None:
            break
        if os.path.exists(port_file) and (port := open(port_file).read().strip()):
            return process, f"http://127.0.0.1:{port}"
        time.sleep(0.01)
    with open(data + ".log", "rb") as log:
        raise NotStarted(log.read()[-1000:].decode(errors="replace").strip())


def create_token(binary, data, before=()):
    created = subprocess.run([*before, binary, "token", "create", "--admin", "--data", data], capture_output=True, text=True)
    if created.returncode:
        raise NotStarted(created.stderr.strip())
    return created.stdout.split()[-1]


def serving_process(tracer):
    """The process that strace started."""
    with open(f"/proc/{tracer.pid}/task/{tracer.pid}/children") as children:
        return int(children.read().split()[0])


def envelope(*items):
    lines = [b"{}"]
    for kind, payload in items:
        lines += [json.dumps({"type": kind}).encode(), json.dumps(payload).encode()]
    return b"\n".join(lines) + b"\n"


def call(trace, text, user="anna", age=0):
    now = time.time() - age * DAY
    span = {
        "trace_id": trace, "span_id": "0000000000000002", "parent_span_id": "0000000000000001", "op": "gen_ai.chat",
        "description": "chat gpt-4o-mini", "start_timestamp": now - 1, "timestamp": now, "status": "ok",
        "data": {
            "gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.request.messages": json.dumps([{"role": "user", "content": text}]),
            "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 500,
        },
    }  # fmt: skip
    return {
        "type": "transaction", "transaction": "ask", "start_timestamp": now - 2, "timestamp": now, "spans": [span], "user": {"id": user},
        "contexts": {"trace": {"trace_id": trace, "span_id": "0000000000000001", "op": "function"}},
    }  # fmt: skip


def failure(event):
    exception = {"type": "ValueError", "value": "no good", "stacktrace": {"frames": [{"function": "f", "filename": "a.py", "lineno": 3}]}}
    trace = {"trace_id": event, "span_id": "0000000000000001"}
    return {
        "event_id": event, "level": "error", "platform": "python", "exception": {"values": [exception]}, "contexts": {"trace": trace},
    }  # fmt: skip


def otlp(trace, text, user, age):
    """The same call as OpenTelemetry sends it."""
    now = time.time() - age * DAY
    told = {
        "gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "user.id": user,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}]),
        "gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "500",
    }  # fmt: skip
    span = {
        "traceId": trace, "spanId": "0000000000000002", "name": "chat gpt-4o-mini", "kind": 3,
        "startTimeUnixNano": str(int((now - 1) * 1e9)), "endTimeUnixNano": str(int(now * 1e9)),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in told.items()],
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "faults"}, "spans": [span]}]}]}


class Client:
    """Sends calls and errors, and writes down what was acknowledged and when."""

    def __init__(self, kept_days=30, ages=(0,), users=1):
        self.promises = Promises(kept_days)
        self.refused = []
        self.ages, self.users = ages, users

    def run(self, url, until, dice, error_share=0.2):
        while not until.is_set():
            trace, user, age = uuid.uuid4().hex, f"user-{dice.randrange(self.users)}", dice.choice(self.ages)
            # Two reports of the same words would be taken for those of one call.
            text = f"{trace} " + dice.choice("あいうえお") * dice.choice([5, 50, 2000])
            promise = self.promises.call(trace, user, age, time.time())
            # A transaction and an error in envelopes of their own, as SDKs send them.
            if dice.random() < error_share:
                error = self.send(f"{url}/api/1/envelope/?sentry_key={KEY}", envelope(("event", failure(trace))))
                promise.error = error
            if dice.random() < 0.3:
                sent = (f"{url}/v1/traces", json.dumps(otlp(trace, text, user, age)).encode())
            else:
                sent = (f"{url}/api/1/envelope/?sentry_key={KEY}", envelope(("transaction", call(trace, text, user, age))))
            promise.acknowledged = self.send(*sent) or NEVER
            promise.settled = time.time()

    def send(self, url, body):
        """When it was acknowledged; None where it was not."""
        try:
            ask(url, body=body, kind="application/json" if url.endswith("/v1/traces") else None)
            return time.time()
        except urllib.error.HTTPError as refused:
            self.refused.append((time.time(), refused.code))
            time.sleep(0.01)
        except (OSError, http.client.HTTPException):
            # The server was killed; what became of it is not known.
            time.sleep(0.05)
        return None


def shown(url, token):
    """Traces with a call, each as often as it is there, and the number of calls that sums tell."""
    found, cursor = [], ""
    while True:
        page = ask(f"{url}/api/v1/projects/1/spans?q=kind:llm&from=-90d&limit=1000{cursor}", token)
        found += [span["trace_id"] for span in page["spans"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    return found, ask(f"{url}/api/v1/projects/1/summary?from=-90d", token)["llm_calls"]


def errors_of(data):
    """The traces of the error events in a data folder."""
    with contextlib.closing(sqlite3.connect(os.path.join(data, "errors.db"))) as database:
        return [trace for (trace,) in database.execute("SELECT lower(hex(trace)) FROM events")]


def looked_at(binary, data, promises, begin, end=None):
    """Starts a server on a folder and says what is wrong with its answers to who looks at one moment between the two."""
    try:
        token = create_token(binary, data)
        process, url = start(binary, data)
    except NotStarted as error:
        return [f"the server does not start: {error}"]
    try:
        # A deletion that was broken off goes on after the start.
        for _ in range(100):
            found, calls = shown(url, token)
            errors = errors_of(data)
            halves = promises.halves(found, errors, begin)
            if not halves and calls == len(found):
                break
            time.sleep(0.1)
        wrong = promises.wrong(found, errors, begin, end) + halves
        if calls != len(found):
            wrong.append(f"sums tell of {calls} calls where there are {len(found)}")
        # A crash leaves segments that the manifest does not name; why they may be removed is known of each. The copy of a log whose torn end a
        # start cannot tell from damage costs nothing: all that was promised is compared above.
        aside = [name for name in os.listdir(os.path.join(data, "damaged")) if name.endswith(".parquet")]
        wrong += [f"{name} was set aside" for name in aside]
        return wrong
    finally:
        process.kill()
        process.wait()
