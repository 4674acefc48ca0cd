#!/usr/bin/env python3
"""A killed process keeps what the system has of its writes; a power cut does not. This records all that a server under load asks of
its files, cuts the power at many moments, drops what was not synced at each, and starts the server on what is left: every span that
it had acknowledged must be there, once.

    power_cut.py BINARY [--cuts N] [--seed N] [--deaf] [--keep]

With `--deaf` the disk does not do what it is asked when it is asked to make something durable. A server cannot stand that, so this
shows that the test would see a server that forgets to ask.
"""

import argparse
import bisect
import concurrent.futures
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

from server import Client, NotStarted, create_token, serving_process, shown, start
from traced import TRACED, read
from disk import HARMLESS, Disk, path_of

PHASES = 14
SENDERS = 4
SECONDS = 1.0
SYNCS = ("fsync", "fdatasync")


def record(binary, data, folder, dice):
    """Phases of load, each ended politely or by a kill; what strace wrote of each, and what was acknowledged."""
    client, traces = Client(), []
    for phase in range(PHASES):
        trace = os.path.join(folder, f"phase-{phase}.strace")
        before = ["strace", "-f", "-y", "-xx", "-ttt", "-qq", "--seccomp-bpf", "-s", str(1 << 26), "-e", f"trace={TRACED}", "-e", "signal=none", "-o", trace]
        process, url = start(binary, data, before)
        until = threading.Event()
        senders = [threading.Thread(target=client.run, args=(url, until, random.Random(dice.random()))) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(SECONDS)
        server = serving_process(process)
        # A polite end writes segments; a kill leaves a log to be read.
        os.kill(server, signal.SIGKILL if phase % 4 == 3 else signal.SIGTERM)
        until.set()
        for sender in senders:
            sender.join()
        process.wait(timeout=60)
        traces.append(trace)
    return client, traces


def check(binary, data, spans, errors):
    """What is wrong with the server's answers after a cut, or nothing."""
    try:
        token = create_token(binary, data)
        process, url = start(binary, data)
    except NotStarted as error:
        return [f"the server does not start: {error}"]
    try:
        found, events = shown(url, token)
        wrong = []
        if lost := spans - set(found):
            wrong.append(f"{len(lost)} of {len(spans)} acknowledged calls are lost, as {min(lost)}")
        if twice := len(found) - len(set(found)):
            wrong.append(f"{twice} calls are there twice")
        if events < errors:
            wrong.append(f"{errors - events} of {errors} acknowledged error events are lost")
        return wrong
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randint(1, 1 << 31))
    parser.add_argument("--deaf", action="store_true", help="what is to be made durable is not")
    parser.add_argument("--keep", action="store_true", help="leave the folder, with what was found at each cut that failed")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    dice = random.Random(options.seed)
    folder = tempfile.mkdtemp(prefix="hinomi-power-cut-")
    data = os.path.join(folder, "data")
    client, traces = record(binary, data, folder, dice)
    calls = [list(read(trace)) for trace in traces]
    # Places go on through all phases.
    past = 0
    for phase in calls:
        for call in phase:
            call.began, call.ended = call.began + past, call.ended + past
        past += phase[-1].ended - past + 1
    everything = [(index, call) for index, phase in enumerate(calls) for call in phase]
    disk, phase = Disk(data), 0
    asked = [place for place, (_, call) in enumerate(everything) if disk.touches(call) and call.name not in HARMLESS]
    # Most requests are those of the log; half of the cuts fall where segments are written, merged and made known.
    seldom = [place for place in asked if any(re.search(r"/segments|/manifest", path_of(argument)) for argument in everything[place][1].arguments)]
    cuts = sorted({*dice.sample(seldom, options.cuts // 2), *dice.sample(asked, options.cuts - options.cuts // 2)})
    print(f"seed {options.seed}: {len(client.spans)} calls and {len(client.errors)} errors acknowledged, {len(asked)} requests to files ({len(seldom)} of segments), {len(cuts)} cuts", flush=True)
    span_times, error_times = [at for at, _ in client.spans], [at for at, _ in client.errors]
    failed, place = 0, 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = []
        for number, cut in enumerate(cuts):
            while place <= cut:
                index, call = everything[place]
                if index != phase:
                    disk.restart()
                    phase = index
                if not (options.deaf and call.name in SYNCS):
                    disk.apply(call)
                place += 1
            at = everything[cut][1].at
            spans = {name for _, name in client.spans[: bisect.bisect_left(span_times, at)]}
            errors = bisect.bisect_left(error_times, at)
            left = os.path.join(folder, f"cut-{number}")
            disk.after_cut(random.Random(options.seed + number), left)
            waiting.append((number, cut, left, pool.submit(check, binary, left, spans, errors)))
            while waiting and (len(waiting) > 4 or number == len(cuts) - 1):
                failed += judge(waiting.pop(0), everything, options.keep)
    if options.keep:
        print(folder)
    else:
        shutil.rmtree(folder)
    print(f"{len(cuts)} cuts, {failed} of them cost something that was acknowledged")
    sys.exit(failed > 0)


def judge(waited, everything, keep):
    number, cut, left, future = waited
    wrong = future.result()
    if wrong:
        call = everything[cut][1]
        print(f"cut {number} after {call.name} at line {call.ended}: {'; '.join(wrong)}", flush=True)
    if not keep:
        shutil.rmtree(left)
    return bool(wrong)


if __name__ == "__main__":
    main()
