"""What earlier versions wrote: a snapshot of each format, a live store of each schema, and going back to them.

The files in tests/earlier/ were written by the code of their time and are never written anew:

    python tests/journeys/test_storage_earlier.py        # adds those of today's format and schema, if missing
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parent.parent.parent
EARLIER = ROOT / "tests" / "earlier"
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / part) for part in (".", "scripts", "tests", "tests/helpers")]

from constants import NOW  # noqa: E402 - as a program it finds these only now
from hashing_embedder import HashingEmbedder  # noqa: E402
from newsroom import catalogue_of, story  # noqa: E402

from index.article import Article  # noqa: E402
from index.build import RebuildOptions, rebuild  # noqa: E402
from index.live.snapshot_searcher import Searcher  # noqa: E402
from index.publishing.store import Store  # noqa: E402
from index.snapshot.manifest import FORMAT, DamagedSnapshot, verify_all  # noqa: E402
from index.snapshot.reader import Snapshot  # noqa: E402
from service.app import create_app  # noqa: E402
from service.config import Settings  # noqa: E402
from service.live_store.changes import Signal, SignalChange  # noqa: E402
from service.live_store.migrate import migrate  # noqa: E402
from service.live_store.schema import REVISION  # noqa: E402
from service.live_store.store import LiveStore  # noqa: E402

ARTICLES = [story(f"old/{n}", ("ferry river crossing", "council budget tax")[n % 2], 3 + n) for n in range(8)]
READ = (1, 2)  # formats that this code reads
SNAPSHOTS = sorted(EARLIER.glob("format-*.zip"))
LIVE = sorted(EARLIER.glob("live-*.sql"))


def unpacked(archive: Path, folder: Path) -> tuple[Store, str]:
    """A store that holds the snapshot, unpublished."""
    shutil.unpack_archive(archive, folder / "store" / "snapshots")
    store = Store(folder / "store")
    (snapshot_id,) = store.snapshot_ids()
    return store, snapshot_id


def test_there_is_a_snapshot_of_every_format_and_a_live_store_of_every_schema() -> None:
    assert [path.stem for path in SNAPSHOTS] == [f"format-{number}" for number in range(1, FORMAT + 1)]
    revisions = sorted(path.name[1:5] for path in (ROOT / "service/live_store/migrations/versions").glob("v*.py"))
    assert [path.stem for path in LIVE] == [f"live-{revision}" for revision in revisions]
    assert revisions[-1] == REVISION


@pytest.mark.parametrize("archive", SNAPSHOTS, ids=lambda path: path.stem)
def test_a_snapshot_of_an_earlier_format_serves_and_is_built_onto_or_is_refused_by_its_number(
    archive: Path, tmp_path: Path
) -> None:
    store, snapshot_id = unpacked(archive, tmp_path)
    number = int(archive.stem.removeprefix("format-"))
    if number not in READ:
        with pytest.raises(DamagedSnapshot, match=f"format {number}; this version reads"):
            store.activate(snapshot_id, "default")
        return
    store.activate(snapshot_id, "default")
    client = create_app(Settings(store=store.root, live="off", events="off"), clock=lambda: NOW).test_client()
    items = client.get("/v1/related?id=old/0").get_json()["items"]
    assert {item["teaser"]["id"] for item in items[:3]} == {"old/2", "old/4", "old/6"}
    assert Searcher(Snapshot.open(store.directory(snapshot_id))).records[0] == ARTICLES[-1]
    added = story("new/1", "ferry river crossing", 1)
    report = rebuild([added], store, HashingEmbedder(), NOW + 60, RebuildOptions(onto_last=True, force=True))
    assert report.articles == len(ARTICLES) + 1
    catalogue_of(client).refresh()
    found = [item["teaser"]["id"] for item in client.get("/v1/related?id=old/0").get_json()["items"]]
    assert "new/1" in found


def test_one_command_rolls_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first, second = (rebuild(ARTICLES, store, HashingEmbedder(), NOW + each).snapshot_id for each in (0, 1))
    command = [sys.executable, str(ROOT / "scripts" / "snapshots.py"), "--store", str(store.root), "rollback"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"default serves {first}\n", "")
    assert store.active_id("default") == first
    verify_all(store.directory(second))


def test_pruning_takes_nothing_that_a_channel_or_a_worker_still_answers_from(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    old = rebuild(ARTICLES, store, HashingEmbedder(), NOW, RebuildOptions(channel="trial")).snapshot_id
    held = rebuild(ARTICLES, store, HashingEmbedder(), NOW + 1).snapshot_id
    client = create_app(Settings(store=store.root, live="off", events="off", refresh_seconds=3_600), lambda: NOW)
    worker = client.test_client()
    asked = ("/v1/related?id=old/0&explain=true", "/v1/article?id=old/3", "/v1/related?id=old/5&policy=timeline")
    assert worker.get(asked[0]).get_json()["snapshot_id"] == held
    before = None
    for second in range(2, 6):
        pruned = rebuild(ARTICLES, store, HashingEmbedder(), NOW + second, RebuildOptions(keep=1)).pruned
        answers = [worker.get(each).data for each in asked]  # of the one it opened, which is gone from the store
        assert before in (None, answers)
        before = answers
        assert old in store.snapshot_ids()
        assert old not in pruned
    assert held not in store.snapshot_ids()
    catalogue_of(worker).refresh()
    assert worker.get(asked[0]).get_json()["snapshot_id"] == store.active_id("default")


def test_the_same_articles_in_another_process_and_order_give_the_same_snapshot(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from test_storage_earlier import *\n"
        "rebuild(ARTICLES[:: int(sys.argv[2])], Store(Path(sys.argv[1])), HashingEmbedder(), NOW)"
    )
    built = []
    for seed, order, threads in (("0", "1", "1"), ("1", "-1", "2")):
        parts = ".", "scripts", "tests", "tests/helpers", "tests/journeys"
        path = os.pathsep.join(str(ROOT / part) for part in parts)
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        store = Store(tmp_path / seed)
        subprocess.run([sys.executable, "-c", program, str(store.root), order], check=True, env=environment)
        (snapshot_id,) = store.snapshot_ids()
        built.append(
            (snapshot_id, msgspec.json.decode((store.directory(snapshot_id) / "manifest.json").read_bytes()))
        )
    assert built[0] == built[1]  # the digest of every file among it


# --- the live store

WITHDRAWN, PINNED, GONE = "old/1", "old/2", "old/7"


def write_live(url: str) -> None:
    """A published, an updated, a withdrawn and an erased article, and a pin."""
    store = LiveStore(url)
    for article in ARTICLES[:3]:
        store.put(article, by="cms", at=NOW, expected=None, snapshot_version=None)
    newer = msgspec.structs.replace(ARTICLES[0], headline="Newer")
    store.put(newer, by="cms", at=NOW, expected=None, snapshot_version=None)
    store.withdraw(WITHDRAWN, by="desk", at=NOW, note="legal", expected=None, snapshot_version=None, known=True)
    pin = Signal(kind="pin", target="old/5", position=1, note="Why")
    store.set_signals(PINNED, (pin,), by="ada", at=NOW, expected=None)
    store.put(ARTICLES[7], by="cms", at=NOW, expected=None, snapshot_version=None)
    store.erase(GONE, by="data protection", at=NOW)
    store.remember("signature", NOW, 3_600)
    store.close()


@pytest.mark.parametrize("dump", LIVE, ids=lambda path: path.stem)
def test_a_live_store_of_an_earlier_schema_is_upgraded_with_all_that_it_holds(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    with sqlite3.connect(path) as database:
        database.executescript(dump.read_text("utf-8"))
    database.close()
    url = f"sqlite:///{path}"
    migrate(url)
    store = LiveStore(url)
    states = {each.id: each.state for each in store.changes(0, None).articles if each.id}
    assert states == {"old/0": "published", WITHDRAWN: "withdrawn", PINNED: "published"}
    assert store.article("old/0") == msgspec.structs.replace(ARTICLES[0], headline="Newer")
    signals = store.signals_of(PINNED)
    assert signals is not None
    assert [(each.kind, each.target, each.note) for each in signals.signals] == [("pin", "old/5", "Why")]
    last = store.audit_of(WITHDRAWN)[0]
    assert (last.action, last.by, last.note) == (
        "withdraw",
        "desk",
        "legal",
    )
    (set_by,) = (entry for entry in store.audit_of(PINNED) if entry.action == "signals")
    assert set_by.change == SignalChange(signals.signals, ())
    assert not store.remember("signature", NOW + 60, 3_600)
    assert store.counts()["erased"] == 1
    before = store.changes(0, None).sequence
    added = Article(id="new", headline="After the upgrade")
    assert store.put(added, by="cms", at=NOW, expected=None, snapshot_version=None).sequence == before + 1
    store.close()


def main() -> None:
    """Write today's."""
    EARLIER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = EARLIER / f"format-{FORMAT}.zip"
        if not snapshot.exists():
            store = Store(folder / "store")
            rebuild(ARTICLES, store, HashingEmbedder(), NOW)
            shutil.make_archive(str(snapshot.with_suffix("")), "zip", store.snapshots)
        live = EARLIER / f"live-{REVISION}.sql"
        if not live.exists():
            url = f"sqlite:///{folder / 'live.db'}"
            migrate(url)
            write_live(url)
            database = sqlite3.connect(folder / "live.db")
            live.write_text("\n".join(database.iterdump()) + "\n", "utf-8")
            database.close()


if __name__ == "__main__":
    main()
