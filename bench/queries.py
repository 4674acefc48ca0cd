#!/usr/bin/env python3
"""How fast questions are answered, beside DuckDB scanning the very same Parquet files.

Spans of 30 days are made from a seed and sent to a server, which writes and merges its segments. Then each question is asked of the
server over HTTP and of DuckDB, in turn, with two threads each; the best of some rounds counts.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

KEY = "0123456789abcdef0123456789abcdef"
DAY = 86_400
CALLS = "kind IN ('llm', 'embedding') AND counted"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hinomi", type=pathlib.Path, help="the binary")
    parser.add_argument("--spans", type=int, default=300_000, help="default 300,000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="file for the figures as JSON")
    return parser.parse_args()


def questions(trace, user, start, end):
    """Name, path and parameters of the API, SQL, how many times DuckDB's time is the goal at most."""
    span = f"start_time >= to_timestamp({start}) AND start_time < to_timestamp({end})"
    month = {"from": start, "to": end}
    sums = f"""count(*) FILTER ({CALLS}), count(*) FILTER ({CALLS} AND status = 'error'), sum(input_tokens) FILTER ({CALLS}),
        sum(output_tokens) FILTER ({CALLS}), sum(cost) FILTER ({CALLS}), quantile_cont(duration_us, [0.5, 0.95, 0.99]) FILTER ({CALLS})"""
    distinct = "count(DISTINCT trace_id), count(DISTINCT user_id)"
    day = "time_bucket(INTERVAL 1 DAY, start_time)"
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
            f"SELECT * EXCLUDE (input_messages, output_messages) FROM spans WHERE {span} AND status = 'error' AND kind = 'llm' ORDER BY start_time DESC LIMIT 50", 0.5),
    ]


def timed(rounds, ask):
    best, answer = float("inf"), None
    for _ in range(rounds):
        began = time.perf_counter()
        answer = ask()
        best = min(best, time.perf_counter() - began)
    return best * 1000, answer


def main():
    args = arguments()
    try:
        import duckdb
    except ImportError:
        sys.exit("DuckDB is needed: python3 -m venv DIR && DIR/bin/pip install duckdb, then run this with DIR/bin/python")
    cache = pathlib.Path(os.environ.get("HINOMI_CACHE") or pathlib.Path.home() / ".cache/hinomi")
    loadgen = cache / "bench/release/loadgen"
    manifest = pathlib.Path(__file__).resolve().parent / "loadgen/Cargo.toml"
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--manifest-path", manifest], check=True, env=os.environ | {"CARGO_TARGET_DIR": str(cache / "bench")}
    )
    with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
        folder = pathlib.Path(folder)
        command = [args.hinomi, "serve", "--data", folder / "data", "--listen", "127.0.0.1:0"]
        server = subprocess.Popen(
            [*command, "--port-file", folder / "port"], stdout=subprocess.DEVNULL, env=os.environ | {"HINOMI_DSN_KEY": KEY, "HINOMI_LOG": "warn"}
        )
        try:
            while not (folder / "port").exists():
                time.sleep(0.05)
            base = f"http://127.0.0.1:{(folder / 'port').read_text().strip()}"
            results = measure(args, duckdb, loadgen, folder, base)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    if args.out:
        args.out.write_text(json.dumps({"spans": args.spans, "questions": results}, indent=1) + "\n")


def measure(args, duckdb, loadgen, folder, base):
    end = int(time.time()) - 5
    start = end - 30 * DAY
    command = [loadgen, "--mode", "otlp", "--url", f"{base}/v1/traces", "--header", f"x-hinomi-key: {KEY}", "--spans", args.spans, "--retries", 20]
    command += ["--batch", 102, "--connections", 4, "--spread-s", 30 * DAY, "--t-end", end, "--out", folder / "load.json"]
    subprocess.run([str(part) for part in command], check=True)
    facts = json.loads((folder / "load.json").read_text())["facts"]
    made = subprocess.run([args.hinomi, "token", "create", "--data", folder / "data"], capture_output=True, text=True, check=True)
    token = next(word for word in made.stdout.split() if len(word) > 30)

    def ask(path, parameters):
        query = urllib.parse.urlencode(parameters)
        request = urllib.request.Request(f"{base}/api/v1/projects/1/{path}?{query}", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read())

    segments = folder / "data/segments"
    print("== waiting for the segments", file=sys.stderr)
    files, unchanged = [], 0
    while unchanged < 20 or duckdb.sql(f"SELECT count(*) FROM '{segments}/*.parquet'").fetchall()[0][0] < args.spans:
        time.sleep(0.5)
        now = sorted(path.name for path in segments.glob("*.parquet"))
        files, unchanged = now, unchanged + 1 if now == files and now else 0
    duck = duckdb.connect()
    duck.execute("SET threads = 2")
    duck.execute(f"CREATE VIEW spans AS SELECT * FROM '{segments}/*.parquet'")
    user = duck.sql("SELECT user_id FROM spans LIMIT 1").fetchall()[0][0]
    trace = facts["sample_trace_ids"][len(facts["sample_trace_ids"]) // 2]

    print(f"{len(files)} segments, {sum((segments / name).stat().st_size for name in files) / args.spans:.0f} bytes a span")
    print(f"{'question':28} {'hinomi ms':>10} {'DuckDB ms':>10} {'times':>6} {'goal':>5}")
    results = []
    for name, path, parameters, sql, goal in questions(trace, user, start, end):
        theirs, _ = timed(args.rounds, lambda: duck.sql(sql).fetchall())
        ours, _ = timed(args.rounds, lambda: ask(path, parameters))
        results.append({"question": name, "hinomi_ms": round(ours, 1), "duckdb_ms": round(theirs, 1), "times": round(ours / theirs, 2), "goal": goal})
        print(f"{name:28} {ours:10.1f} {theirs:10.1f} {ours / theirs:6.2f} {goal:5}", flush=True)
    return results


main()
