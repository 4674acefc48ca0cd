#!/usr/bin/env python3
"""All figures beside their bounds, in one run and one file: intake (intake.py), intake beside clients that mean harm (attacked.py) and while the
server does something else (beside.py), then what is stored (queries.py).

Data comes from a seed. The default of ten million spans takes hours on two cores and some 10 GB of disk; `--spans 300000` takes
minutes. DuckDB is needed for the bound of the questions.

`--against BINARY` compares with another binary in place of the bounds: both in turn, three rounds, and of each figure the ratio of the
first to the other: least, median, most. It needs no DuckDB. `--against OLD --short --spans 300000` takes some twenty minutes on two cores.
"""

import argparse
import json
import pathlib

import against
import attacked
import beside
import intake
import queries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hinomi", type=pathlib.Path, help="the binary")
    parser.add_argument("--spans", type=int, default=10_000_000, help="spans that are stored (default 10,000,000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each question")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the data; one that was filled before is used as it is")
    parser.add_argument("--only", choices=("intake", "attacked", "beside", "stored"))
    parser.add_argument("--short", action="store_true", help="intake with 8 connections and requests of 10 and 100 spans alone")
    parser.add_argument("--against", type=pathlib.Path, metavar="BINARY", help="compare with this binary in place of the bounds")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("bench-results.json"), help="default bench-results.json")
    args = parser.parse_args()
    args.hinomi = args.hinomi.resolve()
    results = {"machine": intake.machine(), "spans": args.spans}
    binaries = intake.build()
    options = ["--connections", "8", "--batches", "10,100"] if args.short else []
    of_intake = intake.arguments().parse_args([str(args.hinomi), *options])
    if args.against:
        args.against = args.against.resolve()
        results["against"] = against.run(args, binaries, of_intake)
    elif args.only in (None, "intake"):
        results["intake"] = intake.run(of_intake)
        print(f"goals: ratio at least {intake.GOALS['ratio']}, processor time and p99 at most {intake.GOALS['cpu']:.0f} times the bound's")
    if args.only in (None, "attacked") and not args.against:
        results["attacked"] = attacked.run(attacked.arguments().parse_args([str(args.hinomi)]))
    if args.only in (None, "beside") and not args.against:
        options = beside.arguments().parse_args([str(args.hinomi), "--spans", str(min(500_000, args.spans))])
        results["beside"] = beside.run(options, binaries)
    if args.only in (None, "stored") and not args.against:
        options = [str(args.hinomi), "--spans", str(args.spans), "--rounds", str(args.rounds)]
        options += ["--conversations", str(min(100_000, args.spans))] + (["--keep", str(args.keep)] if args.keep else [])
        results["stored"] = queries.run(queries.arguments().parse_args(options), binaries)
        queries.show(queries.table(results["stored"]))
    results["machine"]["load_after"] = intake.machine()["load"]
    args.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"figures: {args.out}")


main()
