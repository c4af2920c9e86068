"""Snapshots copied between stores: whole or not at all, whatever happens to either meanwhile."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from constants import ROOT
from copy_snapshots import main

from index.article import Article
from index.publishing.remote import Remote, RemoteFault
from index.publishing.replication import pull, push
from index.publishing.store import Store, StoreLocked, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot, verify_all
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, write_snapshot

CONTENT = 5  # articles


def publish(store: Store, name: str, channel: str = "default") -> Path:
    """A snapshot of a few articles that differ from those of other names."""
    own = np.arange(CONTENT, dtype=np.uint32)
    contents = Contents(
        articles=[Article(id=f"{name}-{row}", headline=f"Headline {row} of {name}") for row in range(CONTENT)],
        vectors=np.eye(CONTENT, 8, dtype=np.float32),
        neighbour_rows=np.full((CONTENT, 4), 0xFFFFFFFF, np.uint32),
        neighbour_features=np.zeros((CONTENT, 4, 3), np.float32),
        terms=np.full((CONTENT, 3), 0xFFFFFFFF, np.uint32),
        term_texts=[],
        canonical=own,
        event=own,
        storyline=own,
        models={},
        counts={"rejected": 0},
        channel=channel,
    )
    partial = store.begin(name)
    (partial / "large.bin").write_bytes(np.random.default_rng(len(name)).bytes(100_000))
    write_snapshot(partial, contents, name, 1_700_000_000, "test")
    return store.publish(partial, channel)


def silent(_snapshot_id: str, _done: int, _total: int) -> None:
    """Shows nothing."""


class Watched(Remote):
    """Notes what is read, and may do something else before."""

    def __init__(self, url: str, before: Callable[[str], object] = lambda _: None) -> None:
        super().__init__(url)
        self.before, self.asked = before, list[str]()

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        self.before(path)
        self.asked.append(path.rpartition("/")[2])
        return super().read(path, start, end)


class Stopped(Exception):
    """The machine that copies goes away."""


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "shared" / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/store"


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store(tmp_path / "target")


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_is_pushed_is_pulled_byte_for_byte(source: Store, target: Store, url: str) -> None:
    original, remote = publish(source, "s1"), Remote(url)
    assert push(source, remote, "default", 3, silent) == "s1"
    assert pull(remote, target, "default", 3, silent) == "s1"
    assert target.active_id("default") == "s1"
    assert files(target.directory("s1")) == files(original)


def test_what_is_there_already_is_not_copied_again(source: Store, target: Store, url: str) -> None:
    publish(source, "s1")
    remote = Watched(url)
    push(source, remote, "default", 3, silent)
    pull(remote, target, "default", 3, silent)
    remote.asked.clear()
    assert push(source, remote, "default", 3, silent) is None
    assert pull(remote, target, "default", 3, silent) is None
    assert remote.asked == ["default", "default"]


def test_a_pull_that_is_cut_short_serves_the_old_one_and_goes_on_where_it_was(
    source: Store, target: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.publishing.replication.PART_BYTES", 10_000)
    remote = Remote(url)
    publish(source, "s1")
    push(source, remote, "default", 3, silent)
    pull(remote, target, "default", 3, silent)
    publish(source, "s2")
    push(source, remote, "default", 3, silent)
    parts = []

    def stop_in_the_fifth_part(path: str) -> None:
        if path.endswith("large.bin"):
            parts.append(path)
            if len(parts) == 5:
                raise Stopped

    with pytest.raises(Stopped):
        pull(Watched(url, stop_in_the_fifth_part), target, "default", 3, silent)
    assert (target.active_id("default"), target.snapshot_ids()) == ("s1", ["s1"])
    again = Watched(url)
    assert pull(again, target, "default", 3, silent) == "s2"
    assert again.asked.count("large.bin") == 10 - 4
    assert "attributes.npy" not in again.asked
    verify_all(target.directory("s2"))


def test_a_byte_that_changes_on_the_way_or_on_the_disk_is_found(source: Store, target: Store, url: str) -> None:
    publish(source, "s1")
    remote = Remote(url)
    push(source, remote, "default", 3, silent)

    class Flipping(Remote):
        def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
            content = super().read(path, start, end)
            return content if not path.endswith("vectors.npy") else content[:-1] + bytes([content[-1] ^ 1])

    with pytest.raises(DamagedSnapshot, match=r"vectors\.npy does not match"):
        pull(Flipping(url), target, "default", 3, silent)
    assert target.active_id("default") is None
    begun = target.snapshots / ".s1.partial" / "large.bin"
    assert begun.exists()
    begun.write_bytes(bytes(100))
    assert pull(remote, target, "default", 3, silent) == "s1"
    verify_all(target.directory("s1"))


def test_of_a_publisher_that_goes_on_meanwhile_one_whole_snapshot_is_served(
    source: Store, target: Store, url: str
) -> None:
    publish(source, "s1")
    remote = Remote(url)
    push(source, remote, "default", 1, silent)
    others = iter(["s2", "s3"])

    def publish_another(path: str) -> None:
        if path.endswith("sketches.npy") and (name := next(others, None)):
            publish(source, name)
            push(source, remote, "default", 1, silent)  # prunes what is being copied

    assert pull(Watched(url, publish_another), target, "default", 3, silent) == "s3"
    assert target.snapshot_ids() == ["s3"]
    assert [path.name for path in target.snapshots.iterdir()] == ["s3"]
    assert Snapshot.open(target.directory("s3")).id_of(0) == "s3-0"


def test_a_pull_keeps_what_is_served_and_the_newest(source: Store, target: Store, url: str) -> None:
    remote = Remote(url)
    for name in ("s1", "s2", "s3", "s4"):
        publish(source, name)
        push(source, remote, "default", 2, silent)
        pull(remote, target, "default", 2, silent)
    assert target.snapshot_ids() == ["s3", "s4"]
    assert remote.names("snapshots") == ["s3", "s4"]
    reader = Snapshot.open(target.directory("s4"))
    source.activate("s3", "default")  # rolled back: what it serves is not pruned there, nor copied again here
    push(source, remote, "default", 1, silent)
    assert remote.names("snapshots") == ["s3", "s4"]
    asking = Watched(url)
    assert pull(asking, target, "default", 1, silent) == "s3"
    assert asking.asked == ["default"]
    assert target.snapshot_ids() == ["s3", "s4"]
    assert reader.id_of(0) == "s4-0"


def test_a_busy_channel_prunes_nothing_of_another_elsewhere_or_here(source: Store, target: Store, url: str) -> None:
    remote = Remote(url)
    for name, channel in (("s1", "trial"), ("s2", "trial"), *((f"t{number}", "default") for number in range(4))):
        publish(source, name, channel)
        push(source, remote, channel, 2, silent)
        pull(remote, target, channel, 2, silent)
    assert remote.names("snapshots") == ["s1", "s2", "t2", "t3"]
    assert target.snapshot_ids() == ["s1", "s2", "t2", "t3"]


def test_a_manifest_cannot_name_a_file_outside(source: Store, target: Store) -> None:
    directory = publish(source, "s1")
    manifest = msgspec.json.decode((directory / "manifest.json").read_bytes())
    manifest["files"]["../../escaped"] = manifest["files"]["large.bin"]
    text = msgspec.json.encode(manifest)
    (directory / "manifest.json").write_bytes(text)
    (directory / "manifest.sha256").write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n")
    (source.root / "escaped").write_bytes((directory / "large.bin").read_bytes())
    with pytest.raises(DamagedSnapshot, match="names a file"):
        pull(Remote(str(source.root)), target, "default", 3, silent)
    assert not (target.root / "escaped").exists()


@pytest.mark.parametrize("text", ["../s1\n", "s1", "\n"])
def test_a_pointer_that_is_torn_or_leads_elsewhere_is_not_followed(source: Store, target: Store, text: str) -> None:
    publish(source, "s1")
    (source.channels / "default").write_text(text)
    with pytest.raises((UnknownSnapshot, RemoteFault)):
        pull(Remote(str(source.root)), target, "default", 3, silent)
    assert target.snapshot_ids() == []


def test_a_damaged_snapshot_is_not_pushed(source: Store, tmp_path: Path) -> None:
    directory = publish(source, "s1")
    (directory / "large.bin").write_bytes(bytes(100_000))
    with pytest.raises(DamagedSnapshot):
        push(source, Remote(str(tmp_path / "shared")), "default", 3, silent)
    assert not (tmp_path / "shared").exists()


def test_faults_of_a_kind_of_store_are_io_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Remote("memory://nothing")

    def fails(*_: Any, **__: Any) -> bytes:
        raise LookupError("no such bucket")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.cat_file", fails)
    with pytest.raises(RemoteFault, match="LookupError: no such bucket"):
        remote.read("a")


def test_the_commands_exit_codes(source: Store, target: Store, capsys: pytest.CaptureFixture[str]) -> None:
    shared = str(source.root)
    pulling = ["pull", "--store", str(target.root), "--quiet", "--from"]
    assert main([*pulling, "nothing://x"]) == 2
    assert main([*pulling, shared]) == 2  # no snapshot yet
    publish(source, "s1")
    assert main([*pulling, shared]) == 0
    assert main([*pulling, shared]) == 0
    with target.lock():
        assert main([*pulling, shared]) == 75
    publish(source, "s2")
    (source.directory("s2") / "large.bin").write_bytes(bytes(100_000))
    assert main([*pulling, shared]) == 1
    (source.directory("s2") / "large.bin").unlink()
    assert main([*pulling, shared]) == 74
    assert target.active_id("default") == "s1"
    said = capsys.readouterr()
    assert said.out.splitlines() == ["default serves s1", "default has nothing new"]
    assert "damaged: snapshot .s2.partial is damaged: large.bin does not match its sha256" in said.err


def test_a_server_that_gives_no_parts_is_told_from_a_damaged_snapshot(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(source, "s1")
    monkeypatch.setattr("index.publishing.replication.PART_BYTES", 50_000)

    class Whole(Remote):
        def read(self, path: str, _start: int | None = None, _end: int | None = None) -> bytes:
            return super().read(path)

    with pytest.raises(RemoteFault, match="gives no parts"):
        pull(Whole(str(source.root)), target, "default", 3, silent)


def test_a_pull_that_follows_outlives_faults_and_ends_when_told_to(source: Store, target: Store) -> None:
    command = [sys.executable, ROOT / "scripts" / "copy_snapshots.py", "pull", "--from", source.root, "--quiet"]
    following = subprocess.Popen(
        [*command, "--store", target.root, "--follow", "0.05"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stderr is not None
    assert following.stdout is not None
    try:
        assert following.stderr.readline() == f"error: channel default has no snapshot in {source.root}\n"
        for name in ("s1", "s2"):
            publish(source, name)
            assert following.stdout.readline() == f"default serves {name}\n"
            assert target.active_id("default") == name
    finally:
        following.terminate()
        following.communicate()
    assert following.returncode == 0


def test_two_pulls_into_one_store_do_not_meet(source: Store, target: Store) -> None:
    publish(source, "s1")

    def pull_too(_: str) -> None:
        with pytest.raises(StoreLocked):
            pull(Remote(str(source.root)), target, "default", 3, silent)

    assert pull(Watched(str(source.root), pull_too), target, "default", 3, silent) == "s1"


def test_a_pointer_there_that_is_no_text_is_a_fault_that_following_survives(
    source: Store, target: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(source, "s1")
    (source.channels / "default").write_bytes(b"\xff\xfe\n")
    with pytest.raises(RemoteFault, match=r"the pointer of channel default in .* is no text"):
        pull(Remote(str(source.root)), target, "default", 3, silent)
    assert main(["pull", "--from", str(source.root), "--store", str(target.root), "--quiet"]) == os.EX_IOERR
    assert "is no text" in capsys.readouterr().err
