"""Clients that mean harm, or are broken as if they did: sockets that say nothing, bodies that come in drops or not at all, small ones that would
become large, layers of compression, lengths that lie, and questions that take long. Whoever looks at a server may send them beside good ones."""

import gzip
import http.client
import random
import socket
import threading
import time
import urllib.error
from collections import Counter
from urllib.parse import urlsplit

from server import KEY, ask

JSON = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
PROTOBUF = {**JSON, "content-type": "application/x-protobuf"}
SENTRY = {"x-sentry-auth": f"Sentry sentry_key={KEY}, sentry_version=7"}

# What may be answered: nothing of it is a fault of the server.
EXPECTED = {200, 207, 400, 401, 403, 404, 408, 413, 415, 429, 503, 504}


def filled(before, fragment, after, megabytes):
    return before + fragment * ((megabytes << 20) // len(fragment)) + fragment.rstrip(b",") + after


def bombs(megabytes=24):
    """Bodies that are small as sent, each with its path and headers."""
    spans = b'{"resourceSpans":[{"scopeSpans":[{"spans":['
    event = b'{"batch":[{"id":"e","type":"trace-create","body":{"id":"t","input":['
    item = b'{"type":"span","item_count":1,"content_type":"application/vnd.sentry.items.span.v2+json"}'
    inflated = [
        ("/v1/traces", JSON, filled(b'{"resourceSpans":[{"x":[', b"0,", b"]}]}", megabytes)),
        ("/v1/traces", JSON, filled(spans, b"0,", b"]}]}]}", megabytes)),
        ("/v1/traces", JSON, filled(spans + b'{"attributes":{"a":[', b"[],", b"]}}]}]}]}", megabytes)),
        ("/v1/logs", JSON, filled(b'{"resourceLogs":[', b"{},", b"]}", megabytes)),
        ("/v1/metrics", JSON, filled(b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[', b"{},", b"]}}]}]}]}", megabytes)),
        ("/v1/traces", PROTOBUF, b"\x0a\x00" * (megabytes << 19)),
        ("/api/public/ingestion", JSON, filled(b'{"batch":[', b"[],", b"]}", megabytes)),
        ("/api/public/ingestion", JSON, filled(event, b"0,", b"]}}]}", megabytes)),
        ("/api/1/envelope/", SENTRY, b"{}\n" + item + b"\n" + filled(b'{"items":[', b"[],", b"]}", megabytes)),
        ("/api/1/envelope/", {}, b" " * (megabytes << 20)),
    ]  # fmt: skip
    packed = [(path, {**headers, "content-encoding": "gzip"}, gzip.compress(body, 1)) for path, headers, body in inflated]
    layers = b"{}\n"
    for _ in range(40):
        layers = gzip.compress(layers, 1)
    return packed + [("/api/1/envelope/", {"content-encoding": ",".join(["gzip"] * 40)}, layers)]


# Heads of requests whose rest never comes.
HALVES = [
    b"",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    b"POST /api/1/envelope/ HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n{",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\nContent-Type: application/json\r\nContent-Length: 33554432\r\n\r\n{",
    b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
]  # fmt: skip

# Whole requests that lie about what they are.
LIES = [
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"POST /api/1/envelope/ HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nnogz!",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(500)) + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
]  # fmt: skip

# What takes long to answer, for a token that may only read.
QUESTIONS = [
    "series?measure=calls&group_by=user&from=-30d", "breakdown?by=user&from=-30d&limit=1000", "breakdown?by=session&from=-30d", "summary",
    "facets?field=user", "traces?limit=1000", "traces?q=" + "+".join(f"word{number}" for number in range(60)), "spans?q=%22zzzz%22&limit=1000",
    "traces?q=model:" + ",".join(f"m{number}" for number in range(500)), "series?measure=duration_p99&bucket=1m&from=-2d",
]  # fmt: skip


class Attackers:
    """Threads that send all of the above to `where()`, the address of the server, until they are stopped."""

    def __init__(self, where, token, dice, sockets=120, readers=4):
        self.where, self.token, self.sockets = where, token, sockets
        self.until, self.answers, self.unexpected = threading.Event(), Counter(), []
        work = [self.hold, self.explode, self.lie] + [self.inquire] * readers
        seeded = [random.Random(dice.random()) for _ in work]
        self.threads = [threading.Thread(target=self.go_on, args=(deed, own), daemon=True) for deed, own in zip(work, seeded)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.until.set()
        for thread in self.threads:
            thread.join()

    def go_on(self, deed, dice):
        while not self.until.is_set():
            try:
                deed(dice)
            except (OSError, http.client.HTTPException, ValueError):
                # The server was ended, or ended this connection.
                self.answers["broken off"] += 1
                self.until.wait(0.2)

    def connect(self):
        address = urlsplit(self.where())
        return socket.create_connection((address.hostname, address.port), timeout=10)

    def count(self, code, what):
        self.answers[str(code)] += 1
        if code not in EXPECTED and len(self.unexpected) < 20:
            self.unexpected.append(f"{what}: {code}")

    def hold(self, dice):
        """Connections that are never of use, as many as there may be, a drop on some of them now and then."""
        held = []
        try:
            while not self.until.wait(0.05):
                if len(held) < self.sockets:
                    held.append(self.connect())
                    held[-1].sendall(dice.choice(HALVES))
                one = dice.randrange(len(held))
                try:
                    held[one].sendall(b"x")
                except OSError:
                    held.pop(one).close()
                    self.answers["let go"] += 1
        finally:
            for one in held:
                one.close()

    def explode(self, dice):
        prepared = bombs()
        while not self.until.wait(0.5):
            path, headers, body = dice.choice(prepared)
            address = urlsplit(self.where())
            connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
            try:
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                length = len(answer.read())
                self.count(answer.status, path)
                if length > 2 << 20:
                    self.unexpected.append(f"{path}: an answer of {length} bytes")
            except (OSError, http.client.HTTPException):
                self.answers["broken off"] += 1
            finally:
                connection.close()

    def lie(self, dice):
        while not self.until.wait(0.1):
            with self.connect() as lying:
                lying.sendall(dice.choice(LIES))
                lying.settimeout(1)
                try:
                    lying.recv(1000)
                except TimeoutError:
                    pass
            self.answers["lies"] += 1

    def inquire(self, dice):
        while not self.until.wait(0.2):
            question = dice.choice(QUESTIONS)
            try:
                ask(f"{self.where()}/api/v1/projects/1/{question}", self.token, raw=True)
                self.count(200, question)
            except urllib.error.HTTPError as refused:
                self.count(refused.code, question[:80])
            except TimeoutError:
                self.answers["given up"] += 1


if __name__ == "__main__":
    # By hand: attackers.py URL TOKEN SECONDS
    import sys

    attackers = Attackers(lambda: sys.argv[1], sys.argv[2], random.Random()).start()
    time.sleep(float(sys.argv[3]))
    attackers.stop()
    print(dict(attackers.answers), attackers.unexpected)
