#!/usr/bin/env python3
"""How long a program waits for its acknowledgement while the server does something else.

A server is filled with spans of the last day. Then for each kind of work programs send --rate spans a second beside it: nothing, dashboards that refresh (readers), searches in texts, exports,
backups, pricing again, trials of alert rules, rules that count weeks, and what the server tidies up after it was filled. Figures: milliseconds from a request to its acknowledgement,
the longest answer of /healthz, and how much of the work was done a second.

    beside.py HINOMI [--kinds nothing,readers32,exports] [--spans 500000] [--rate 2000] [--seconds 10] [--out FILE]

JSON: {"spans", "rate", "kinds": {KIND: {"ack_ms": {"p50", "p99", "max"}, "healthz_max_ms", "done_per_s", "refused_per_s", "failed"}}}.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import intake

PROJECT = "/api/v1/projects/1"
DASHBOARD = [
    "/summary?from=-24h",
    "/series?from=-24h&bucket=1h&measure=cost&group_by=model",
    "/breakdown?from=-24h&by=model",
    "/breakdown?from=-24h&by=pipeline",
    "/traces?limit=50",
    "/traces?limit=50&q=status:error",
    "/breakdown?from=-24h&by=user&limit=20",
    "/series?from=-24h&bucket=1h&measure=duration_p95",
]
RULE = {"name": "Slow", "measure": "duration_p95", "window": "1h", "warning": 1, "critical": 100_000_000}
GOALS = {"p50": 30, "p99": 200, "healthz_max_ms": 50}


class Work:
    """Requests of one kind, one after the other."""

    def __init__(self, port, token, seconds):
        self.port, self.token, self.until = port, token, time.time() + seconds
        self.done, self.refused, self.failed = 0, 0, []

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Authorization": "Bearer " + self.token} | ({"Content-Type": "application/json"} if body is not None else {})
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            while answer.read(1 << 20) and time.time() < self.until + 30:
                pass
        except OSError as error:
            self.failed.append(repr(error))
        else:
            if answer.status in (429, 503):
                self.refused += 1
            elif answer.status >= 400:
                self.failed.append(answer.status)
            else:
                self.done += 1
        finally:
            connection.close()

    def run(self, what, number):
        chance = random.Random(number)
        while time.time() < self.until:
            what(self, chance)


def keep(work, chance):
    """A rule that looks back a month is made, which has the past counted, and goes again."""
    rule = RULE | {"name": f"Month {chance.random()}", "measure": "cost", "window": "30d", "warning": 1e9, "critical": 2e9}
    work.ask("POST", PROJECT + "/alerts/rules", rule)
    time.sleep(0.5)


# What is done, and by how many at the same time.
KINDS = {
    "nothing": (None, 0),
    "tidying": (None, 0),
    **{f"readers{count}": (lambda work, chance: work.ask("GET", PROJECT + chance.choice(DASHBOARD)), count) for count in (2, 8, 32)},
    "searches": (lambda work, chance: work.ask("GET", f'{PROJECT}/spans?limit=50&q=%22not{chance.randrange(10**9)}found%22'), 4),
    "exports": (lambda work, _: work.ask("GET", PROJECT + "/export?format=jsonl"), 2),
    "backups": (lambda work, _: work.ask("GET", "/api/v1/backup"), 1),
    "reprice": (lambda work, _: work.ask("POST", PROJECT + "/reprice", {"dry_run": True}), 1),
    "previews": (lambda work, _: work.ask("POST", PROJECT + "/alerts/preview", {"rule": RULE, "back": "2d"}), 2),
    "rules": (keep, 1),
}


def health(work, took):
    while time.time() < work.until:
        began = time.time()
        connection = http.client.HTTPConnection("127.0.0.1", work.port, timeout=60)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        took.append((time.time() - began) * 1000)
        time.sleep(0.2)


def measured(kind, options, port, token, load, folder):
    what, count = KINDS[kind]
    work, alive = Work(port, token, options.seconds), []
    threads = [threading.Thread(target=work.run, args=(what, number)) for number in range(count)]
    threads.append(threading.Thread(target=health, args=(work, alive)))
    sent = ["--spans", str(options.rate * options.seconds), "--rate", str(options.rate), "--connections", "2", "--spread-s", "60"]
    sender = subprocess.Popen([*load, *sent, "--seed", str(random.randrange(1 << 30)), "--out", folder / "load.json"])
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.wait()
    ack = json.loads((folder / "load.json").read_text())["ack_ms"]
    per_second = lambda count: round(count / options.seconds, 1)
    return {
        "ack_ms": {name: round(ack[name], 1) for name in ("p50", "p99", "max")},
        "healthz_max_ms": round(max(alive), 1),
        "done_per_s": per_second(work.done),
        "refused_per_s": per_second(work.refused),
        "failed": sorted({str(fault) for fault in work.failed}),
    }


def run(options, binaries):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hinomi-beside-"))
    data, binary = folder / "data", str(options.hinomi)
    server = subprocess.Popen(
        [binary, "serve", "--data", data, "--listen", "127.0.0.1:0", "--port-file", folder / "port"],
        env=os.environ | {"HINOMI_DSN_KEY": intake.KEY, "HINOMI_LOG": "error"},
        stdout=subprocess.DEVNULL,
    )
    try:
        while not (folder / "port").exists():
            time.sleep(0.1)
        port = int((folder / "port").read_text())
        made = subprocess.run([binary, "token", "create", "--admin", "--data", data], capture_output=True, text=True, check=True)
        token = made.stdout.split()[-1]
        load = [binaries / "loadgen", *intake.PROTOCOLS["otlp"], "--url", f"http://127.0.0.1:{port}/v1/traces", "--batch", "100"]
        fill = ["--spans", str(options.spans), "--connections", "8", "--seed", "1", "--spread-s", "86000", "--out", folder / "fill.json"]
        subprocess.run([*load, *fill], check=True)
        results = {"spans": options.spans, "rate": options.rate, "kinds": {}}
        # First what the server does by itself after so much has come.
        kinds = sorted(options.kinds.split(","), key=lambda kind: kind != "tidying")
        for kind in kinds:
            if kind == kinds[1 if kinds[0] == "tidying" else 0]:
                time.sleep(5)
            results["kinds"][kind] = measured(kind, options, port, token, load, folder)
            show(kind, results["kinds"][kind])
        return results
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def show(kind, found):
    ack = found["ack_ms"]
    is_good = ack["p50"] <= GOALS["p50"] and ack["p99"] <= GOALS["p99"] and found["healthz_max_ms"] <= GOALS["healthz_max_ms"]
    print(
        f"{kind:10} acknowledged p50 {ack['p50']:6.1f} p99 {ack['p99']:6.1f} max {ack['max']:7.1f} ms; healthz {found['healthz_max_ms']:6.1f} ms; "
        f"{found['done_per_s']:6.1f} done, {found['refused_per_s']} refused a second{'' if is_good else '  MISSES'}"
        + (f"; failed: {found['failed'][:3]}" if found["failed"] else ""),
        flush=True,
    )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hinomi", type=pathlib.Path, help="the binary")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--spans", type=int, default=500_000, help="spans of the last day that are stored (default 500,000)")
    parser.add_argument("--rate", type=int, default=2000, help="spans a second that are sent beside (default 2,000)")
    parser.add_argument("--seconds", type=int, default=10, help="for each kind (default 10)")
    parser.add_argument("--loadgen", type=pathlib.Path, help="folder of the load generator; it is built where left out")
    parser.add_argument("--out", type=pathlib.Path, help="file for the figures as JSON")
    return parser


def main():
    options = arguments().parse_args()
    options.hinomi = options.hinomi.resolve()
    unknown = [kind for kind in options.kinds.split(",") if kind not in KINDS]
    if unknown:
        sys.exit(f"no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    results = run(options, options.loadgen or intake.build())
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
