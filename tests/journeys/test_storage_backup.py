"""A backup made while the service writes, everything destroyed, the backup put back: what is served is what was."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import backup as command
import erase_article
import pytest
from live_writer import state_after, write
from newsroom import EDITOR, Newsroom, story
from traces import files_that_say

from index.publishing.store import Store
from service.auth.authorization import Access
from service.auth.sessions import Sessions
from service.backups import complete, create
from service.experiments.event_log import EventLog, is_torn, lines, segments
from service.live_store.store import LiveStore

pytest_plugins = ["postgres"]

TOPICS = ("ferry river crossing timetable", "council budget tax levy")
ARCHIVE = [story(f"old/{n}", TOPICS[n % 2], 10 + 10 * n) for n in range(8)]


@pytest.fixture
def newsroom(tmp_path: Path, live_url: str) -> Iterator[Newsroom]:
    made = Newsroom(tmp_path, live_url)
    made.rebuild(ARCHIVE[:6])
    made.now += 1
    made.rebuild(ARCHIVE)
    yield made
    made.close()


class Writer(threading.Thread):
    """Changes the live store and logs events without end; `done` counts what it was told is written."""

    def __init__(self, url: str, events: Path) -> None:
        super().__init__(daemon=True)
        self.done, self.enough, self._url, self._log = 0, threading.Event(), url, EventLog(events)
        self.begun = threading.Event()

    def run(self) -> None:
        store = LiveStore(self._url)
        while not self.enough.is_set():
            write(store, "writer", self.done)
            self._log.append([b'{"n":%d}\n' % self.done])
            self.done += 1
            if self.done == 20:
                self.begun.set()
        store.close()


def run(*arguments: object) -> None:
    assert command.main([str(each) for each in arguments]) == 0


def state_of(store: LiveStore) -> dict[str, tuple[str, str, str]]:
    """What is there of the writer's articles, in the form of `state_after`."""
    found = {}
    for row in store.changes(0, None).articles:
        article, signals = store.article(row.id), store.signals_of(row.id)
        if row.id.startswith("writer/") and article is not None:
            found[row.id] = (row.state, article.headline, signals.signals[0].note if signals else "")
    return found


@pytest.mark.parametrize("live_url", ["sqlite", "postgresql"], indirect=True)
def test_a_backup_made_under_writes_is_put_back_after_everything_was_destroyed(
    newsroom: Newsroom, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    store, events, backups = newsroom.store, tmp_path / "events", tmp_path / "backups"
    where = ("--store", store.root, "--live", newsroom.url, "--events", events)
    lists = {article.id: newsroom.list_of(article.id) for article in ARCHIVE}
    writer = Writer(newsroom.url, events)
    writer.start()
    assert writer.begun.wait(60)
    run("create", "--backups", backups, *where)
    told = writer.done
    run("create", "--backups", backups, *where)
    made = complete(backups)
    written = writer.done
    writer.enough.set()
    writer.join()
    first = next((made[0] / "snapshots").glob("*/teasers.jsonl"))
    assert (made[1] / first.relative_to(made[0])).samefile(first)  # an unchanged snapshot takes room once
    installation = newsroom.live.changes(0, None).installation
    newsroom.close()
    shutil.rmtree(store.root)
    shutil.rmtree(events)
    if newsroom.url.startswith("sqlite"):
        for each in newsroom.settings.keys.parent.glob("live.db*"):  # type: ignore[union-attr]
            each.unlink()
    else:
        request.getfixturevalue("postgres_server").empty()

    run("verify", made[1])
    run("restore", made[1], *where)

    again = Newsroom(tmp_path, newsroom.url)
    request.addfinalizer(again.close)
    again.now = newsroom.now
    assert {article.id: again.list_of(article.id) for article in ARCHIVE} == lists
    assert again.store.snapshot_ids() == Store(made[1]).snapshot_ids()
    assert again.live.changes(0, None).installation == installation
    writes = range(told, written + 2)  # of one moment, after the first backup and before we looked again
    assert state_of(again.live) in [state_after("writer", count) for count in writes]
    found = [json.loads(line)["n"] for segment in segments(events) for line in lines(segment)]
    assert sorted(found) == [*range(len(found))]
    assert told <= len(found) <= written + 1
    assert not any(map(is_torn, segments(events)))
    assert again.put({"id": "new", "headline": "After the disaster"}).status_code == 201
    assert [each.action for each in again.live.audit_of("new")] == ["publish"]
    assert again.store.roll_back("default") == Store(made[1]).snapshot_ids()[0]
    capsys.readouterr()
    assert command.main(["restore", str(made[1]), *map(str, where)]) == 2  # never over what is in use
    assert "must hold no snapshot" in capsys.readouterr().err


@pytest.mark.parametrize("live_url", ["sqlite"], indirect=True)
def test_a_damaged_backup_is_told_by_name_and_never_put_back(
    newsroom: Newsroom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events"
    EventLog(events).append([b"{}\n"])
    backup = create(tmp_path / "backups", newsroom.store, newsroom.url, events)
    target = tmp_path / "target"
    asked = ["restore", backup, "--store", target, "--live", f"sqlite:///{target / 'live.db'}", "--events", events]
    for damaged in ("snapshots/*/teasers.jsonl", "live.db", "channels/default", "backup.json", "events/*.jsonl"):
        path = next(backup.glob(damaged))
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 4]))
        assert command.main([str(each) for each in asked]) == 1
        assert path.name in capsys.readouterr().err
        assert not (target / "live.db").exists()
        assert Store(target).snapshot_ids() == []
        path.write_bytes(good)


@pytest.mark.parametrize("live_url", ["sqlite"], indirect=True)
def test_no_backup_is_made_while_a_rebuild_is_at_work_and_none_is_half_made(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    asked = ["create", "--backups", str(tmp_path / "b"), "--store", str(newsroom.store.root), "--live", newsroom.url]
    with newsroom.store.lock():
        assert command.main(asked) == 75
    (newsroom.store.directory(newsroom.store.active_id("default") or "") / "vectors.npy").write_bytes(b"")
    assert command.main(asked) == 1
    assert complete(tmp_path / "b") == []
    assert [*(tmp_path / "b").iterdir()] == []


@pytest.mark.parametrize("live_url", ["sqlite"], indirect=True)
def test_one_command_takes_an_article_out_of_store_live_store_cache_and_every_backup(
    newsroom: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups, secret = tmp_path / "backups", "Quenbyhurst"
    innocent = create(backups, newsroom.store, newsroom.url, None)
    named = story("old/named", TOPICS[0], 2, headline=f"{secret} sails", body=f"{secret} " * 30)
    newsroom.live.put(named, by="cms", at=newsroom.now, expected=None, snapshot_version=None)
    create(backups, newsroom.store, newsroom.url, None)  # only the live store knows it
    newsroom.now += 1
    newsroom.rebuild([], live=newsroom.live.all_rows())
    create(backups, newsroom.store, newsroom.url, None)
    newsroom.live.truncate(10**9)
    create(backups, newsroom.store, newsroom.url, None)  # only a snapshot and the audit know it
    assert files_that_say(backups, secret)
    monkeypatch.setattr(erase_article, "embedder_named", lambda _: newsroom.embedder)
    where = ["--store", newsroom.store.root, "--live", newsroom.url, "--backups", backups]
    assert erase_article.main([str(each) for each in ("old/named", *where)]) == 0
    for word in (secret, "old/named"):
        assert files_that_say(newsroom.store.root, word) == []
        assert files_that_say(backups, word) == []
    kept = complete(backups)
    assert [each for each in kept if each == innocent] == [innocent]
    assert len(kept) == 2
    run("restore", kept[-1], "--store", tmp_path / "again", "--live", f"sqlite:///{tmp_path / 'again.db'}")


@pytest.mark.parametrize("live_url", ["sqlite"], indirect=True)
def test_a_backup_whose_live_store_is_damaged_is_deleted_as_if_it_knew_and_those_after_it_too(
    newsroom: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = tmp_path / "backups"
    named = story("old/named", TOPICS[0], 2)
    newsroom.live.put(named, by="cms", at=newsroom.now, expected=None, snapshot_version=None)
    for _ in range(4):
        create(backups, newsroom.store, newsroom.url, None)
    begun, middle, cut, knows = complete(backups)
    size = (begun / "live.db").stat().st_size
    for backup, at, content in ((begun, 0, b"no database"), (middle, size // 2, b"\x55" * 9_000)):
        with (backup / "live.db").open("r+b") as file:
            file.seek(at)
            file.write(content)
    os.truncate(cut / "live.db", size // 3)
    monkeypatch.setattr(erase_article, "embedder_named", lambda _: newsroom.embedder)
    where = ["--store", newsroom.store.root, "--live", newsroom.url, "--backups", backups]
    assert erase_article.main([str(each) for each in ("old/named", *where)]) == 0
    left = complete(backups)
    assert len(left) == 1
    assert not {begun, middle, cut, knows} & set(left)


@pytest.mark.parametrize("live_url", ["sqlite"], indirect=True)
def test_without_hard_links_a_snapshot_is_copied_again(
    newsroom: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    first = create(tmp_path / "backups", newsroom.store, newsroom.url, None)
    monkeypatch.setattr(os, "link", refused)
    second = create(tmp_path / "backups", newsroom.store, newsroom.url, None)
    run("verify", second)
    files = [each.relative_to(first) for each in first.glob("snapshots/*/*")]
    assert files
    assert not any((second / each).samefile(first / each) for each in files)


@pytest.mark.parametrize("live_url", ["sqlite"], indirect=True)
def test_a_session_of_the_console_that_was_ended_stays_ended_after_a_restore(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    events = tmp_path / "events"
    sessions = Sessions(access_of(newsroom), events, lambda: newsroom.now)
    ended, going_on = (sessions.opened(EDITOR) or "" for _ in range(2))
    session = sessions.read(ended)
    assert session is not None
    sessions.end(session)
    backup = create(tmp_path / "backups", newsroom.store, None, events)
    run("restore", backup, "--store", tmp_path / "new", "--events", tmp_path / "new-events")
    again = Sessions(access_of(newsroom), tmp_path / "new-events", lambda: newsroom.now)
    assert again.read(ended) is None
    assert again.read(going_on) is not None


def access_of(newsroom: Newsroom) -> Access:
    """Who may do what in this newsroom."""
    access: Access = newsroom.client.application.extensions["wiring"].access
    return access
