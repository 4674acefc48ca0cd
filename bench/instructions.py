#!/usr/bin/env python3
"""How many instructions intake takes for each span, counted by valgrind: the same on every run to a part in a thousand, however busy the machine is.

    instructions.py HINOMI [--against BINARY] [--spans 6000] [--out FILE]

Times differ by a tenth between two runs of one binary, so that a change of a few per cent goes unseen in them. Instructions say nothing about waiting, the
kernel and the processor's caches: times have the last word (bench.py --only intake). What is counted: from the first request to the last acknowledgement
(`taken`), and from there until the server has ended in good order, which writes the segment (`stored`). With --against, the ratio of both is printed, and
the exit status is 1 where the sum has risen by more than 2 per cent in any protocol.

JSON: {"spans", "batch", "hinomi": {PROTOCOL: {"taken", "stored"}}, "against": the same, "ratio": {PROTOCOL: {"taken", "stored", "all"}}}; instructions per span.
"""

import argparse
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import intake

BATCH = 10
MOST = 1.02


def instructions(file):
    return int(re.search(r"^(?:summary|totals): (\d+)", file.read_text(), re.MULTILINE).group(1))


def counted(binary, binaries, protocol, spans):
    """Instructions per span: while spans are taken, and afterwards."""
    with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
        folder = pathlib.Path(folder)
        counter = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/count", str(binary)]
        command = [*counter, "serve", "--data", folder / "data", "--listen", "127.0.0.1:0"]
        server = intake.Server("hinomi under valgrind", command, folder, {"HINOMI_DSN_KEY": intake.KEY, "HINOMI_LOG": "warn"})
        control = lambda flag: subprocess.run(["callgrind_control", flag, str(server.process.pid)], check=True, capture_output=True)
        # What happens at the start is not of interest.
        time.sleep(3)
        control("-z")
        intake.load(binaries, server, protocol, spans, BATCH, 2, 7)
        control("-d")
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait():
            sys.exit("hinomi under valgrind did not end well")
        return {"taken": round(instructions(folder / "count.1") / spans), "stored": round(instructions(folder / "count") / spans)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hinomi", type=pathlib.Path, help="the binary")
    parser.add_argument("--against", type=pathlib.Path, metavar="BINARY", help="another one")
    parser.add_argument("--spans", type=int, default=6000)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind counts instructions: apt-get install valgrind")
    binaries = intake.build()
    result = {"spans": args.spans, "batch": BATCH, "hinomi": {}, "against": {}, "ratio": {}}
    worst = 0
    for protocol in intake.PROTOCOLS:
        own = result["hinomi"][protocol] = counted(args.hinomi, binaries, protocol, args.spans)
        line = f"{protocol:9} instructions per span: {own['taken']:8,} taken, {own['stored']:8,} stored"
        if args.against:
            other = result["against"][protocol] = counted(args.against, binaries, protocol, args.spans)
            ratio = {part: own[part] / other[part] for part in own} | {"all": sum(own.values()) / sum(other.values())}
            result["ratio"][protocol] = {part: round(value, 4) for part, value in ratio.items()}
            worst = max(worst, ratio["all"])
            line += f"; of the other's {ratio['taken']:.3f} and {ratio['stored']:.3f}, in all {ratio['all']:.3f}"
        print(line, flush=True)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
