"""The catalogue: whatever happens to the store, a request gets a good snapshot or is told why not."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from small import contents_of

import service.archive.manager
from index.article import Article
from index.publishing.store import Store
from index.snapshot.attributes import NO_ROW
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from index.snapshot.writer import write_snapshot
from service.app import create_app
from service.archive.follower import Following
from service.archive.manager import Catalogue, NoSnapshot
from service.archive.view import Archive
from service.config import Settings
from service.live_store.store import LiveStore


def publish(store: Store, name: str, channel: str = "default") -> None:
    article, vectors = Article(id="a", headline="A"), np.eye(1, 8, dtype=np.float32)
    contents = contents_of([article], vectors, np.array([[NO_ROW]]), term_texts=["a"], channel=channel)
    partial = store.begin(name)
    write_snapshot(partial, contents, name, 0, "test")
    store.publish(partial, channel)


def test_no_request_waits_for_a_reload(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, "s1")
    catalogue = Catalogue(store, "default")
    catalogue.follow(3_600)
    catalogue.current()
    opening, go_on = threading.Event(), threading.Event()
    really = service.archive.manager.opened

    def slowly(store: Store, name: str) -> Snapshot:
        opening.set()
        assert go_on.wait(10)
        return really(store, name)

    monkeypatch.setattr(service.archive.manager, "opened", slowly)
    publish(store, "s2")
    reload = threading.Thread(target=catalogue.refresh)
    reload.start()
    assert opening.wait(10)
    served: list[str] = []
    request = threading.Thread(target=lambda: (catalogue.follow(3_600), served.append(catalogue.current().id)))
    request.start()
    request.join(5)
    assert served == ["s1"]
    go_on.set()
    reload.join(10)
    assert catalogue.current().id == "s2"


def test_a_channel_never_serves_another_channels_snapshot(store: Store) -> None:
    publish(store, "s1", "default")
    publish(store, "s2", "staging")
    shutil.rmtree(store.directory("s2"))
    with pytest.raises(NoSnapshot):
        Catalogue(store, "staging").current()


def test_a_pointer_that_cannot_be_read_is_a_503_and_leaves_the_old_snapshot_serving(
    store: Store, tmp_path: Path
) -> None:
    publish(store, "s1")
    catalogue = Catalogue(store, "default")
    catalogue.current()
    (store.root / "channels" / "default").write_bytes(b"\xff\xfe")
    catalogue.refresh()
    assert (catalogue.current().id, "cannot be read" in (catalogue.degraded or "")) == ("s1", True)
    fresh = create_app(Settings(store=store.root, search_socket=tmp_path / "nobody.sock"), lambda: 0).test_client()
    assert fresh.get("/readyz").status_code == 503


def test_a_snapshot_found_damaged_by_a_request_gives_way_to_the_one_before(store: Store) -> None:
    publish(store, "s1")
    publish(store, "s2")
    catalogue = Catalogue(store, "default")
    catalogue.condemn(DamagedSnapshot(catalogue.current().snapshot.directory, "block 7 does not match its digest"))
    assert catalogue.current().id == "s1"
    assert "block 7" in (catalogue.degraded or "")
    catalogue.refresh()
    assert catalogue.current().id == "s1"


def test_a_catalogue_that_nobody_holds_any_more_lets_go_of_its_snapshot(store: Store) -> None:
    publish(store, "s1")
    catalogue = Catalogue(store, "default")
    catalogue.follow(3_600)
    archive = weakref.ref(catalogue.current())
    del catalogue
    gc.collect()
    assert archive() is None


def test_a_fault_that_comes_with_every_look_is_said_once_and_again_once_it_was_over(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    publish(store, "s1")
    looks, away = threading.Semaphore(0), threading.Event()

    class Away(Following):
        def caught_up(self, archive: Archive) -> Archive:
            looks.release()
            if away.is_set():
                raise OSError("away")
            return archive

    live = Away(LiveStore("sqlite:///no-such-folder/live.db"))
    catalogue = Catalogue(store, "default", live)
    catalogue.current()
    catalogue.follow(3_600, 0.01)
    for state in (True, False, True):
        (away.set if state else away.clear)()
        for _ in range(20):
            assert looks.acquire(timeout=10)
    told = [record.message for record in caplog.records if "catch_up failed" in record.message]
    assert told == ["catch_up failed"] * 2
