"""Measure web servers on one Flask route that returns ready-made bytes.

    python scripts/benchmarks/bench_server.py [--seconds 5] [--rounds 3] [--only granian]

Every server gets two processes and the same 16 connections that stay open. The loader is `wrk`
where it is installed, else processes of Python's http.client, which is slower than the fast
servers: compare figures of one loader only. Servers take turns in every round, so that a slow
minute of the machine hurts all of them; the table gives medians.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

APPLICATION = """\
from flask import Flask, Response
app = Flask(__name__)
body = b'{"items": "' + b"x" * 4083 + b'"}'
@app.get("/ready-made")
def ready_made():
    return Response(body, mimetype="application/json")
"""

GRANIAN = "granian --interface wsgi --workers 2 --no-ws --log-level error --host 127.0.0.1 --port {port}"
GUNICORN = "gunicorn --workers 2 --log-level error --bind 127.0.0.1:{port}"
SERVERS = {
    "granian, 1 thread": f"{GRANIAN} --blocking-threads 1 ready:app",
    "granian, 2 threads": f"{GRANIAN} --blocking-threads 2 ready:app",
    "granian, 4 threads": f"{GRANIAN} --blocking-threads 4 ready:app",
    "granian, 1 thread, backpressure 16": f"{GRANIAN} --blocking-threads 1 --backpressure 16 ready:app",
    "granian, 2 threads, backpressure 64": f"{GRANIAN} --blocking-threads 2 --backpressure 64 ready:app",
    "granian, 1 thread, HTTP/1 only": f"{GRANIAN} --blocking-threads 1 --http 1 ready:app",
    "gunicorn, sync": f"{GUNICORN} --worker-class sync ready:app",
    "gunicorn, sync, preload": f"{GUNICORN} --worker-class sync --preload ready:app",
    "gunicorn, gthread 4": f"{GUNICORN} --worker-class gthread --threads 4 ready:app",
    "gunicorn, gthread 8, preload": f"{GUNICORN} --worker-class gthread --threads 8 --preload ready:app",
}


@dataclass(frozen=True)
class Load:
    """What one run of the loader saw: answers a second, latencies in milliseconds, failed requests."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="length of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each server (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="open connections (default: %(default)s)")
    parser.add_argument("--only", default="", help="only servers whose name contains this")
    options = parser.parse_args()
    names = [name for name in SERVERS if options.only in name]
    runs: dict[str, list[Load]] = {name: [] for name in names}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ready.py").write_text(APPLICATION)
        for _ in range(options.rounds):
            for name in names:
                port = free_port()
                with running(SERVERS[name].format(port=port).split(), port, Path(folder)) as server:
                    url = f"http://127.0.0.1:{port}/ready-made"
                    load(url, options.connections, 1)
                    runs[name].append(load(url, options.connections, options.seconds))
                    memory[name] = memory_mb(server.pid)
    print(
        f"{options.connections} connections, 2 processes, {os.cpu_count()} cores, "
        f"{loader()}, Python {sys.version.split()[0]}"
    )
    print(f"{'server':36} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'failed':>7} {'memory MB':>10}")
    for name, loads in runs.items():
        rate, p50, p99 = (
            statistics.median(getattr(run, field) for run in loads)
            for field in ("requests_per_second", "p50_ms", "p99_ms")
        )
        failed = sum(run.failed for run in loads)
        print(f"{name:36} {rate:10,.0f} {p50:8.2f} {p99:8.2f} {failed:7} {memory[name]:10.0f}")
    return 0


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body. Not by http.client, whose time would count as the server's. Raises OSError."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += _more(connection)
    head, _, body = read.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(connection)
    return int(head.split(b" ", 2)[1]), body


def _more(connection: socket.socket) -> bytes:
    read = connection.recv(1 << 16)
    if not read:
        raise ConnectionResetError("the service hung up")
    return read


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server (a program beside this Python) in `folder`, from its first answer until the block ends."""
    program = Path(sys.executable).parent / command[0]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [program, *command[1:]], cwd=folder, env=environment, stderr=log, start_new_session=True
        )
    try:
        wait_until_open(port, server)
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # a worker that still starts loses SIGTERM
        server.wait()


def wait_until_open(port: int, server: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Return when the port takes connections. Raises RuntimeError when the server ends or is too slow."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not open port {port}: {server.args!r}")


def loader() -> str:
    """The name of the loader that this machine has."""
    return "wrk" if shutil.which("wrk") else "http.client"


def load(url: str, connections: int, seconds: int) -> Load:
    """Ask for one URL over `connections` kept-open connections for that long."""
    return (
        load_with_wrk(url, connections, seconds)
        if shutil.which("wrk")
        else load_with_python(url, connections, seconds)
    )


def load_with_wrk(url: str, connections: int, seconds: int, script: Path | None = None) -> Load:
    """Load with `wrk`, one thread, its own latency histogram; `script` chooses the requests."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    command[1:1] = ["-s", str(script)] if script else []
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", report))
    errors = sum(int(count) for count in re.findall(r"(?:connect|read|write|timeout) (\d+)", report))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
    return Load(
        rate,
        _milliseconds("50%", report),
        _milliseconds("99%", report),
        errors + int(refused[1] if refused else 0),
    )


def load_with_python(url: str, connections: int, seconds: int) -> Load:
    """Load with one Python process a connection."""
    with multiprocessing.get_context("spawn").Pool(connections) as pool:
        results = pool.starmap(_ask_repeatedly, [(url, seconds)] * connections)
    latencies = sorted(latency for taken, _ in results for latency in taken)
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies) / seconds, 1000 * cuts[49], 1000 * cuts[98], sum(failed for _, failed in results))


def _ask_repeatedly(url: str, seconds: int) -> tuple[list[float], int]:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=5)
    latencies: list[float] = []
    failed = 0
    stop = time.monotonic() + seconds
    while (started := time.monotonic()) < stop:
        try:
            connection.request("GET", f"/{path}")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(answer.status)
            latencies.append(time.monotonic() - started)
        except (OSError, http.client.HTTPException):
            failed += 1
            connection.close()
    return latencies, failed


def memory_mb(parent: int) -> float:
    """Memory of a process and its children in MB, shared pages counted once; 0.0 without Linux."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    pids = [parent, *map(int, children.read_text().split())] if children.exists() else []
    pss = [re.search(r"Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in pids]
    return sum(int(found[1]) for found in pss if found) / 1024


def _found(pattern: str, report: str) -> str:
    match = re.search(pattern, report)
    if match is None:
        raise RuntimeError(f"wrk's report has no {pattern}: {report}")
    return match[1]


def _milliseconds(percentile: str, report: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\s", report)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]] if found else float("nan")


if __name__ == "__main__":
    sys.exit(main())
