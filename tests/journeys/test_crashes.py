"""Rebuilds that are killed or run out of disk: the published snapshot survives whole, the next rebuild cleans up."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from conftest import ROOT, HashingEmbedder

from index.article import Article
from index.build import rebuild
from index.snapshot import Snapshot, verify_all
from index.store import Store

PROGRAM = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import HashingEmbedder
from index.article import Article
from index.build import rebuild
from index.store import Store
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    number += 1
    articles = [Article(id=f"a{{at}}", headline=f"Headline {{at}}", body=f"word{{at}} " * 40) for at in range(40)]
    try:
        rebuild(articles, store, HashingEmbedder(), 1_800_000_000 + number)
    except OSError as error:
        print(f"{{type(error).__name__}} {{error}}", flush=True)
        sys.exit(74)
    print("published", flush=True)
"""
KILLS = 8


def start(store: Store, limit: int = 0) -> subprocess.Popen[str]:
    program = PROGRAM.format(tests=str(Path(ROOT) / "tests"))
    command = [sys.executable, "-c", program, str(store.root), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def first_snapshot(store: Store) -> str:
    articles = [Article(id=f"a{at}", headline=f"Headline {at}", body=f"word{at} " * 40) for at in range(40)]
    return rebuild(articles, store, HashingEmbedder(), 1_700_000_000).snapshot_id


def test_kills_at_random_moments_leave_a_whole_published_snapshot(store: Store) -> None:
    first_snapshot(store)
    chance = random.Random(7)
    for _ in range(KILLS):
        process = start(store)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(2)):
            process.stdout.readline()
        try:
            process.wait(chance.uniform(0, 0.25))  # somewhere within the next rebuild, which takes about 0.15 s
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        active = store.active_id("default")
        assert active is not None
        verify_all(store.directory(active))
        assert Snapshot.open(store.directory(active)).rows == 40
    last = rebuild([Article(id="a", headline="H")], store, HashingEmbedder(), 1_900_000_000, force=True)
    assert store.active_id("default") == last.snapshot_id
    assert not list(store.snapshots.glob(".*"))


def test_a_full_disk_leaves_the_old_snapshot_and_says_so(store: Store) -> None:
    before = first_snapshot(store)
    for limit in (1, 500, 5_000, 12_000):  # bytes a file: the cache, small files, larger ones
        process = start(store, limit)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == os.EX_IOERR, output
        assert output.splitlines()[-1].startswith("OSError")
        assert store.active_id("default") == before
        verify_all(store.directory(before))
    after = first_snapshot(store)
    assert store.active_id("default") == after
    assert not list(store.snapshots.glob(".*"))
