"""Rebuilds that are killed, and rebuilds that race: what was published stays whole, and one of two wins."""

from __future__ import annotations

import os
import random
import select
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rebuilder import Rebuilder, archive_file, rebuild_arguments

from index.publishing.store import Store
from index.snapshot.manifest import verify_all
from index.snapshot.reader import Snapshot

EDITIONS = 7
LONGEST = 0.4  # seconds: a rebuild takes about a quarter of one
KEPT = 3  # snapshots, as rebuild_index.py keeps


@pytest.fixture(scope="module")
def rebuilder() -> Iterator[Rebuilder]:
    made = Rebuilder()
    yield made
    made.close()


@pytest.mark.parametrize("kills", [100, pytest.param(3_000, marks=[pytest.mark.proof, pytest.mark.timeout(7_200)])])
def test_a_rebuild_killed_at_any_moment_loses_and_damages_no_published_snapshot(
    kills: int, rebuilder: Rebuilder, store: Store, tmp_path: Path
) -> None:
    sources = [archive_file(tmp_path, edition=edition) for edition in range(EDITIONS)]
    chance, outcomes = random.Random(7), Counter[str]()
    for kill in range(kills + 1):
        before, served = store.snapshot_ids(), store.active_id("default")
        rebuilder.begin(rebuild_arguments(sources[kill % EDITIONS], store.root, kill))
        rebuilder.go_on()
        if kill in (0, kills):  # the first publishes something to lose, the last shows that all goes on
            assert rebuilder.ended()[0] == os.EX_OK
            continue
        select.select([], [], [], chance.uniform(0, LONGEST))
        rebuilder.kill()
        code, said = rebuilder.ended()
        assert code in (os.EX_OK, -signal.SIGKILL), said
        active, after = store.active_id("default"), store.snapshot_ids()
        assert active in (served, after[-1]), kill
        assert code or active == after[-1]
        assert set(before[-KEPT + 1 :]) <= set(after), kill
        for each in {active, *after[-2:]}:
            assert each is not None
            verify_all(store.directory(each))
            assert Snapshot.open(store.directory(each)).rows == 40
        outcomes["ended first" if not code else "published" if active != served else "not published"] += 1
        outcomes["left something half-made"] += bool(list(store.snapshots.glob(".*")))
    print(dict(outcomes))
    assert outcomes["not published"] > kills / 4
    assert outcomes["left something half-made"] > kills / 20
    assert store.active_id("default") == store.snapshot_ids()[-1]
    assert not list(store.snapshots.glob(".*"))
    assert not list(store.channels.glob(".*"))


@pytest.mark.parametrize("races", [5, pytest.param(100, marks=pytest.mark.proof)])
def test_of_two_rebuilds_at_once_one_publishes_and_the_other_says_that_it_was_late(
    races: int, rebuilder: Rebuilder, store: Store, tmp_path: Path
) -> None:
    other = Rebuilder()
    try:
        for race in range(races):
            source = archive_file(tmp_path, articles=200, edition=race)  # neither ends before the other begins
            racers = (rebuilder, other) if race % 2 else (other, rebuilder)
            for each in racers:
                each.begin(rebuild_arguments(source, store.root, race))
            for each in racers:
                each.go_on()
            ended = sorted(each.ended() for each in racers)
            assert [code for code, _ in ended] == [os.EX_OK, os.EX_TEMPFAIL], ended
            assert ended[1][1].startswith("error: another rebuild is at work")
            active = store.active_id("default")
            assert active == store.snapshot_ids()[-1]
            assert active in ended[0][1]
            verify_all(store.directory(active))
            assert len(store.snapshot_ids()) == min(race + 1, KEPT)
    finally:
        other.close()
