"""Measure web servers on one Flask route that returns ready-made bytes.

    python scripts/benchmarks/bench_server.py [--seconds 5] [--rounds 3] [--only granian]

Every server gets two processes and the same 16 connections that stay open. The loader is `wrk`
where it is installed, else processes of Python's http.client, which is slower than the fast
servers: compare figures of one loader only. Servers take turns in every round, so that a slow
minute of the machine hurts all of them; the table gives medians.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

from scripts.tools.http_load import Load, combined, load, loader
from scripts.tools.server_process import free_port, running

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


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="length of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each server (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="open connections (default: %(default)s)")
    parser.add_argument("--only", default="", help="only servers whose name contains this")
    options = parser.parse_args()
    runs: dict[str, list[Load]] = {name: [] for name in SERVERS if options.only in name}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ready.py").write_text(APPLICATION)
        for _ in range(options.rounds):
            for name, loads in runs.items():
                run, memory[name] = load_server(name, Path(folder), options.connections, options.seconds)
                loads.append(run)
    print(
        f"{options.connections} connections, 2 processes, {os.cpu_count()} cores, "
        f"{loader()}, Python {sys.version.split()[0]}"
    )
    print(f"{'server':36} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'failed':>7} {'memory MB':>10}")
    for name, loads in runs.items():
        run = combined(loads)
        print(f"{name:36} {run.requests_per_second:10,.0f} {run.p50_ms:8.2f} {run.p99_ms:8.2f} {run.failed:7} "
              f"{memory[name]:10.0f}")  # fmt: skip
    return 0


def load_server(name: str, folder: Path, connections: int, seconds: int) -> tuple[Load, float]:
    """Start a server, warm it up for a second, load it; returns the load and the server's memory in MB."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/ready-made"
    with running(SERVERS[name].format(port=port).split(), port, folder) as server:
        load(url, connections, 1)
        return load(url, connections, seconds), memory_mb(server.pid)


def memory_mb(parent: int) -> float:
    """Memory of a process and its children in MB, shared pages counted once; 0.0 without Linux."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    pids = [parent, *map(int, children.read_text().split())] if children.exists() else []
    pss = [re.search(r"Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in pids]
    return sum(int(found[1]) for found in pss if found) / 1024


if __name__ == "__main__":
    sys.exit(main())
