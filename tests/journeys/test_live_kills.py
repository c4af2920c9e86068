"""Writers to the live store that are killed at any moment: what they were told is written is there afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

import pytest
from constants import ROOT
from live_writer import State, state_after

from service.live_store.changes import LiveArticle
from service.live_store.store import LiveStore

pytest_plugins = ["postgres"]

WRITERS = 4


def start(url: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "tests" / "helpers" / "live_writer.py"), url, name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def kill_at_some_moment(writer: subprocess.Popen[str], chance: random.Random) -> int:
    """Kill it after some of its writes, somewhere within the next ones; returns how many it said are done."""
    assert writer.stdout is not None
    said = "".join(writer.stdout.readline() for _ in range(chance.randrange(1, 20)))
    try:
        writer.wait(chance.uniform(0, 0.02))  # a write takes some milliseconds
    except subprocess.TimeoutExpired:
        writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    said += writer.stdout.read()
    writer.stdout.close()
    return said.count("\n")


def found(store: LiveStore, articles: list[LiveArticle], name: str) -> State:
    """What is there of a writer's articles, in the form of `state_after`."""
    state: State = {}
    for row in articles:
        if row.id.startswith(f"{name}/"):
            article, signals = store.article(row.id), store.signals_of(row.id)
            assert article is not None
            state[row.id] = (row.state, article.headline, signals.signals[0].note if signals else "")
    return state


@pytest.mark.parametrize("kills", [20, pytest.param(250, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_no_write_that_was_acknowledged_is_missing_after_a_kill(live_url: str, kills: int) -> None:
    chance = random.Random(11)
    store = LiveStore(live_url)
    sequence = 0
    for first in range(0, kills, WRITERS):
        names = [f"writer{number}" for number in range(first, min(first + WRITERS, kills))]
        writers = [start(live_url, name) for name in names]
        told = [kill_at_some_moment(writer, chance) for writer in writers]
        store.truncate(0)  # returns once the server, too, is done with all of them
        changes = store.changes(sequence, None)
        written = 0
        for name, count in zip(names, told, strict=True):
            states = {writes: state_after(name, writes) for writes in (count, count + 1)}  # one may be under way
            there = found(store, list(changes.articles), name)
            assert there in states.values(), (name, count)
            written += count if there == states[count] else count + 1
        sequence += written
        assert changes.sequence == sequence
    store.close()
