"""Throughput and memory of lookups over HTTP, beside a Flask route that returns the same bytes ready-made.

    python scripts/benchmarks/bench_http.py [--rows 20000] [--seconds 5] [--rounds 3] [--uniform]

Both run on granian with two web processes: Flask over WSGI with two threads each, ours as scripts/serve.py starts it.
`wrk` (needed here) asks over 16 connections for articles as readers do: by Zipf's law, the newest most often
(exponent 1: half the requests to the newest 140 of 20,000). With --uniform all articles are alike, and little comes
from a worker's recent lists. The two take turns. Memory is private anonymous memory of a web process after at least
10,000 lookups, beside one that holds Flask and numpy only. The snapshot is synthetic: see
scripts/benchmarks/bench_lookup.py.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from index.publishing.store import Store
from scripts.benchmarks.bench_lookup import write_synthetic
from scripts.tools.http_load import Load, combined, load_with_wrk
from scripts.tools.server_process import free_port, running

READY = """\
import numpy
from pathlib import Path
from flask import Flask, Response
app = Flask("ready")
body = Path({body!r}).read_bytes()
@app.get("/v1/articles/<path:id>/related")
def ready(id):
    return Response(body, content_type="application/json")
"""
GRANIAN = "granian {interface} --workers 2 --no-ws --http 1 --log-level error --host 127.0.0.1 --port {port} {app}"
READY_APP, OURS = "ready:app", "service.wsgi:front"
INTERFACES = {READY_APP: "--interface wsgi --blocking-threads 2", OURS: "--interface rsgi --loop uvloop"}
ZIPF = "{rows} - math.ceil({rows} ^ math.random())"  # of n articles, the k newest get ln k / ln n of the requests
UNIFORM = "math.random(0, {rows} - 1)"
RANDOM_ARTICLE = """\
math.randomseed(os.time())
request = function()
  local at = math.max(0, {draw})
  return wrk.format("GET", "/v1/articles/section" .. (at % 20) .. "/article-number-" .. at .. "/related")
end
"""


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=5, help="length of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--uniform", action="store_true", help="ask for all articles alike")
    options = parser.parse_args()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, options.rows, UNIFORM if options.uniform else ZIPF)
        runs: dict[str, list[Load]] = {READY_APP: [], OURS: []}
        memory: dict[str, float] = {}
        for _ in range(options.rounds):
            for app, loads in runs.items():
                run, memory[app] = load_app(app, folder, options.connections, options.seconds)
                loads.append(run)
    drawn = "all articles alike" if options.uniform else "articles by Zipf's law"
    print(f"{drawn}; {options.connections} connections, 2 processes, {options.rows:,} rows, {options.rounds} rounds")
    report(runs, memory)
    return 0


def load_app(app: str, folder: Path, connections: int, seconds: int) -> tuple[Load, float]:
    """Serve an application, warm it up, load it; returns the load and the private memory of a worker in MB."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with running(server_command(app, port), port, folder) as server:
        ask(url, connections, 2, folder)
        return ask(url, connections, seconds, folder), worker_private_mb(server.pid)


def report(runs: dict[str, list[Load]], memory: dict[str, float]) -> None:
    """Print a line for each application, and the ratios of ours to the ready-made answer."""
    for app, loads in runs.items():
        run = combined(loads)
        print(f"{app:>17}: {run.requests_per_second:7,.0f}/s  p50 {run.p50_ms:.2f} ms  p99 {run.p99_ms:.2f} ms  "
              f"failed {run.failed}  private {memory[app]:.1f} MB a worker")  # fmt: skip
    ratios = [
        ours.requests_per_second / ready.requests_per_second
        for ready, ours in zip(runs[READY_APP], runs[OURS], strict=True)
    ]
    print(f"throughput: {statistics.median(ratios):.2f} x ready-made ({min(ratios):.2f}-{max(ratios):.2f})")
    print(f"memory: {memory[OURS] / memory[READY_APP]:.2f} x bare")


def server_command(app: str, port: int) -> list[str]:
    """The command that serves an application."""
    return GRANIAN.format(interface=INTERFACES[app], port=port, app=app).split()


def prepare(folder: Path, rows: int, draw: str) -> None:
    """A store with a synthetic snapshot, the loader's script, and the ready-made application."""
    store = Store(folder / "store")
    partial = store.begin(f"synthetic-{rows}")
    partial.rmdir()
    write_synthetic(store.snapshots / f"synthetic-{rows}", rows)
    store.activate(f"synthetic-{rows}", "default")
    os.environ["RELATED_STORE"] = str(store.root)
    (folder / "random.lua").write_text(RANDOM_ARTICLE.format(draw=draw.format(rows=rows)))
    port = free_port()
    with running(server_command(OURS, port), port, folder):
        path = "/v1/articles/section7/article-number-7/related"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            (folder / "body.json").write_bytes(answer.read())
    (folder / "ready.py").write_text(READY.format(body=str(folder / "body.json")))


def ask(url: str, connections: int, seconds: int, folder: Path) -> Load:
    """Load a server with random articles."""
    return load_with_wrk(url, connections, seconds, script=folder / "random.lua")


def worker_private_mb(parent: int) -> float:
    """The median anonymous private memory of a server's children, in MB."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = []
    for pid in children:
        command = Path(f"/proc/{pid}/cmdline").read_text()
        if "resource_tracker" not in command:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            found.append(int(re.search(r"Anonymous:\s+(\d+)", text)[1]) / 1024)  # type: ignore[index]
    return statistics.median(found)


if __name__ == "__main__":
    if subprocess.run(["which", "wrk"], capture_output=True).returncode:
        sys.exit("this benchmark needs wrk (Debian's package wrk)")
    sys.exit(main())
