#!/usr/bin/env python3
"""How fast spans are taken in, beside the machine's own bound in the same run.

The bound is a server that only reads, inflates and decodes, compresses (zstd 3), appends and makes durable. Each case has a fresh server
of either sort, in turn, and what a server takes of the processor is counted until it has ended, so that the writing of segments is in
it. The load generator shares the processors with both, so that the ratio and the processor time say more than spans a second do.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

KEY = "0123456789abcdef0123456789abcdef"
PROTOCOLS = {
    "otlp": ["--mode", "otlp", "--header", f"x-hinomi-key: {KEY}"],
    "grpc": ["--mode", "grpc", "--header", f"x-hinomi-key: {KEY}"],
    "envelope": ["--mode", "tx", "--key", KEY, "--gzip"],
}
PATHS = {
    "otlp": "/v1/traces",
    "grpc": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "envelope": "/api/1/envelope/",
}
GOALS = {"ratio": 0.6, "cpu": 3.0, "p99": 3.0}


def numbers(text):
    return [int(part) for part in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hinomi", type=pathlib.Path, help="the binary")
    parser.add_argument("--spans", type=int, default=30_000, help="spans a case (default 30,000)")
    parser.add_argument("--requests", type=int, default=5_000, help="requests a case at most: one at a time waits for the disk each time")
    parser.add_argument("--protocols", default="otlp,grpc,envelope")
    parser.add_argument("--connections", type=numbers, default=[1, 8, 32])
    parser.add_argument("--batches", type=numbers, default=[1, 10, 100], help="spans a request")
    parser.add_argument("--out", type=pathlib.Path, help="file for the figures as JSON")
    return parser


def build():
    """The load generator and the bound."""
    here = pathlib.Path(__file__).resolve().parent
    cache = pathlib.Path(os.environ.get("HINOMI_CACHE") or pathlib.Path.home() / ".cache/hinomi")
    target = cache / "bench"
    print("== the load generator", file=sys.stderr)
    manifest = here / "loadgen/Cargo.toml"
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", manifest], check=True, env=environment)
    return target / "release"


class Server:
    """A server of either sort in a folder of its own."""

    def __init__(self, name, command, folder, environment=None):
        self.folder = folder
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--port-file", port_file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | (environment or {})
        )
        for _ in range(12_000):
            if port_file.exists() and port_file.read_text():
                break
            if self.process.poll() is not None:
                sys.exit(f"{name} ended with {self.process.returncode} before it listened")
            time.sleep(0.005)
        else:
            sys.exit(f"{name} did not listen within 60 seconds")
        self.ready_s = time.monotonic() - began
        self.address = f"http://127.0.0.1:{port_file.read_text().strip()}"
        time.sleep(0.2)
        self.idle_mb = self.resident_mb()
        self.cpu_at_start = self.cpu()

    def cpu(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self, what="VmRSS"):
        """Memory now, or at most so far (`VmHWM`)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith(what))
        return int(kilobytes) / 1024

    def end(self):
        """Ends it in good order; returns the processor time that its work took, to the last byte written."""
        self.process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime - self.cpu_at_start

    def kill(self):
        """Ends it as a power cut does, but for what the operating system has in memory."""
        self.process.kill()
        self.process.wait()


def hinomi(binary, folder):
    command = [binary, "serve", "--data", folder / "data", "--listen", "127.0.0.1:0"]
    return Server("hinomi", command, folder, {"HINOMI_DSN_KEY": KEY, "HINOMI_LOG": "warn"})


def bound(binaries, folder):
    # It knows no signals, so that its end takes nothing of the processor.
    command = [binaries / "nullserver", "--port", "0", "--level", "durable", "--zstd", "3", "--file", folder / "bound.log"]
    return Server("the bound", command, folder)


def load(binaries, server, protocol, spans, batch, connections, seed):
    out = server.folder / "load.json"
    command = [binaries / "loadgen", *PROTOCOLS[protocol], "--url", server.address + PATHS[protocol], "--out", out]
    command += ["--spans", spans, "--batch", batch, "--connections", connections, "--seed", seed, "--spread-s", 600]
    subprocess.run([str(part) for part in command], check=True)
    result = json.loads(out.read_text())
    if result["not_acked_spans"]:
        sys.exit(f"{result['not_acked_spans']} spans were not acknowledged: {result['refusals']}")
    return result


def measure(server, binaries, protocol, spans, batch, connections, seed):
    result = load(binaries, server, protocol, spans, batch, connections, seed)
    resident = server.resident_mb()
    cpu = server.end()
    return {
        "spans": result["acked_spans"],
        "spans_per_s": round(result["spans_per_s"]),
        "cpu_s_per_1000_spans": round(cpu / result["acked_spans"] * 1000, 5),
        "ack_ms_p50": result["ack_ms"]["p50"],
        "ack_ms_p99": result["ack_ms"]["p99"],
        "raw_bytes_per_span": round(result["raw_bytes_per_span"]),
        "idle_mb": round(server.idle_mb),
        "after_mb": round(resident),
    }


def stored_bytes(folder):
    return sum(file.stat().st_size for file in (folder / "data/segments").iterdir())


def run(args):
    binaries = build()
    cases = []
    print(
        f"{'protocol':9} {'conns':>5} {'batch':>5} | {'spans/s':>8} {'bound':>8} {'ratio':>6} | {'CPU s/1000':>10} {'bound':>8} {'times':>6}"
        f" | {'p99 ms':>7} {'bound':>7} {'times':>6} | {'idle MB':>7} {'after':>6} | {'bytes/span':>10}"
    )
    seed = 0
    for protocol in args.protocols.split(","):
        for connections in args.connections:
            for batch in args.batches:
                seed += 1
                spans = min(args.spans, args.requests * batch)
                with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
                    folder = pathlib.Path(folder)
                    (folder / "bound").mkdir()
                    (folder / "own").mkdir()
                    load_of = (binaries, protocol, spans, batch, connections, seed)
                    beside = measure(bound(binaries, folder / "bound"), *load_of)
                    own = measure(hinomi(args.hinomi, folder / "own"), *load_of)
                    own["bytes_per_span"] = round(stored_bytes(folder / "own") / own["spans"])
                case = {
                    "protocol": protocol,
                    "connections": connections,
                    "batch": batch,
                    "hinomi": own,
                    "bound": beside,
                    "ratio": round(own["spans_per_s"] / beside["spans_per_s"], 3),
                    "cpu_times_bound": round(own["cpu_s_per_1000_spans"] / max(beside["cpu_s_per_1000_spans"], 1e-6), 2),
                    "p99_times_bound": round(own["ack_ms_p99"] / max(beside["ack_ms_p99"], 1e-3), 2),
                }
                cases.append(case)
                print(
                    f"{protocol:9} {connections:5} {batch:5} | {own['spans_per_s']:8} {beside['spans_per_s']:8} {case['ratio']:6.2f}"
                    f" | {own['cpu_s_per_1000_spans']:10.4f} {beside['cpu_s_per_1000_spans']:8.4f} {case['cpu_times_bound']:6.1f}"
                    f" | {own['ack_ms_p99']:7.1f} {beside['ack_ms_p99']:7.1f} {case['p99_times_bound']:6.1f}"
                    f" | {own['idle_mb']:7} {own['after_mb']:6} | {own['bytes_per_span']:10}",
                    flush=True,
                )
    return cases


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return {"processors": os.cpu_count(), "processor": model, "kernel": platform.release(), "load": os.getloadavg()}


def main():
    args = arguments().parse_args()
    if not shutil.which("cargo"):
        sys.exit("cargo is needed to build the load generator: https://rustup.rs")
    before = machine()
    cases = run(args)
    print(f"goals: ratio at least {GOALS['ratio']}, processor time and p99 at most {GOALS['cpu']:.0f} times the bound's")
    if args.out:
        args.out.write_text(json.dumps({"machine": before, "goals": GOALS, "cases": cases}, indent=1) + "\n")
        print(f"figures: {args.out}")


if __name__ == "__main__":
    main()
