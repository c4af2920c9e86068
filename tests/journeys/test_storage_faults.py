"""Every write, sync and rename of a rebuild fails once, or is the last thing before a kill; and their order.

Faults are injected into system calls by strace, which also tells their order; without it these tests are skipped by
name, and fail in CI.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rebuilder import Rebuilder, archive_file, rebuild_arguments

from index.publishing.store import Store
from index.snapshot.manifest import verify_all
from index.snapshot.reader import Snapshot

CHANGES = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "mkdir", "unlink",
           "unlinkat", "rmdir", "ftruncate", "link")  # fmt: skip
FAULTS = ("ENOSPC", "EIO", "KILL")
_LINE = re.compile(r"^(?:\[pid +\d+\] )?(?P<call>\w+)\((?P<rest>.*)\) += (?P<result>-?\d+|\?)")
_PATH = re.compile(r"(?:^\d+<|^\")(?P<path>/[^>\"]*)")
# Of the vector cache's database, whose write-ahead log keeps what could not be moved into it when it was closed; and
# of its folder, whose failed sync SQLite ignores.
_CACHE_FAULT = re.compile(r"/cache(?:/\w+\.db(?:-wal|-shm)?)?>.*\(INJECTED\)")
_CUT, _RESUMED = "<unfinished ...>", re.compile(r"<\.\.\. \w+ resumed>")


@pytest.fixture(scope="module")
def rebuilder() -> Iterator[Rebuilder]:
    if shutil.which("strace") is None:
        message = "no strace: install it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    made = Rebuilder()
    yield made
    made.close()


@pytest.fixture(scope="module")
def published(rebuilder: Rebuilder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sources and a store in which the first of them is published."""
    folder = tmp_path_factory.mktemp("published")
    archive_file(folder, edition=1)
    code, said = rebuilder.run(rebuild_arguments(archive_file(folder), folder / "store"))
    assert code == os.EX_OK, said
    return folder


def traced(rebuilder: Rebuilder, published: Path, store: Store, *options: str) -> tuple[int, str, str]:
    """Rebuild the second source under strace; the exit code, what it said, and the trace of what changed files."""
    arguments = rebuild_arguments(published / "archive-40-1.jsonl", store.root, 1)
    process = rebuilder.begin(arguments)
    trace = store.root.parent / "trace"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", f"trace={','.join(CHANGES)}", *options]
    strace = subprocess.Popen([*command, "-p", str(process)], stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    assert "attached" in strace.stderr.readline()
    rebuilder.go_on()
    code, said = rebuilder.ended()
    strace.communicate()
    return code, said, trace.read_text()


def copy_of(published: Path, folder: Path) -> Store:
    """A store of its own with the published snapshot in it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(published / "store", folder / "store")
    return Store(folder / "store")


def check_one_serves(store: Store, before: str, call: str, code: int, said: str, trace: str = "") -> str:
    """Old or new, what the channel points to is whole; returns which of the two."""
    active = store.active_id("default")
    assert active is not None
    verify_all(store.directory(active))
    assert Snapshot.open(store.directory(active)).rows == 40
    if code == os.EX_OK:  # a directory that is there already, or what the next build does again or away with
        harmless = call in ("mkdir", "rmdir", "unlink", "unlinkat") or "carries nothing over" in said
        assert harmless or _CACHE_FAULT.search(trace), (call, said)
    else:
        assert code in (os.EX_IOERR, -signal.SIGKILL), (call, code, said)
    if code == os.EX_IOERR:
        assert said.startswith("error: "), said
        assert ("the live snapshot is unchanged" in said) == (active == before), said
    return "old" if active == before else "new"


@pytest.mark.parametrize("stride", [59, pytest.param(1, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_whatever_call_of_a_publish_fails_a_whole_snapshot_serves_and_the_next_run_cleans_up(
    stride: int, rebuilder: Rebuilder, published: Path, tmp_path: Path
) -> None:
    store = copy_of(published, tmp_path / "counted")
    before = store.active_id("default")
    assert before is not None
    code, said, trace = traced(rebuilder, published, store)
    assert code == os.EX_OK, said
    calls = Counter(found["call"] for line in trace.splitlines() if (found := _LINE.match(line.split(maxsplit=1)[1])))
    assert calls["fsync"] > 35
    assert calls["write"] > 35
    assert calls["rename"] >= 3
    cases = [(call, number, fault) for call in calls for number in range(1, calls[call] + 1) for fault in FAULTS]
    outcomes = Counter[str]()
    for call, number, fault in cases[::stride]:
        store = copy_of(published, tmp_path / "faulty")
        what = "signal=KILL" if fault == "KILL" else f"error={fault}"
        code, said, trace = traced(rebuilder, published, store, "-e", f"inject={call}:{what}:when={number}")
        outcomes[f"{fault}: {check_one_serves(store, before, call, code, said, trace)}"] += 1
        arguments = rebuild_arguments(published / "archive-40-1.jsonl", store.root, 2)
        code, said = rebuilder.run(arguments)
        assert code == os.EX_OK, (call, number, fault, said)
        assert not list(store.snapshots.glob(".*")), (call, number, fault)
        assert not list(store.channels.glob(".*"))
        assert not list((store.root / "cache").rglob("*.tmp"))
        verify_all(store.directory(store.active_id("default") or ""))
    print(f"{len(cases[::stride])} of {len(cases)} faults", dict(outcomes))
    assert {each.partition(":")[0] for each in outcomes} == set(FAULTS)


def test_a_publish_survives_a_loss_of_power_at_any_moment_by_the_order_of_its_syncs(
    rebuilder: Rebuilder, published: Path, tmp_path: Path
) -> None:
    """Read from a trace: content before names, names before the pointer, and the pointer before "published"."""
    store = copy_of(published, tmp_path / "traced")
    code, said, trace = traced(rebuilder, published, store)
    assert code == os.EX_OK, said
    steps = list(steps_of(trace, store.root))
    snapshot_id = store.active_id("default")
    partial, final = f"snapshots/.{snapshot_id}.partial", f"snapshots/{snapshot_id}"
    for name in (path.name for path in store.directory(snapshot_id or "").iterdir()):
        file = f"{partial}/{name}"
        written = file
        if (moved := ("rename", f"work/default/scratch/{name}")) in steps:  # written there, moved, then synced
            written = moved[1]
            assert last(steps, ("write", written)) < last(steps, moved) < last(steps, ("fsync", file)), name
        if (store.root / final / name).stat().st_size:
            assert last(steps, ("write", written)) < last(steps, ("fsync", file)), name
        assert last(steps, ("fsync", file)) < last(steps, ("fsync", partial)), name
    pointer = "channels/.default.new"
    order = [
        ("fsync", partial),
        ("rename", partial),
        ("fsync", "snapshots"),
        ("write", pointer),
        ("fsync", pointer),
        ("rename", pointer),
        ("fsync", "channels"),
    ]
    places = [last(steps, order[0])]
    for step in order[1:]:
        assert step in steps[places[-1] + 1 :], (step, steps[places[-1] :])
        places.append(steps.index(step, places[-1] + 1))
    (log,) = {path for _, path in steps if path.startswith("cache/") and path.endswith(".db-wal")}
    assert ("fdatasync", log) in steps[steps.index(("pwrite", log)) : steps.index(("fsync", partial))]


def steps_of(trace: str, root: Path) -> Iterator[tuple[str, str]]:
    """What was done to which file or directory of the store, in order of its end; a rename by its old name."""
    for line in whole_calls(trace):
        found = _LINE.match(line)
        path = _PATH.search(found["rest"]) if found else None
        if found and path and path["path"].startswith(f"{root}/") and found["result"] != "-1":
            yield found["call"].removesuffix("64"), path["path"].removeprefix(f"{root}/")


def whole_calls(trace: str) -> Iterator[str]:
    """The calls of a trace, each in one piece: strace cuts in two what another thread's call fell into."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        thread, call = line.split(maxsplit=1)
        if call.endswith(_CUT):
            begun[thread] = call.removesuffix(_CUT).rstrip()
        elif resumed := _RESUMED.match(call):
            yield begun.pop(thread, "") + call[resumed.end() :]
        else:
            yield call


def last(steps: list[tuple[str, str]], step: tuple[str, str]) -> int:
    """The place of the last such step."""
    return len(steps) - 1 - steps[::-1].index(step)
