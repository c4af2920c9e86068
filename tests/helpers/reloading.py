"""A worker that reloads again and again and tells what it costs: to be run in a process of its own.

python tests/helpers/reloading.py STORE RELOADS
"""

from __future__ import annotations

import gc
import json
import re
import sys
from pathlib import Path

from index.publishing.store import Store
from service.app import create_app
from service.config import Settings

WARM = 10  # reloads until caches and the allocator's arenas have their size


def main(root: str, reloads: int) -> None:
    """Serve and reload; a JSON line of what it took, memory in kB."""
    store = Store(Path(root))
    settings = Settings(
        store=store.root, live="off", events="off", search_socket=store.root / "nobody", log_level="error",
        refresh_seconds=3_600,
    )  # fmt: skip
    client = create_app(settings).test_client()
    catalogue = client.application.extensions["catalogue"]
    snapshots = store.snapshot_ids()

    def reload(number: int) -> None:
        store.activate(snapshots[number % len(snapshots)], "default")
        catalogue.refresh()
        for article in range(0, 40, 4):
            answer = client.get(f"/v1/articles/a{article}/related")
            assert answer.get_json()["snapshot_id"] == snapshots[number % len(snapshots)]

    for number in range(WARM):
        reload(number)
    gc.collect()
    steady, before = _now("VmRSS"), _held()
    begin = _private()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    for number in range(reloads):
        reload(WARM + number)
    gc.collect()
    told = {"steady": steady, "peak": _now("VmHWM"), "private_before": begin, "private_after": _private()}
    print(json.dumps(told | {"held_before": before, "held_after": _held()}))


def _now(name: str) -> int:
    return int(re.findall(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[0])


def _private() -> int:
    found = re.findall(r"Private_\w+:\s+(\d+)", Path("/proc/self/smaps_rollup").read_text())
    return sum(map(int, found[:2]))


def _held() -> list[int]:
    """How many handles, threads and maps of files of snapshots this process holds."""
    maps = Path("/proc/self/maps").read_text().count("/snapshots/")
    return [len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir())), maps]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
