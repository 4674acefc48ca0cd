#!/usr/bin/env python3
"""A killed process keeps what the system has of its writes; a power cut does not. This records all that a server asks of its files while it
takes in, merges, deletes, forgets what is too old and is backed up. Then it starts the server on what is left of them

- after a kill at each sort of step: each request to a file, by which one was asked before it;
- after a power cut at many moments, with what was not yet synced dropped or not, in any combination.

Every span that the server had acknowledged must be there, once, and what it had said to have deleted must not. The backups that were made
meanwhile are restored and looked at in the same way.

    power_cut.py BINARY [--cuts N] [--kills N] [--seed N] [--deaf] [--keep]

With `--deaf` the disk does not do what it is asked when it is asked to make something durable. A server cannot stand that, so this
shows that the test would see a server that forgets to ask.
"""

import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

from chores import KEEP, back_up, confirm, delete, restored
from server import Client, ask, create_token, looked_at, serving_process, start
from promises import NEVER
from traced import TRACED, read
from disk import HARMLESS, Disk, path_of, resolve

PHASES = 14
SENDERS = 4
SECONDS = 1.6
SYNCS = ("fsync", "fdatasync")
# Texts of the second go while its numbers stay, the last is too old unless it failed.
AGES = (0, 0, 0, 0, 0, 15, 40)
BACKUPS = 3


def strace(trace):
    return ["strace", "-f", "-y", "-xx", "-ttt", "-qq", "--seccomp-bpf", "-s", str(1 << 26), "-e", f"trace={TRACED}", "-e", "signal=none", "-o", trace]


def keep_house(url, token, promises, until, dice, backups, folder):
    """What people do beside the programs that send."""
    while not until.wait(dice.uniform(0.02, 0.2)):
        known = promises.acknowledged()
        deed = dice.choices(["trace", "user", "backup"], [6, 2, 1])[0]
        confirm(url, token)
        if deed == "backup":
            made = back_up(url, token, os.path.join(folder, f"backup-{len(backups)}.tar"))
            backups.extend([made] if made else [])
        elif known:
            trace = dice.choice(list(known))
            delete(url, token, promises, deed, trace if deed == "trace" else known[trace].user)


def record(binary, data, folder, dice):
    """Phases of load, each ended politely or by a kill; what strace wrote of each, what was promised, and backups."""
    client, traces, backups = Client(KEEP["retention_days"], AGES, users=200), [os.path.join(folder, "token.strace")], []
    token = create_token(binary, data, strace(traces[0]))
    for phase in range(PHASES):
        traces.append(os.path.join(folder, f"phase-{phase}.strace"))
        process, url = start(binary, data, strace(traces[-1]), HINOMI_DISK_RETAIN_EVERY_S="1")
        if phase == 0:
            ask(f"{url}/api/v1/projects/1", token, json.dumps(KEEP).encode(), "PATCH", "application/json")
        until = threading.Event()
        work = [threading.Thread(target=client.run, args=(url, until, random.Random(dice.random()))) for _ in range(SENDERS)]
        work.append(threading.Thread(target=keep_house, args=(url, token, client.promises, until, random.Random(dice.random()), backups, folder)))
        for thread in work:
            thread.start()
        time.sleep(SECONDS)
        server = serving_process(process)
        # A polite end writes segments; a kill leaves a log to be read.
        os.kill(server, signal.SIGKILL if phase % 4 == 3 else signal.SIGTERM)
        until.set()
        for thread in work:
            thread.join()
        process.wait(timeout=60)
    return client.promises, traces, backups


def step(call):
    """What sort of request to files this is."""
    paths = [path_of(argument) for argument in call.arguments]
    return call.name, *(re.sub(r"\d+", "N", path.rsplit("/data/", 1)[-1]) for path in paths if "/data" in path)


def first_of_each(everything, places):
    """The first place of each sort of step, by what was asked just before it."""
    seen, chosen, before = set(), [], None
    for place in places:
        now = step(everything[place][1])
        if (before, now) not in seen:
            seen.add((before, now))
            chosen.append(place)
        before = now
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--kills", type=int, default=1000, help="at most so many, if there are more sorts of steps")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randint(1, 1 << 31))
    parser.add_argument("--deaf", action="store_true", help="what is to be made durable is not")
    parser.add_argument("--keep", action="store_true", help="leave the folder, with what was found at each cut that failed")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    dice = random.Random(options.seed)
    folder = tempfile.mkdtemp(prefix="hinomi-power-cut-")
    data = os.path.join(folder, "data")
    promises, traces, backups = record(binary, data, folder, dice)
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
    seldom = [place for place in asked if re.search(r"segments|manifest", str(step(everything[place][1])))]
    kills = [] if options.deaf else first_of_each(everything, asked)
    sorts = len(kills)
    kills = dice.sample(kills, min(sorts, options.kills))
    cuts = {*dice.sample(seldom, options.cuts // 2), *dice.sample(asked, options.cuts - options.cuts // 2)}
    moments = sorted([(place, "kill") for place in kills] + [(place, "cut") for place in cuts])
    deleted = sum(one.ended < NEVER for one in promises.deletions)
    print(
        f"seed {options.seed}: {len(promises.acknowledged())} calls acknowledged, {deleted} deletions, {len(backups)} backups, "
        f"{len(asked)} requests to files ({len(seldom)} of segments) of {sorts} sorts, {len(kills)} kills, {len(cuts)} cuts", flush=True,
    )  # fmt: skip
    unsynced = [] if options.deaf else unsynced_logs(calls, data)
    print("\n".join(unsynced), end="\n" if unsynced else "", flush=True)
    failed, place = len(unsynced), 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = []
        for number, (cut, sort) in enumerate(moments):
            while place <= cut:
                index, call = everything[place]
                if index != phase:
                    disk.restart()
                    phase = index
                if not (options.deaf and call.name in SYNCS):
                    disk.apply(call)
                place += 1
            left = os.path.join(folder, f"{sort}-{number}")
            if sort == "kill":
                disk.after_kill(left)
            else:
                disk.after_cut(random.Random(options.seed + number), left)
            waiting.append((number, cut, left, pool.submit(looked_at, binary, left, promises, everything[cut][1].at)))
            while waiting and (len(waiting) > 4 or number == len(moments) - 1):
                failed += judge(waiting.pop(0), everything, options.keep)
    for backup in dice.sample(backups, min(BACKUPS, len(backups))):
        if wrong := restored(binary, promises, backup, folder):
            failed += 1
            print(f"{backup[0]}: {'; '.join(wrong)}", flush=True)
    if options.keep:
        print(folder)
    else:
        shutil.rmtree(folder)
    print(f"{len(kills)} kills, {len(cuts)} cuts, {failed} of them cost something that was promised")
    sys.exit(failed > 0)


def unsynced_logs(phases, data):
    """Logs that a start has read and goes on from without having made them durable: a kill may have left a write that was not."""
    found = []
    for number, calls in enumerate(phases):
        read_logs, synced = set(), set()
        for call in calls:
            path = path_of(call.arguments[0]) if call.name in SYNCS else ""
            if call.name == "openat":
                path = resolve(call.arguments)
            elif call.name == "unlink":
                path = call.arguments[0].decode()
            if not re.fullmatch(re.escape(data) + r"/log/\d+\.log", path):
                continue
            if call.name == "openat" and "O_CREAT" in call.arguments[2]:
                break
            if call.name == "openat":
                read_logs.add(path)
            else:
                synced.add(path)
        found += [f"phase {number}: {os.path.basename(path)} was read and not synced" for path in sorted(read_logs - synced)]
    return found


def judge(waited, everything, keep):
    number, cut, left, future = waited
    wrong = future.result()
    if wrong:
        call = everything[cut][1]
        print(f"{os.path.basename(left)} after {' '.join(step(call))} at line {call.ended}: {'; '.join(wrong)}", flush=True)
    if not (keep and wrong):
        shutil.rmtree(left)
    return bool(wrong)


if __name__ == "__main__":
    main()
