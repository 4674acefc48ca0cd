#!/usr/bin/env python3
"""A server under mixed load for as long as one likes: programs send what is new, late, repeated and out of order, people ask, export, delete and
back up, old spans go, and the server is ended at random, politely or not. At the end everything that was acknowledged is compared with what is
found, the last backup is restored and compared too, and a table tells of memory, open files and disk. Meanwhile others do it harm (attackers.py):
nothing may be lost by that either, and the programs must be served.

    soak.py BINARY [--minutes N | --hours N] [--seed N] [--memory MB] [--senders N] [--rate N] [--every S] [--keep] [--no-attackers]
"""

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import uuid
from collections import Counter

from attackers import Attackers
from chores import KEEP, back_up, confirm, delete, restored
from promises import NEVER
from server import KEY, Client, ask, call, create_token, envelope, looked_at, otlp, start

# In days: some of it is late, some is too old before long.
AGES = (0, 0, 0, 0, 0, 0, 0.1, 1, 15, 40)
QUESTIONS = [
    "summary?from=-30d", "traces?q=&limit=100", "traces?q=%22あああ%22&limit=20", "breakdown?by=user&from=-30d", "breakdown?by=model&from=-2d",
    "series?measure=cost&bucket=1h&from=-2d", "spans?q=kind:llm%20total_tokens:%3E10&limit=200", "facets?field=user", "issues",
    "export?q=model:gpt-4o*&from=-1d", "export?format=parquet&from=-1h",
]  # fmt: skip
# Descriptors and bytes beyond what was seen early on that may be a leak.
MORE_FILES, MORE_MEMORY = 200, 200 << 20
# The part of what programs send that may be turned away while the server is attacked, and what half of it may take, in seconds.
REFUSED, MEDIAN = 0.05, 0.5
# Parts of lines that the server never writes to its log while all is well.
SAID = ("panicked", "store.data.damaged", "api.request.failed")


class Soak(Client):
    """A client that also repeats itself, late and in another order, and pauses between what it sends."""

    def __init__(self, rate):
        super().__init__(KEEP["retention_days"], AGES, users=100_000)
        self.pause = 1 / rate
        self.late = []  # (when, trace, way, body)
        self.asked = Counter()
        self.took = []

    def send(self, url, body):
        began = time.time()
        at = super().send(url, body)
        if at is not None:
            self.took.append(at - began)
        return at

    def program(self, server, until, dice):
        while not until.is_set():
            url = server.url
            trace, user, age = uuid.uuid4().hex, f"user-{dice.randrange(self.users)}", dice.choice(self.ages)
            text = f"{trace} " + dice.choice("あいうえお") * dice.choice([5, 50, 2000])
            promise = self.promises.call(trace, user, age, time.time())
            if dice.random() < 0.3:
                way, body = "/v1/traces", json.dumps(otlp(trace, text, user, age)).encode()
            else:
                way, body = f"/api/1/envelope/?sentry_key={KEY}", envelope(("transaction", call(trace, text, user, age)))
            at = self.send(url + way, body)
            promise.acknowledged, promise.settled = at or NEVER, time.time()
            # A client that got no answer sends it again, and some send again what was answered.
            if dice.random() < (0.9 if at is None else 0.1):
                with self.promises.lock:
                    self.late.append((time.time() + dice.expovariate(0.2), trace, way, body))
            self.send_late(server)
            until.wait(dice.expovariate(1 / self.pause))

    def send_late(self, server):
        now = time.time()
        with self.promises.lock:
            due = [one for one in self.late if one[0] <= now][:5]
            self.late = [one for one in self.late if one not in due]
        for _, trace, way, body in due:
            promise = self.promises.calls[trace]
            # What was to be deleted meanwhile is not sent again: it would be stored again.
            with self.promises.lock:
                if any(one.name in (trace, promise.user) for one in self.promises.deletions):
                    continue
                promise.settled = NEVER
            at = self.send(server.url + way, body)
            promise.acknowledged, promise.settled = min(promise.acknowledged, at or NEVER), time.time()


class Server:
    """The server, which is ended now and then."""

    def __init__(self, binary, data, memory):
        self.binary, self.data = binary, data
        self.variables = {"HINOMI_DISK_RETAIN_EVERY_S": "10", "HINOMI_MEMORY_LIMIT_BYTES": str(memory << 20)}
        self.starts = Counter()
        self.begin()

    def begin(self):
        self.process, self.url = start(self.binary, self.data, **self.variables)

    def end(self, how):
        self.starts["killed" if how == signal.SIGKILL else "stopped"] += 1
        self.process.send_signal(how)
        code = self.process.wait(timeout=120)
        if how == signal.SIGTERM and code != 0:
            raise SystemExit(f"a polite end has status {code}")

    def measured(self):
        """Resident bytes, open files, bytes of the data folder."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        files = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        disk = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                try:
                    disk += os.path.getsize(os.path.join(folder, name))
                except OSError:
                    pass
        return resident, files, disk


def people(soak, server, token, until, dice, folder, backups, failures):
    """Questions, exports, deletions and backups."""
    while not until.wait(dice.expovariate(2)):
        deed = dice.choices(["ask", "trace", "user", "backup"], [30, 4, 2, 0.5])[0]
        known = soak.promises.acknowledged() if deed in ("trace", "user") else {}
        confirm(server.url, token)
        if deed == "backup":
            made = back_up(server.url, token, os.path.join(folder, f"backup-{len(backups) % 2}.tar"))
            backups.extend([made] if made else [])
        elif deed == "ask":
            path = dice.choice(QUESTIONS)
            try:
                ask(f"{server.url}/api/v1/projects/1/{path.replace('あああ', '%E3%81%82%E3%81%82%E3%81%82')}", token, raw=path.startswith("export"))
                soak.asked["answered"] += 1
            except urllib.error.HTTPError as error:
                soak.asked[str(error.code)] += 1
                if error.code not in (429, 503, 504):
                    failures.append(f"{path}: {error.code} {error.read()[:300]}")
            except (OSError, http.client.HTTPException, ValueError):
                soak.asked["broken off"] += 1
        elif known:
            trace = dice.choice(list(known))
            delete(server.url, token, soak.promises, deed, trace if deed == "trace" else known[trace].user)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randint(1, 1 << 31))
    parser.add_argument("--memory", type=int, default=512, help="the server's limit in MB")
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--rate", type=float, default=25, help="calls a second of each sender")
    parser.add_argument("--every", type=float, default=20, help="seconds between two ends of the server, on average")
    parser.add_argument("--no-attackers", action="store_true", help="nobody means harm")
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    options = parser.parse_args()
    seconds = options.hours * 3600 if options.hours else options.minutes * 60
    dice = random.Random(options.seed)
    folder = tempfile.mkdtemp(prefix="hinomi-soak-")
    data, binary = os.path.join(folder, "data"), os.path.abspath(options.binary)
    token = create_token(binary, data)
    server, soak = Server(binary, data, options.memory), Soak(options.rate)
    ask(f"{server.url}/api/v1/projects/1", token, json.dumps(KEEP).encode(), "PATCH", "application/json")
    until, backups, failures, rows = threading.Event(), [], [], []
    seeded = lambda: random.Random(dice.random())
    work = [threading.Thread(target=soak.program, args=(server, until, seeded())) for _ in range(options.senders)]
    work += [threading.Thread(target=people, args=(soak, server, token, until, seeded(), folder, backups, failures)) for _ in range(2)]
    for thread in work:
        thread.start()
    attackers = None if options.no_attackers else Attackers(lambda: server.url, token, seeded()).start()
    print(f"seed {options.seed}, {seconds:.0f} s, limit {options.memory} MB")
    print(f"{'s':>7} {'calls':>8} {'deleted':>8} {'memory MB':>10} {'files':>6} {'disk MB':>8} {'kB a call':>9}", flush=True)
    began = time.time()
    next_end, next_row = began + dice.expovariate(1 / options.every), began
    highest = 0
    while (now := time.time()) < began + seconds:
        time.sleep(0.2)
        resident, files, disk = server.measured()
        highest = max(highest, resident)
        if now >= next_row:
            calls = len(soak.promises.acknowledged())
            deleted = sum(one.ended < NEVER for one in soak.promises.deletions)
            rows.append((now - began, calls, resident, files, disk))
            print(f"{now - began:7.0f} {calls:8} {deleted:8} {resident / 1e6:10.0f} {files:6} {disk / 1e6:8.1f} {disk / 1e3 / max(calls, 1):9.2f}", flush=True)
            next_row = now + max(seconds / 20, 5)
        if now >= next_end:
            server.end(dice.choice([signal.SIGKILL, signal.SIGTERM]))
            server.begin()
            next_end = time.time() + dice.expovariate(1 / options.every)
    until.set()
    if attackers:
        attackers.stop()
    for thread in work:
        thread.join()
    server.end(signal.SIGTERM)
    wrong = failures + looked_at(binary, data, soak.promises, time.time())
    if backups:
        wrong += [f"in the backup: {what}" for what in restored(binary, soak.promises, backups[-1], folder)]
    with open(data + ".log", errors="replace") as log:
        said = log.read()
    wrong += [f"the server said: {line[:300]}" for line in said.splitlines() if any(word in line for word in SAID)]
    later = rows[len(rows) // 2 :]
    if len(rows) >= 8:
        early = rows[len(rows) // 4 : len(rows) // 2]
        if max(row[3] for row in later) > max(row[3] for row in early) + MORE_FILES:
            wrong.append("more and more files are open")
        if max(row[2] for row in later) > max(max(row[2] for row in early) + MORE_MEMORY, options.memory << 20):
            wrong.append("it takes more and more memory")
    if attackers:
        wrong += [f"an attacker was answered {what}" for what in attackers.unexpected]
        if len(soak.refused) > REFUSED * (len(soak.took) + len(soak.refused)):
            wrong.append(f"{len(soak.refused)} of {len(soak.took) + len(soak.refused)} good requests were turned away")
        if (median := statistics.median(soak.took or [0])) > MEDIAN:
            wrong.append(f"half of the good requests took {median:.2f} s or more")
        print(f"attackers were answered {dict(attackers.answers)}; good requests took {statistics.median(soak.took or [0]) * 1000:.0f} ms (median)")
    refused = dict(Counter(code for _, code in soak.refused))
    calls = len(soak.promises.acknowledged())
    print(
        f"{calls} calls acknowledged, {refused} refused, {len(soak.promises.deletions)} deletions, {len(backups)} backups, questions "
        f"{dict(soak.asked)}, server {dict(server.starts)}, at most {highest / 1e6:.0f} MB of memory"
    )  # fmt: skip
    print("\n".join(wrong) or "all that was promised is there, once, and nothing else")
    if options.keep:
        print(folder)
    else:
        shutil.rmtree(folder)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
