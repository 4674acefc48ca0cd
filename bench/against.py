#!/usr/bin/env python3
"""One binary beside another, such as today's beside that of a commit before: each figure of both, and how they relate.

What is compared is the same as in bench.py without the bounds: intake in its cases, then what is stored (questions, memory, disk, start). Both
binaries are measured in turn in each of three rounds, every other round in the opposite order, so that what the machine does meanwhile meets both. A
figure is the ratio of the first binary to the other in each round: least, median, most. Where these do not lie on one side of 1, the rounds do not
agree and nothing is said. Each binary stores its own spans, made from the same seed, once.
"""

import argparse
import pathlib
import statistics
import tempfile

import intake
import queries

ROUNDS = 3
# Figures of a case of intake, and which way is better.
OF_INTAKE = {"spans_per_s": "more", "cpu_s_per_1000_spans": "less", "ack_ms_p50": "less", "ack_ms_p99": "less", "idle_mb": "less", "after_mb": "less", "bytes_per_span": "less"}


class Figures:
    """What was measured of both, by round."""

    def __init__(self):
        self.found = {}

    def add(self, figure, better, of, value):
        self.found.setdefault(figure, {"figure": figure, "better": better, "hinomi": [], "against": []})[of].append(value)

    def rows(self):
        for row in self.found.values():
            ratios = [own / max(other, 1e-9) for own, other in zip(row["hinomi"], row["against"])]
            row["ratio"] = {"min": round(min(ratios), 3), "median": round(statistics.median(ratios), 3), "max": round(max(ratios), 3)}
        return list(self.found.values())


def in_turn(number):
    """Which is measured first."""
    return ("hinomi", "against") if number % 2 == 0 else ("against", "hinomi")


def of_intake(args, binaries, options, figures):
    cases = [(protocol, connections, batch) for protocol in options.protocols.split(",") for connections in options.connections for batch in options.batches]
    for number in range(ROUNDS):
        for seed, (protocol, connections, batch) in enumerate(cases, 1):
            spans = min(options.spans, options.requests * batch)
            for of in in_turn(number):
                with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
                    folder = pathlib.Path(folder)
                    server = intake.hinomi(getattr(args, of), folder)
                    measured = intake.measure(server, binaries, protocol, spans, batch, connections, seed)
                    measured["bytes_per_span"] = round(intake.stored_bytes(folder) / measured["spans"])
                for name, better in OF_INTAKE.items():
                    figures.add(f"{protocol}, {connections} connections, {batch} spans: {name}", better, of, measured[name])
        print(f"== intake, round {number + 1} of {ROUNDS}", flush=True)


def of_stored(args, binaries, folder, figures):
    stores = {}
    for of in in_turn(0):
        own = argparse.Namespace(hinomi=getattr(args, of), rounds=args.rounds)
        store = stores[of] = queries.Store(own, binaries, folder / of)
        if "load" not in store.facts:
            store.facts["load"] = store.load(args.spans, args.spans)
            store.facts["load"]["most_mb"] = round(store.server.resident_mb("VmHWM"))
            store.settle()
            (store.folder / "facts.json").write_text(queries.json.dumps(store.facts))
        load = store.facts["load"]
        figures.add("stored: seconds of sending", "less", of, load["sending_s"])
        figures.add("stored: processor seconds of sending", "less", of, load["cpu_s"])
        figures.add("stored: memory at most, MB", "less", of, load["most_mb"])
        figures.add("stored: bytes a span", "less", of, round(sum(store.bytes().values()) / args.spans))
        # Only one runs at a time.
        store.server.end()
    for number in range(ROUNDS):
        for of in in_turn(number):
            store = stores[of]
            store.server, store.token = intake.hinomi(store.args.hinomi, store.folder), None
            figures.add("stored: start to ready, s", "less", of, round(store.server.ready_s, 3))
            figures.add("stored: memory when idle, MB", "less", of, round(store.server.idle_mb))
            end = store.facts["end"]
            users = store.ask("breakdown", {"from": end - 30 * queries.DAY, "to": end, "by": "user", "limit": 1})
            traces = store.facts["traces"]
            for name, path, parameters, _, _ in queries.questions(traces[len(traces) // 2], users["rows"][0]["key"], end - 30 * queries.DAY, end):
                best, _ = queries.timed(args.rounds, lambda: store.ask(path, parameters))
                figures.add(f"{name}, ms", "less", of, round(best, 2))
            figures.add("stored: memory after questions, MB", "less", of, round(store.server.resident_mb()))
            store.server.end()
        print(f"== questions, round {number + 1} of {ROUNDS}", flush=True)


def show(rows):
    print(f"{'figure':72} {'hinomi':>10} {'against':>10} | {'least':>6} {'median':>6} {'most':>6}")
    for row in rows:
        ratio, own, other = row["ratio"], statistics.median(row["hinomi"]), statistics.median(row["against"])
        agreed = ratio["min"] > 1 or ratio["max"] < 1
        said = "" if not agreed else "better" if (ratio["median"] > 1) == (row["better"] == "more") else "worse"
        print(f"{row['figure']:72} {own:10} {other:10} | {ratio['min']:6.3f} {ratio['median']:6.3f} {ratio['max']:6.3f} {said}")


def run(args, binaries, options):
    """The figures of `args.hinomi` and `args.against`, and their ratios."""
    figures = Figures()
    if args.only != "stored":
        of_intake(args, binaries, options, figures)
    if args.only != "intake":
        if args.keep:
            of_stored(args, binaries, args.keep.resolve(), figures)
        else:
            with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
                of_stored(args, binaries, pathlib.Path(folder), figures)
    rows = figures.rows()
    show(rows)
    return {"binary": str(args.against), "rounds": ROUNDS, "figures": rows}
