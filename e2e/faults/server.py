"""A server to be treated badly, and a client that remembers what it was promised."""

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid

KEY = "0123456789abcdef0123456789abcdef"


class NotStarted(Exception):
    """With the last that the server said."""


def ask(url, token=None, body=None):
    request = urllib.request.Request(url, data=body)
    if token:
        request.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")


def start(binary, data, before=()):
    port_file = data + ".port"
    if os.path.exists(port_file):
        os.remove(port_file)
    environment = {**os.environ, "HINOMI_DSN_KEY": KEY, "HINOMI_INGEST_OTLP_PORTS": "false"}
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


def create_token(binary, data):
    created = subprocess.run([binary, "token", "create", "--data", data], capture_output=True, text=True)
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


def call(trace, text):
    now = time.time()
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
        "type": "transaction", "transaction": "ask", "start_timestamp": now - 2, "timestamp": now, "spans": [span],
        "contexts": {"trace": {"trace_id": trace, "span_id": "0000000000000001", "op": "function"}},
    }  # fmt: skip


def failure(event):
    exception = {"type": "ValueError", "value": "no good", "stacktrace": {"frames": [{"function": "f", "filename": "a.py", "lineno": 3}]}}
    return {"event_id": event, "level": "error", "platform": "python", "exception": {"values": [exception]}}


class Client:
    """Sends calls and errors, and writes down what was acknowledged and when."""

    def __init__(self):
        self.spans, self.errors, self.refused = [], [], []
        self.lock = threading.Lock()

    def run(self, url, until, dice, error_share=0.2):
        while not until.is_set():
            trace = uuid.uuid4().hex
            text = dice.choice("あいうえお") * dice.choice([5, 50, 2000])
            with_error = dice.random() < error_share
            # A transaction and an error in envelopes of their own, as SDKs send them.
            sent = [(self.errors, trace, ("event", failure(trace)))] if with_error else []
            sent.append((self.spans, trace, ("transaction", call(trace, text))))
            for known, name, item in sent:
                try:
                    ask(f"{url}/api/1/envelope/?sentry_key={KEY}", body=envelope(item))
                except urllib.error.HTTPError as refused:
                    with self.lock:
                        self.refused.append((time.time(), refused.code))
                    time.sleep(0.01)
                    continue
                except OSError:
                    return
                at = time.time()
                with self.lock:
                    known.append((at, name))


def shown(url, token):
    """Traces with a call, each as often as it is there, and the number of error events."""
    found, cursor = [], ""
    while True:
        page = ask(f"{url}/api/v1/projects/1/spans?q=op:gen_ai.chat&limit=1000{cursor}", token)
        found += [span["trace_id"] for span in page["spans"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    issues = ask(f"{url}/api/v1/projects/1/issues", token)["issues"]
    return found, sum(issue["count"] for issue in issues)
