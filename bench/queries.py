#!/usr/bin/env python3
"""What is stored: how fast questions are answered, beside DuckDB scanning the very same Parquet files; memory, disk, start.

Spans of 30 days are made from a seed and sent to a server, which writes and merges its segments. Then each question is asked of the
server over HTTP and of DuckDB, in turn, with two threads each; the best of some rounds counts. Two questions are asked of a tenth as
many spans of the same days too, which says how time grows. At last the server is ended and started again, killed under load and started
again, and two smaller sets are stored that tell what repeated conversations take on disk.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import intake

DAY = 86_400
CALLS = "kind IN ('llm', 'embedding') AND counted"
# In the messages of one call in six thousand spans, as the load generator makes them.
RARE = "zebrafishquokka"
# Spans that the load generator makes at a time: it has all of them in memory.
AT_A_TIME = 250_000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hinomi", type=pathlib.Path, help="the binary")
    parser.add_argument("--spans", type=int, default=10_000_000, help="default 10,000,000")
    parser.add_argument("--conversations", type=int, default=100_000, help="spans of agents' conversations, and of the mixed set")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="file for the figures as JSON")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the data; one that was filled before is used as it is")
    return parser


def questions(trace, user, start, end):
    """Name, path and parameters of the API, SQL, how many times DuckDB's time is the goal at most."""
    span = f"start_time >= to_timestamp({start}) AND start_time < to_timestamp({end})"
    month = {"from": start, "to": end}
    sums = f"""count(*) FILTER ({CALLS}), count(*) FILTER ({CALLS} AND status = 'error'), sum(input_tokens) FILTER ({CALLS}),
        sum(output_tokens) FILTER ({CALLS}), sum(cost) FILTER ({CALLS}), quantile_cont(duration_us, [0.5, 0.95, 0.99]) FILTER ({CALLS})"""
    distinct = "count(DISTINCT trace_id), count(DISTINCT user_id)"
    day = "time_bucket(INTERVAL 1 DAY, start_time)"
    light = "* EXCLUDE (input_messages, output_messages)"
    newest = "ORDER BY start_time DESC LIMIT 50"
    says = " OR ".join(f"contains(lower({column}), '{RARE}')" for column in ("input_messages", "output_messages"))
    return [
        ("overview: sums", "summary", month, f"SELECT count(*), {distinct}, {sums} FROM spans WHERE {span}", 0.2),
        ("overview: by day and model", "series", month | {"bucket": "1d", "measure": "cost,calls", "group_by": "model"},
            f"SELECT {day}, model, sum(cost) FILTER ({CALLS}), count(*) FILTER ({CALLS}) FROM spans WHERE {span} GROUP BY 1, 2", 0.2),
        ("models", "breakdown", month | {"by": "model"}, f"SELECT model, {sums} FROM spans WHERE {span} GROUP BY 1", 0.2),
        ("sums with a filter on rows", "summary", month | {"q": f"user:{user}"},
            f"SELECT count(*), {distinct}, {sums} FROM spans WHERE {span} AND user_id = '{user}'", 1.0),
        ("top users by cost", "breakdown", month | {"by": "user", "limit": 20},
            f"SELECT user_id, {sums} FROM spans WHERE {span} GROUP BY 1 ORDER BY 6 DESC LIMIT 20", 1.0),
        ("a trace by its id", f"traces/{trace}", {}, f"SELECT * FROM spans WHERE trace_id = '{trace}'", 1.0),
        ("newest 50 failed calls", "spans", month | {"q": "status:error kind:llm", "limit": 50},
            f"SELECT {light} FROM spans WHERE {span} AND status = 'error' AND kind = 'llm' {newest}", 0.5),
        ("newest 50 of a user", "spans", month | {"q": f"user:{user}", "limit": 50},
            f"SELECT {light} FROM spans WHERE {span} AND user_id = '{user}' {newest}", 0.5),
        ("newest 50 traces", "traces", month | {"limit": 50},
            f"SELECT trace_id, min(start_time), max(end_time), count(*), sum(cost) FROM spans WHERE {span} GROUP BY 1 ORDER BY 2 DESC LIMIT 50", 0.5),
        ("a rare phrase", "spans", month | {"q": RARE, "limit": 50}, f"SELECT {light} FROM spans WHERE {span} AND ({says}) {newest}", 0.1),
    ]


GROWING = ("overview: sums", "a trace by its id")


class Store:
    """A server with what was sent to it."""

    def __init__(self, args, binaries, folder):
        self.args, self.binaries, self.folder = args, binaries, folder
        folder.mkdir(parents=True, exist_ok=True)
        facts = folder / "facts.json"
        # What is known of what was sent: it is written at the end, so that a folder that has it is whole.
        self.facts = json.loads(facts.read_text()) if facts.exists() else {"end": int(time.time()) - 5, "spans": 0, "raw_bytes": 0, "traces": []}
        self.server = intake.hinomi(args.hinomi, folder)
        self.token = None

    @property
    def segments(self):
        return self.folder / "data/segments"

    def load(self, total, until, agents=0):
        """Sends spans of the 30 days, of which there are to be `total` in all, until there are `until`."""
        began, cpu = time.monotonic(), self.server.cpu()
        sent = 0
        while self.facts["spans"] < until:
            spans = min(AT_A_TIME, until - self.facts["spans"])
            window = 30 * DAY * spans // total
            window_end = self.facts["end"] - 30 * DAY + 30 * DAY * (self.facts["spans"] + spans) // total
            out = self.folder / "load.json"
            command = [self.binaries / "loadgen", *intake.PROTOCOLS["otlp"], "--url", self.server.address + intake.PATHS["otlp"]]
            command += ["--spans", spans, "--agents", agents, "--retries", 50, "--batch", 102, "--connections", 4, "--out", out]
            command += ["--seed", self.facts["spans"] // AT_A_TIME + 1, "--spread-s", window, "--t-end", window_end]
            subprocess.run([str(part) for part in command], check=True)
            result = json.loads(out.read_text())
            if result["not_acked_spans"]:
                sys.exit(f"{result['not_acked_spans']} spans were not acknowledged: {result['refusals']}")
            self.facts["raw_bytes"] += result["raw_bytes"]
            self.facts["traces"] += result["facts"]["sample_trace_ids"]
            # With conversations they are more or fewer than asked for.
            self.facts["spans"] += spans if not agents else result["acked_spans"]
            sent += result["wall_s"]
        return {"seconds": round(time.monotonic() - began, 1), "sending_s": round(sent, 1), "cpu_s": round(self.server.cpu() - cpu, 1)}

    def settle(self):
        """Waits until everything is in segments and these are merged and indexed."""
        before, unchanged = None, 0
        # Younger segments than two minutes have no index yet.
        while unchanged < 12 or {stem for stem, suffix in names if suffix == ".parquet"} - {stem for stem, suffix in names if suffix == ".grams"}:
            time.sleep(1)
            names = {(file.stem, file.suffix) for file in self.segments.iterdir()}
            now = sorted((file.name, file.stat().st_size) for file in self.segments.iterdir() if file.exists())
            logs = sum(file.stat().st_size for file in (self.folder / "data/log").iterdir() if file.exists())
            unchanged = unchanged + 1 if now == before and logs < 100_000 else 0
            before = now

    def bytes(self):
        of = {}
        for file in self.segments.iterdir():
            of[file.suffix[1:]] = of.get(file.suffix[1:], 0) + file.stat().st_size
        return of

    def ask(self, path, parameters):
        if self.token is None:
            made = [self.args.hinomi, "token", "create", "--data", self.folder / "data"]
            made = subprocess.run(made, capture_output=True, text=True, check=True)
            self.token = next(word for word in made.stdout.split() if len(word) > 30)
        query = urllib.parse.urlencode(parameters)
        url = f"{self.server.address}/api/v1/projects/1/{path}?{query}"
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read())

    def compare(self, only=None):
        """Asks both."""
        import duckdb

        duck = duckdb.connect()
        duck.execute("SET threads = 2")
        duck.execute(f"CREATE VIEW spans AS SELECT * FROM '{self.segments}/*.parquet'")
        user = duck.sql("SELECT user_id FROM spans LIMIT 1").fetchall()[0][0]
        trace = self.facts["traces"][len(self.facts["traces"]) // 2]
        results = []
        print(f"{'question':28} {'hinomi ms':>10} {'DuckDB ms':>10} {'times':>6} {'goal':>5}")
        for name, path, parameters, sql, goal in questions(trace, user, self.facts["end"] - 30 * DAY, self.facts["end"]):
            if only and name not in only:
                continue
            theirs, _ = timed(self.args.rounds, lambda: duck.sql(sql).fetchall())
            ours, _ = timed(self.args.rounds, lambda: self.ask(path, parameters))
            results.append({"question": name, "hinomi_ms": round(ours, 1), "duckdb_ms": round(theirs, 1), "times": round(ours / theirs, 3), "goal": goal})
            print(f"{name:28} {ours:10.1f} {theirs:10.1f} {ours / theirs:6.2f} {goal:5}", flush=True)
        return results


def timed(rounds, ask):
    best, answer = float("inf"), None
    for _ in range(rounds):
        began = time.perf_counter()
        answer = ask()
        best = min(best, time.perf_counter() - began)
    return best * 1000, answer


def conversations(args, binaries, folder, agents):
    """What conversations take on disk."""
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(args, binaries, folder)
    store.load(args.conversations, args.conversations, agents)
    store.settle()
    of = store.bytes()
    store.server.end()
    spans, raw, stored = store.facts["spans"], store.facts["raw_bytes"], sum(of.values())
    return {"spans": spans, "raw_bytes_per_span": round(raw / spans), "bytes": of, "bytes_per_span": round(stored / spans), "part_of_raw": round(stored / raw, 4)}


def measure(args, binaries, folder):
    store = Store(args, binaries, folder / "store")
    facts, result = store.facts, {"spans": args.spans, "empty_mb": round(store.server.idle_mb)}
    if "load" not in facts:
        facts["load"] = store.load(args.spans, args.spans)
        facts["load"]["most_mb"] = round(store.server.resident_mb("VmHWM"))
        store.settle()
        (store.folder / "facts.json").write_text(json.dumps(facts))
    result["load"] = facts["load"]
    result["at_a_tenth"] = tenth(args, binaries, folder / "tenth")
    print(f"== {args.spans} spans", file=sys.stderr)
    files = [file for file in store.segments.iterdir() if file.suffix == ".parquet"]
    stored = store.bytes()
    result["disk"] = {"segments": len(files), "bytes": stored, "bytes_per_span": round(sum(stored.values()) / args.spans), "part_of_raw": round(sum(stored.values()) / facts["raw_bytes"], 4)}
    print(f"{len(files)} segments, {result['disk']['bytes_per_span']} bytes a span")
    result["questions"] = store.compare()
    result["after_questions_mb"] = round(store.server.resident_mb())
    store.server.end()
    store.server = intake.hinomi(args.hinomi, store.folder)
    time.sleep(3)
    result["start"] = {"ready_s": round(store.server.ready_s, 3), "idle_mb": round(store.server.resident_mb())}
    store.server.end()
    result["replay"] = replay(args, binaries, folder / "replay")
    result["conversations"] = {"agents": conversations(args, binaries, folder / "agents", 1), "mixed": conversations(args, binaries, folder / "mixed", 10)}
    return result


def tenth(args, binaries, folder):
    """The questions whose time should hardly grow, of a tenth of the spans."""
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(args, binaries, folder)
    spans = args.spans // 10
    store.load(spans, spans)
    store.settle()
    print(f"== {spans} spans", file=sys.stderr)
    results = store.compare(GROWING)
    store.server.end()
    return results


def replay(args, binaries, folder):
    """Killed under load: how much longer a start takes that reads the log again. It is cut whenever a segment is written, so that it never
    grows long: some spans are sent until it is long enough to be measured."""
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(args, binaries, folder)
    store.server.end()
    # The best of some: a start without a log, and one with it, which a kill leaves as it is.
    empty = min(started(store).ready_s for _ in range(3))
    store.server = intake.hinomi(args.hinomi, folder)
    store.load(20_000, 20_000)
    store.server.kill()
    logs = sum(file.stat().st_size for file in (folder / "data/log").iterdir())
    ready = min(started(store, how="kill").ready_s for _ in range(3))
    return {"log_bytes": logs, "empty_ready_s": round(empty, 3), "ready_s": round(ready, 3), "seconds_for_1_gb": round((ready - empty) / max(logs, 1) * 1e9, 1)}


def started(store, how="end"):
    server = intake.hinomi(store.args.hinomi, store.folder)
    getattr(server, how)()
    return server


def table(result):
    """Figure, what was measured, what it is measured by, times or part of that, goal at most."""
    rows = []
    for question in result["questions"]:
        rows.append((question["question"], f"{question['hinomi_ms']} ms", f"DuckDB {question['duckdb_ms']} ms", question["times"], question["goal"]))
    for before in result["at_a_tenth"]:
        now = next(question for question in result["questions"] if question["question"] == before["question"])
        growth = round(now["hinomi_ms"] / before["hinomi_ms"], 2)
        rows.append((f"growth from a tenth: {before['question']}", f"{now['hinomi_ms']} ms", f"{before['hinomi_ms']} ms", growth, 1.5))
    rows.append(("memory when idle", f"{result['start']['idle_mb']} MB", "", result["start"]["idle_mb"], 150))
    rows.append(("memory under load, at most", f"{result['load']['most_mb']} MB", "", result["load"]["most_mb"], 1500))
    disk = result["disk"]
    rows.append(("disk: the load generator's data", f"{disk['bytes_per_span']} bytes a span", f"{disk['part_of_raw']} of raw", disk["bytes_per_span"], 450))
    for name, goal in (("agents", 1 / 20), ("mixed", 1 / 6)):
        of = result["conversations"][name]
        rows.append((f"disk: {name}", f"{of['bytes_per_span']} bytes a span", f"{of['raw_bytes_per_span']} raw", of["part_of_raw"], round(goal, 4)))
    rows.append(("start to ready", f"{result['start']['ready_s']} s", "", result["start"]["ready_s"], 1.0))
    replayed = result["replay"]
    start = f"start without {replayed['empty_ready_s']} s"
    rows.append(("replay of a log, for 1 GB of it", f"{replayed['log_bytes'] / 1e6:.1f} MB in {replayed['ready_s']} s", start, replayed["seconds_for_1_gb"], 10))
    return rows


def show(rows):
    print(f"{'figure':44} {'measured':>24} {'beside':>20} {'is':>9} {'goal':>8}")
    for figure, measured, beside, value, goal in rows:
        print(f"{figure:44} {measured:>24} {beside:>20} {value:9} {goal:8} {'' if value <= goal else 'MISSED'}")


def run(args, binaries):
    try:
        import duckdb  # noqa: F401
    except ImportError:
        sys.exit("DuckDB is needed: python3 -m venv DIR && DIR/bin/pip install duckdb, then run this with DIR/bin/python")
    if args.keep:
        return measure(args, binaries, args.keep.resolve())
    with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
        return measure(args, binaries, pathlib.Path(folder))


def main():
    args = arguments().parse_args()
    result = run(args, intake.build())
    show(table(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
