"""What it costs a web process to take a new snapshot of a large archive: memory at its peak, and time.

    python scripts/benchmarks/bench_reload.py [--rows 1000000] [--store DIR]

Two synthetic snapshots of as many rows (the files of one, under two names) take turns under a process that answers
lookups in between. Memory is what the process holds for itself (RssAnon), looked at every 5 ms by another thread;
the steady figure is that before the first exchange. Pages of the snapshots' files are the system's, and shared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from flask.testing import FlaskClient

from scripts.benchmarks.bench_lookup import write_synthetic

LOOKUPS, EXCHANGES = 5_000, 6
GOAL_MEMORY, GOAL_SECONDS = 1.25, 2.0


def main() -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=64, help="of vectors, which no lookup reads")
    parser.add_argument("--store", type=Path, help="keep the snapshots here (default: a temporary folder)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        root = options.store or Path(scratch)
        prepare(root, options.rows, options.dimension)
        command = [sys.executable, __file__, "--measure", str(root)]
        found = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        )
    ratio = found["peak_kb"] / found["steady_kb"]
    print(f"{options.rows:,} rows, {EXCHANGES} exchanges under lookups")
    print(f"memory of its own: {found['steady_kb'] / 1024:.1f} MB steady, {found['peak_kb'] / 1024:.1f} at the peak, "
          f"{found['after_kb'] / 1024:.1f} after: {ratio:.2f} x (goal {GOAL_MEMORY})")  # fmt: skip
    print(f"from noticing a snapshot to the first answer from it: {statistics.median(found['seconds']):.2f} s at the "
          f"median, {max(found['seconds']):.2f} at most (goal {GOAL_SECONDS:.0f})")  # fmt: skip
    return 0


def prepare(root: Path, rows: int, dimension: int) -> None:
    """Two snapshots that differ in nothing but their names."""
    from index.publishing.store import Store

    store = Store(root)
    first, second = (f"synthetic-{rows}-{each}" for each in "ab")
    if not store.directory(second).exists():
        print(f"writing {rows:,} synthetic rows ...", flush=True)
        store.begin(first).rmdir()
        write_synthetic(store.snapshots / first, rows, dimension=dimension)
        twin = store.snapshots / second
        twin.mkdir()
        for file in (store.snapshots / first).iterdir():
            if not file.name.startswith("manifest."):
                (twin / file.name).hardlink_to(file)
        manifest = json.loads((store.snapshots / first / "manifest.json").read_bytes()) | {"id": second}
        encoded = json.dumps(manifest).encode()
        (twin / "manifest.json").write_bytes(encoded)
        (twin / "manifest.sha256").write_text(hashlib.sha256(encoded).hexdigest() + "\n")
    store._point("default", first)


def measured(root: Path) -> dict[str, object]:
    """Answer, exchange, answer: kB and seconds."""
    from index.publishing.store import Store
    from index.snapshot.manifest import read_manifest
    from service.app import create_app
    from service.config import Settings

    store = Store(root)
    settings = Settings(
        store=root, live="off", events="off", search_socket=root / "nobody", log_level="error", refresh_seconds=3_600
    )
    app = create_app(settings)
    client, catalogue = app.test_client(), app.extensions["catalogue"]
    rows = read_manifest(store.directory(store.snapshot_ids()[0])).counts["articles"]
    ask = _Lookups(client, rows)
    ask(LOOKUPS)
    steady, peak = _own_kb(), _Peak()
    seconds = []
    for number in range(EXCHANGES):
        name = store.snapshot_ids()[(number + 1) % 2]
        store._point("default", name)  # as a rebuild does, which has verified it
        began = time.perf_counter()
        catalogue.refresh()
        if ask(1) != name:
            raise RuntimeError(f"{name} does not serve: {catalogue.problems()}")
        seconds.append(time.perf_counter() - began)
        ask(LOOKUPS)
    return {"steady_kb": steady, "peak_kb": peak.end(), "after_kb": _own_kb(), "seconds": seconds}


class _Lookups:
    """Asks for the lists of articles drawn at random; returns the snapshot that answered last."""

    def __init__(self, client: FlaskClient, rows: int) -> None:
        self._client, self._rows, self._random = client, rows, np.random.default_rng(0)

    def __call__(self, count: int) -> str:
        for row in self._random.integers(0, self._rows, count).tolist():
            answer = self._client.get(f"/v1/articles/section{row % 20}/article-number-{row}/related")
            if answer.status_code != 200:
                raise RuntimeError(answer.text)
        return str(answer.get_json()["snapshot_id"])


class _Peak:
    """The most memory from now on."""

    def __init__(self) -> None:
        self._most, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            self._most = max(self._most, _own_kb())


def _own_kb() -> int:
    return int(re.findall(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[0])


if __name__ == "__main__":
    sys.exit(main())
