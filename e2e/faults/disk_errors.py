#!/usr/bin/env python3
"""The kernel refuses what a server asks of the disk, once or for a while. What was acknowledged must stay, what was not must have been
refused with a reason, and intake goes on by itself where that is safe.

    disk_errors.py BINARY
"""

import os
import random
import shutil
import sys
import tempfile
import threading
import time

from server import Client, looked_at, serving_process, start

LOGS = [f"log/{number:010}.log" for number in range(1, 9)]
SEGMENTS = [f"segments/{number:010}.{kind}.new" for number in range(1, 9) for kind in ("parquet", "ids", "hours")]
# What is refused on which files, and what intake must do: stop until the next start, come back by itself, or go on. After a failed sync of
# the log nobody knows what the disk holds, and a second one may claim success for pages that were dropped: only reading it again makes sure.
CASES = [
    ("fdatasync:error=EIO:when=40", LOGS, "stops"),
    ("fdatasync:error=ENOSPC:when=40", LOGS, "stops"),
    ("write:error=ENOSPC:when=60..90", LOGS, "comes back"),
    ("write:error=EIO:when=60..62", LOGS, "comes back"),
    ("pwrite64:error=ENOSPC:when=60..90", ["errors.db-wal"], "comes back"),
    ("fsync:error=EIO:when=20..24", ["errors.db-wal"], "comes back"),
    ("write:error=ENOSPC", SEGMENTS, "goes on"),
    ("fsync:error=EIO:when=4..1000", ["manifest.db-wal"], "goes on"),
]
# To see that something does not happen, and to see that it does, on a machine that has much else to do.
SECONDS, PATIENCE = 5, 90


def came_back(client):
    acknowledged = [call.acknowledged for call in client.promises.acknowledged().values()]
    return bool(client.refused and acknowledged) and max(acknowledged) > client.refused[-1][0]


def wait_for(client, expected):
    """Until it can be told what intake does."""
    started = time.monotonic()
    wanted = {"goes on": lambda: True, "stops": lambda: client.refused, "comes back": lambda: came_back(client)}[expected]
    while not wanted() and time.monotonic() - started < PATIENCE:
        time.sleep(0.1)
    time.sleep(SECONDS)


def run(binary, folder, injected, files, expected):
    data = os.path.join(folder, "data")
    shutil.rmtree(data, ignore_errors=True)
    open(data + ".log", "w").close()
    kind = injected.split(":")[0]
    tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={kind}", "-e", f"inject={injected}", "-e", "signal=none", "-o", "/dev/null"]
    tracer += [argument for file in files for argument in ("-P", os.path.join(data, file))]
    process, url = start(binary, data, tracer)
    client, until = Client(), threading.Event()
    senders = [threading.Thread(target=client.run, args=(url, until, random.Random(number))) for number in range(3)]
    for sender in senders:
        sender.start()
    wait_for(client, expected)
    until.set()
    for sender in senders:
        sender.join()
    wrong = []
    try:
        os.kill(serving_process(process), 15)
    except (IndexError, FileNotFoundError):
        wrong.append("the server ended by itself")
    process.wait(timeout=60)
    with open(data + ".log", errors="replace") as log:
        if "panicked" in (said := log.read()):
            wrong.append(f"a panic: {said[said.index('panicked') :][:200]}")
    if bad := sorted({code for _, code in client.refused} - {429, 503}):
        wrong.append(f"refused with {bad}")
    if not client.refused:
        seen = "goes on"
    else:
        seen = "comes back" if came_back(client) else "stops"
    if seen != expected:
        wrong.append(f"intake {seen}; expected: {expected}")
    promised = client.promises.acknowledged()
    wrong += looked_at(binary, data, client.promises, time.time())
    print(f"{injected} on {files[0]}: {len(promised)} acknowledged, {len(client.refused)} refused, {seen}: {'; '.join(wrong) or 'good'}", flush=True)
    return bool(wrong)


def main():
    binary = os.path.abspath(sys.argv[1])
    folder = tempfile.mkdtemp(prefix="hinomi-disk-errors-")
    failed = [case for case in CASES if run(binary, folder, *case)]
    shutil.rmtree(folder)
    sys.exit(len(failed) > 0)


if __name__ == "__main__":
    main()
