"""The store: publish, activate, roll back, prune, lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import snapshots

from index.article import Article
from index.publishing.store import Store, StoreLocked, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, write_snapshot


def contents_of(*ids: str, channel: str = "default") -> Contents:
    n = len(ids)
    own = np.arange(n, dtype=np.uint32)
    return Contents(
        articles=[Article(id=each, headline=f"Headline {each}", url=f"https://p.example/{each}/") for each in ids],
        vectors=np.eye(n, 8, dtype=np.float32),
        neighbour_rows=np.full((n, 4), 0xFFFFFFFF, np.uint32),
        neighbour_features=np.zeros((n, 4, 3), np.float32),
        terms=np.full((n, 3), 0xFFFFFFFF, np.uint32),
        term_texts=[],
        canonical=own,
        event=own,
        storyline=own,
        models={},
        counts={"rejected": 0},
        channel=channel,
    )


def publish(store: Store, name: str, *ids: str, channel: str = "default") -> Path:
    partial = store.begin(name)
    write_snapshot(partial, contents_of(*ids, channel=channel), name, 1_700_000_000, "test")
    return store.publish(partial, channel)


def test_the_pointer_file_holds_the_id_of_the_published_snapshot(store: Store) -> None:
    publish(store, "s1", "a")
    assert (store.channels / "default").read_text() == "s1\n"
    assert store.active_id("default") == "s1"


def test_a_channel_that_never_published_has_no_snapshot(store: Store) -> None:
    assert store.active_id("default") is None
    assert store.snapshot_ids() == []


def test_roll_back_serves_the_one_before(store: Store) -> None:
    publish(store, "s1", "a")
    publish(store, "s2", "a", "b")
    assert store.roll_back("default") == "s1"
    assert store.active_id("default") == "s1"
    with pytest.raises(UnknownSnapshot, match="no snapshot older than s1"):
        store.roll_back("default")


def test_roll_back_skips_snapshots_of_other_channels(store: Store) -> None:
    publish(store, "s1", "a")
    publish(store, "s2", "a", channel="trial")
    publish(store, "s3", "a")
    assert store.roll_back("default") == "s1"


def test_activating_a_damaged_snapshot_is_refused_and_changes_nothing(store: Store) -> None:
    directory = publish(store, "s1", "a")
    publish(store, "s2", "a", "b")
    raw = bytearray((directory / "teasers.jsonl").read_bytes())
    raw[10] ^= 1
    (directory / "teasers.jsonl").write_bytes(raw)
    with pytest.raises(DamagedSnapshot, match=r"teasers\.jsonl does not match"):
        store.activate("s1", "default")
    assert store.active_id("default") == "s2"


@pytest.mark.parametrize("name", ["../outside", "", ".hidden", "a/b", "x" * 200])
def test_a_name_that_could_leave_the_store_is_refused(store: Store, name: str) -> None:
    with pytest.raises(UnknownSnapshot):
        store.directory(name)


def damage(store: Store, name: str, file: str) -> None:
    (store.directory(name) / file).write_bytes(b"torn")


@pytest.mark.parametrize("file", ["manifest.json", "teasers.jsonl"])
def test_roll_back_passes_over_damaged_snapshots_of_any_channel(store: Store, file: str) -> None:
    for name, channel in (("s1", "default"), ("s2", "trial"), ("s3", "default"), ("s4", "trial"), ("s5", "default")):
        publish(store, name, "a", channel=channel)
    for name in ("s2", "s3", "s4"):
        damage(store, name, file)
    assert store.roll_back("default") == "s1"
    assert store.active_id("trial") == "s4"


def test_a_roll_back_without_an_intact_snapshot_says_which_are_damaged(store: Store) -> None:
    for name in ("s1", "s2", "s3"):
        publish(store, name, "a")
    damage(store, "s1", "teasers.jsonl")
    damage(store, "s2", "teasers.jsonl")
    with pytest.raises(UnknownSnapshot, match=r"no snapshot older than s3 that is intact \(damaged: s2, s1\)"):
        store.roll_back("default")
    assert store.active_id("default") == "s3"


def test_pruning_keeps_the_newest_and_every_one_a_channel_serves(store: Store) -> None:
    publish(store, "s1", "a", channel="trial")
    for name in ("s2", "s3", "s4", "s5"):
        publish(store, name, "a")
    assert store.prune(keep=2) == ["s2", "s3"]
    assert store.snapshot_ids() == ["s1", "s4", "s5"]


def test_a_busy_channel_prunes_nothing_of_another(store: Store) -> None:
    for name in ("s1", "s2", "s3"):
        publish(store, name, "a", channel="trial")
    for name in ("t1", "t2", "t3", "t4"):
        publish(store, name, "a")
    assert store.prune(keep=2) == ["s1", "t1", "t2"]
    assert store.roll_back("trial") == "s2"
    assert store.prune(keep=0) == ["s3", "t3"]


def test_pruning_keeps_what_another_channel_serves_and_nothing_of_a_channel_that_is_gone(store: Store) -> None:
    for name in ("s1", "s2", "s3", "s4"):
        publish(store, name, "a", channel="over" if name == "s1" else "default")
    store.activate("s2", "trial")
    (store.channels / "over").unlink()
    assert store.prune(keep=1) == ["s1", "s3"]


def test_pruning_counts_snapshots_that_cannot_be_read_by_themselves(store: Store) -> None:
    for name in ("s1", "s2", "s3", "s4"):
        publish(store, name, "a")
    damage(store, "s1", "manifest.json")
    damage(store, "s3", "manifest.json")
    assert store.prune(keep=1) == ["s1", "s2"]
    assert store.snapshot_ids() == ["s3", "s4"]


def test_verify_names_every_damaged_snapshot(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("s1", "s2", "s3"):
        publish(store, name, "a")
    damage(store, "s1", "teasers.jsonl")
    damage(store, "s2", "manifest.json")
    assert snapshots.main(["--store", str(store.root), "verify"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["damaged:", "damaged:"]


def test_a_reader_keeps_its_snapshot_when_pruning_deletes_it(store: Store) -> None:
    publish(store, "s1", "a")
    reader = Snapshot.open(store.directory("s1"))
    publish(store, "s2", "a")
    publish(store, "s3", "a")
    assert store.prune(keep=1) == ["s1", "s2"]
    assert reader.teaser(0).startswith(b'{"id":"a"')


def test_leftovers_of_a_crashed_build_go_with_the_next_one(store: Store) -> None:
    (store.begin("s1") / "half.npy").write_bytes(b"half")
    publish(store, "s2", "a")
    assert [path.name for path in store.snapshots.iterdir()] == ["s2"]


def test_a_second_writer_is_refused_at_once(store: Store) -> None:
    program = (
        "import sys; from pathlib import Path; from index.publishing.store import Store, StoreLocked\n"
        "try:\n with Store(Path(sys.argv[1])).lock(): print('entered')\n"
        "except StoreLocked: print('locked')"
    )
    with store.lock():
        held = subprocess.run([sys.executable, "-c", program, store.root], capture_output=True, text=True)
    free = subprocess.run([sys.executable, "-c", program, store.root], capture_output=True, text=True)
    assert (held.stdout, free.stdout) == ("locked\n", "entered\n")
    with store.lock(), pytest.raises(StoreLocked), store.lock():
        pass
