#!/usr/bin/env python3
"""How long a good client waits while others hold connections, send bodies in drops, lie about lengths, or send what would become large.

The same requests are sent to a fresh server twice, alone and beside the others (e2e/faults/attackers.py).
"""

import argparse
import http.client
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import intake

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e/faults"))

from attackers import Attackers  # noqa: E402
from server import KEY, call, envelope  # noqa: E402

# In milliseconds: by how much the median may rise.
GOAL = 50


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hinomi", type=pathlib.Path, help="the binary")
    parser.add_argument("--seconds", type=float, default=20, help="of either measurement")
    parser.add_argument("--sockets", type=int, default=200, help="connections that are held")
    return parser


def waits(address, seconds):
    """What each of a good client's requests took, in milliseconds, and how many were not taken."""
    took, refused, number = [], 0, 0
    until = time.time() + seconds
    host, port = address.removeprefix("http://").split(":")
    while time.time() < until:
        number += 1
        body = envelope(("transaction", call(f"{random.getrandbits(128) | 1:032x}", f"question {number}")))
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        began = time.perf_counter()
        connection.request("POST", f"/api/1/envelope/?sentry_key={KEY}", body)
        refused += connection.getresponse().status != 200
        took.append((time.perf_counter() - began) * 1000)
        connection.close()
        time.sleep(0.02)
    return took, refused


def run(args):
    figures = {}
    with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
        folder = pathlib.Path(folder)
        server = intake.hinomi(args.hinomi, folder)
        token = subprocess.run([args.hinomi, "token", "create", "--data", folder / "data"], capture_output=True, text=True, check=True).stdout.strip()
        waits(server.address, 2)
        figures["alone"], refused_alone = waits(server.address, args.seconds)
        # Questions have a measurement of their own.
        attackers = Attackers(lambda: server.address, token, random.Random(1), args.sockets, readers=0).start()
        # Until the connections are held.
        time.sleep(args.sockets * 0.06)
        figures["attacked"], refused = waits(server.address, args.seconds)
        attackers.stop()
        figures["peak_mb"] = round(server.resident_mb("VmHWM"))
        server.end()
    result = {name: round(statistics.median(took), 1) for name, took in figures.items() if name != "peak_mb"}
    rise = result["attacked"] - result["alone"]
    print(
        f"a good client's median: {result['alone']} ms alone, {result['attacked']} ms beside {args.sockets} held connections, lies and bombs"
        f" (goal: at most {GOAL} ms more); {refused_alone + refused} not taken; at most {figures['peak_mb']} MB; others got {dict(attackers.answers)}"
    )
    return {**result, "refused": refused, "peak_mb": figures["peak_mb"], "reached": rise <= GOAL}


if __name__ == "__main__":
    print(json.dumps(run(arguments().parse_args())))
