"""A disk that is full or read-only, and a process without file handles: what is served does not change.

Needs a small file system of its own: root, and a kernel that lets it mount. Elsewhere such a test is skipped by name.
"""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from constants import NOW
from newsroom import Newsroom, catalogue_of, record, story
from rebuilder import Rebuilder, archive_file, rebuild_arguments

from index.sources import read_source
from index.storage.files import write_array
from service.app import create_app
from service.config import Settings

LEVELS = 20
DISK = 6 << 20


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in command], capture_output=True, text=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    assert run("umount", "--lazy", folder).returncode == 0


@pytest.fixture
def newsroom(disk: Path, tmp_path: Path) -> Iterator[Newsroom]:
    """Store, live store and events on the small disk."""
    made = Newsroom(disk, events=str(disk / "events"))
    made.rebuild(list(read_source(archive_file(tmp_path))))
    made.live.withdraw("a7", by="desk", at=NOW, note="", expected=None, snapshot_version=None, known=True)
    yield made
    made.close()


def served(newsroom: Newsroom) -> dict[str, Any]:
    """Every list as it is now, after the worker has looked for what is new; never a failure."""
    catalogue = catalogue_of(newsroom.client)
    catalogue.refresh()
    catalogue.catch_up()
    found = {}
    for at in range(40):
        answer = newsroom.client.get("/v1/related", query_string={"id": f"a{at}"})
        assert answer.status_code == (410 if at == 7 else 200)
        found[f"a{at}"] = answer.get_json().get("items")
    return found


def filler(disk: Path, free: int) -> Path:
    """Fill the disk until so many bytes are free."""
    path = disk / "filler"
    state = os.statvfs(disk)
    with path.open("wb") as file:
        file.write(bytes(max(0, state.f_bavail * state.f_frsize - free)))
    return path


def test_a_disk_that_is_full_to_any_degree_changes_nothing_that_is_served(
    newsroom: Newsroom, disk: Path, tmp_path: Path
) -> None:
    rebuilder, outcomes = Rebuilder(), Counter[str]()
    source, store = archive_file(tmp_path), newsroom.store
    try:
        before = served(newsroom)
        for level in range(LEVELS):
            path = filler(disk, level * (32 << 10))  # a rebuild of these 40 articles takes about 400 KiB
            active = store.active_id("default")
            code, said = rebuilder.run(rebuild_arguments(source, store.root, 1 + level))
            assert code in (os.EX_OK, os.EX_IOERR), said
            assert (store.active_id("default") == active) == bool(code), said
            outcomes["rebuild published" if not code else "rebuild exits 74"] += 1
            status = newsroom.put(record("new", "ferry", headline=f"Level {level}")).status_code
            assert status in (200, 201, 503)
            outcomes[f"publishing answers {status}"] += 1
            newsroom.delete("new")
            found = served(newsroom)
            assert found == before, level
            path.unlink()
        print(dict(outcomes))
        assert outcomes["rebuild exits 74"] > 3
        assert outcomes["rebuild published"] > 0
        assert rebuilder.run(rebuild_arguments(source, store.root, 100))[0] == os.EX_OK
        assert newsroom.put(record("new", "ferry")).status_code in (200, 201)
        assert not list(store.snapshots.glob(".*"))
    finally:
        rebuilder.close()


def test_a_read_only_disk_changes_nothing_that_is_served(newsroom: Newsroom, disk: Path, tmp_path: Path) -> None:
    before, source = served(newsroom), archive_file(tmp_path)
    newsroom.close()  # who holds a file open to write keeps a disk from becoming read-only
    gc.collect()
    rebuilder = Rebuilder()
    try:
        read_only = run("mount", "-o", "remount,bind,ro", disk)
        assert read_only.returncode == 0, read_only.stderr
        code, said = rebuilder.run(rebuild_arguments(source, newsroom.store.root, 1))
        assert (code, "Read-only file system" in said) == (os.EX_IOERR, True)
        assert newsroom.put(record("new", "ferry")).status_code == 503
        assert served(newsroom) == before
        newsroom.client = newsroom.worker()  # one that starts now
        assert served(newsroom).keys() == before.keys()
        assert run("mount", "-o", "remount,bind,rw", disk).returncode == 0
        assert served(newsroom) == before
        assert newsroom.put(record("new", "ferry")).status_code == 201
    finally:
        rebuilder.close()


@contextlib.contextmanager
def only(free: int) -> Iterator[None]:
    """A process that can open so many files more."""
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.dup(0))
    for handle in taken[:free]:
        os.close(handle)
    try:
        yield
    finally:
        for handle in taken[free:]:
            os.close(handle)


@pytest.fixture
def few_handles() -> Iterator[None]:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # what other tests have left to be collected holds handles, too
    used = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 256, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_handles")
def test_a_worker_without_file_handles_serves_on_and_takes_the_new_snapshot_when_it_has_some(tmp_path: Path) -> None:
    newsroom = Newsroom(tmp_path)
    archive = [story(f"a{n}", "ferry river crossing", 1 + n) for n in range(12)]
    first = newsroom.rebuild(archive)
    worker = newsroom.client

    def asked() -> tuple[str, list[str]]:
        found = worker.get("/v1/related", query_string={"id": "a3"}).get_json()
        return found["snapshot_id"], [item["teaser"]["id"] for item in found["items"]]

    before, catalogue = asked(), catalogue_of(worker)
    assert before[0] == first
    newsroom.now += 1
    second = newsroom.rebuild(archive)
    for free in range(15):  # more than the files of a snapshot
        with only(free):
            catalogue.refresh()
            served = asked()
            assert served[1] == before[1]
            assert (served[0] == first) == bool(catalogue.problems()), free
    with only(0):
        asked()
    catalogue.refresh()
    assert asked()[0] == second
    assert catalogue.problems() == []
    newsroom.close()


@pytest.mark.usefixtures("few_handles")
def test_a_worker_that_starts_without_file_handles_says_so_and_recovers(tmp_path: Path) -> None:
    newsroom = Newsroom(tmp_path)
    newsroom.rebuild([story(f"a{n}", "ferry river crossing", 1 + n) for n in range(12)])
    statuses = []
    for free in range(20):
        client = create_app(Settings(store=newsroom.store.root, live="off", events="off"), lambda: NOW).test_client()
        with only(free):
            statuses.append(client.get("/v1/related?id=a3").status_code)
        catalogue_of(client).refresh()
        assert client.get("/v1/related?id=a3").status_code == 200
        del client
        gc.collect()
    assert set(statuses) == {200, 503}
    newsroom.close()


@pytest.mark.parametrize("count", [1, 100, 500, 600, 100_000])
def test_no_array_however_small_is_lost_on_a_full_disk_without_a_word(count: int) -> None:
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb", buffering=0) as file:
        write_array(file, np.arange(count))
