"""What the live store promises, on SQLite and on a PostgreSQL that really runs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from constants import ROOT
from sqlalchemy import select

from index.article import Article, article_version
from index.ingest.live_changes import LiveRows
from index.snapshot.key_table import id_digest
from service.live_store import database, postgres, schema, writes
from service.live_store.changes import (
    ABSENT,
    NO_SIGNALS_VERSION,
    AuditEntry,
    LiveArticle,
    Signal,
    SignalChange,
    summary_of,
)
from service.live_store.database import Database
from service.live_store.migrate import migrate
from service.live_store.store import (
    ArticleErased,
    LiveStore,
    LiveStoreUnavailable,
    OutdatedLiveStore,
    VersionConflict,
)

if TYPE_CHECKING:
    from postgres import PostgresServer

pytest_plugins = ["postgres"]

CANNERY = Article(
    id="cannery", headline="Cannery to close", body="Bright and Sons leaves Wendmouth.", section="business"
)
FERRY = Article(id="ferry", headline="Ferry fares rise", published_at=1_000)
PIN = Signal(kind="pin", target="ferry", position=2, note="for the evening")
BURY = Signal(kind="bury", multiplier=0.5)


@dataclass
class Desk:
    """A newsroom that writes: one change a second, by Ada."""

    store: LiveStore
    at: int = 100

    def put(self, article: Article, expected: str | None = None, snapshot_version: str | None = None) -> Any:
        self.at += 1
        return self.store.put(article, by="ada", at=self.at, expected=expected, snapshot_version=snapshot_version)

    def withdraw(self, article_id: str, expected: str | None = None, snapshot_version: str | None = None) -> Any:
        self.at += 1
        known = snapshot_version is not None
        return self.store.withdraw(article_id, by="ada", at=self.at, note="legal", expected=expected,
                                   snapshot_version=snapshot_version, known=known)  # fmt: skip

    def signal(self, article_id: str, *signals: Signal, expected: str | None = None) -> Any:
        self.at += 1
        return self.store.set_signals(article_id, signals, by="ada", at=self.at, expected=expected)

    def erase(self, article_id: str) -> Any:
        self.at += 1
        return self.store.erase(article_id, by="ada", at=self.at)


@pytest.fixture
def store(live_url: str) -> Iterator[LiveStore]:
    store = LiveStore(live_url)
    yield store
    store.close()


@pytest.fixture
def desk(store: LiveStore) -> Desk:
    return Desk(store)


def facts(written: Any) -> tuple[int, bool, bool, bool]:
    return written.sequence, written.created, written.changed, written.known


def dump(url: str) -> bytes:
    """Every value of every table."""
    where, content = Database(url), b""
    with where.read() as connection:
        for table in schema.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                content += b"".join(bytes(v) if isinstance(v, bytes) else str(v).encode() for v in row) + b"\n"
    where.close()
    return content


# --- articles


def test_a_new_store_is_empty_and_has_a_name(store: LiveStore) -> None:
    changes = store.changes(0, "s1")
    assert (changes.sequence, changes.articles, changes.signals, changes.comparisons) == (0, (), (), ())
    assert len(changes.installation) == 36
    assert store.all_rows() == LiveRows(changes.installation, 0, [], [], frozenset())


def test_a_published_article_comes_back_whole(desk: Desk, store: LiveStore) -> None:
    written = desk.put(CANNERY)
    assert facts(written) == (1, True, True, False)
    assert written.version == article_version(CANNERY)
    assert store.article("cannery") == CANNERY
    state = store.state_of("cannery")
    assert state is not None
    assert (state.id, state.number, state.sequence, state.state, state.changed_at) == (
        "cannery",
        1,
        1,
        "published",
        101,
    )
    assert msgspec.json.encode(state.summary) == msgspec.json.encode(summary_of(CANNERY))
    assert [msgspec.json.encode(each) for each in store.changes(0, None).articles] == [msgspec.json.encode(state)]


def test_the_same_article_sent_again_changes_nothing(desk: Desk, store: LiveStore) -> None:
    first = desk.put(CANNERY)
    again = desk.put(CANNERY, expected="some older version")
    assert facts(again) == (1, False, False, True)
    assert again.version == first.version
    assert store.changes(0, None).sequence == 1
    assert len(store.audit_of("cannery")) == 1


def test_an_update_replaces_and_keeps_the_number(desk: Desk, store: LiveStore) -> None:
    desk.put(FERRY)
    desk.put(CANNERY)
    update = msgspec.structs.replace(FERRY, headline="Ferry fares frozen")
    assert facts(desk.put(update)) == (3, False, True, True)
    assert store.article("ferry") == update
    assert [(each.id, each.number, each.sequence) for each in store.changes(0, None).articles] == [
        ("cannery", 2, 2),
        ("ferry", 1, 3),
    ]


def test_what_the_snapshot_has_is_not_created(desk: Desk) -> None:
    assert facts(desk.put(CANNERY, snapshot_version="older")) == (1, False, True, True)


@pytest.mark.parametrize(
    ("live", "snapshot_version", "expected", "taken"),
    [
        (False, None, None, True),
        (False, None, "*", False),
        (False, None, "v", False),
        (False, "v", "*", True),
        (False, "v", "v", True),
        (False, "v", "w", False),
        (True, None, "*", True),
        (True, None, article_version(CANNERY), True),
        (True, "v", article_version(CANNERY), True),
        (True, "v", "v", False),  # the live article stands before the snapshot's
    ],
)
def test_if_match_is_compared_with_the_live_article_or_else_with_the_snapshots(
    desk: Desk, store: LiveStore, live: bool, snapshot_version: str | None, expected: str | None, taken: bool
) -> None:
    if live:
        desk.put(CANNERY)
    before = store.changes(0, None).sequence
    update = msgspec.structs.replace(CANNERY, headline="Cannery to stay")
    for write in (
        lambda: desk.put(update, expected, snapshot_version),
        lambda: desk.withdraw("cannery", expected if taken is False else None, snapshot_version),
    ):
        if taken:
            assert write().changed
        else:
            with pytest.raises(VersionConflict) as conflict:
                write()
            assert conflict.value.current == (article_version(CANNERY) if live else snapshot_version)
            assert store.changes(0, None).sequence == before


def test_of_two_writers_that_expect_the_same_version_one_succeeds(desk: Desk) -> None:
    version = desk.put(CANNERY).version

    def write(number: int) -> bool:
        try:
            desk.put(msgspec.structs.replace(CANNERY, headline=f"By {number}"), expected=version)
        except VersionConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


# --- withdrawals


def test_a_withdrawn_article_keeps_its_text_and_gets_another_version(desk: Desk, store: LiveStore) -> None:
    published = desk.put(CANNERY)
    withdrawn = desk.withdraw("cannery")
    assert facts(withdrawn) == (2, False, True, True)
    kept = msgspec.structs.replace(CANNERY, status="withdrawn")
    assert store.article("cannery") == kept
    assert withdrawn.version == article_version(kept) != published.version
    (state,) = store.changes(1, None).articles
    assert (state.id, state.number, state.state, state.changed_at) == ("cannery", 1, "withdrawn", 102)
    assert state.summary is not None
    assert state.summary.version == withdrawn.version


def test_a_withdrawal_sent_again_changes_nothing(desk: Desk, store: LiveStore) -> None:
    desk.put(CANNERY)
    first = desk.withdraw("cannery")
    again = desk.withdraw("cannery", expected="some older version")
    assert facts(again) == (2, False, False, True)
    assert again.version == first.version
    assert store.changes(0, None).sequence == 2


def test_an_article_of_the_snapshot_alone_can_be_withdrawn(desk: Desk, store: LiveStore) -> None:
    withdrawn = desk.withdraw("cannery", snapshot_version="v")
    assert (facts(withdrawn), withdrawn.version) == ((1, False, True, True), None)
    assert store.state_of("cannery") == LiveArticle("cannery", 1, 1, "withdrawn", 101, None)
    assert store.article("cannery") is None


def test_an_article_that_nobody_knows_is_withdrawn_in_advance_and_said_to_be_unknown(desk: Desk) -> None:
    assert facts(desk.withdraw("rumour")) == (1, False, True, False)
    assert facts(desk.withdraw("rumour")) == (1, False, False, False)


def test_an_article_published_again_keeps_its_number(desk: Desk, store: LiveStore) -> None:
    desk.put(FERRY)
    desk.put(CANNERY)
    desk.withdraw("cannery")
    again = desk.put(CANNERY)
    assert facts(again) == (4, False, True, True)
    assert again.version == article_version(CANNERY)
    state = store.state_of("cannery")
    assert state is not None
    assert (state.number, state.sequence, state.state) == (2, 4, "published")


def test_an_article_that_is_sent_as_withdrawn_is_withdrawn(desk: Desk, store: LiveStore) -> None:
    withdrawn = msgspec.structs.replace(CANNERY, status="withdrawn")
    desk.put(CANNERY)
    assert facts(desk.put(withdrawn)) == (2, False, True, True)
    state = store.state_of("cannery")
    assert state is not None
    assert state.state == "withdrawn"
    assert store.article("cannery") == withdrawn
    assert facts(desk.withdraw("cannery")) == (2, False, False, True)
    assert [entry.action for entry in store.audit_of("cannery")] == ["withdraw", "publish"]


# --- signals


def test_a_set_of_signals_replaces_the_one_before(desk: Desk, store: LiveStore) -> None:
    first = desk.signal("cannery", PIN, BURY)
    assert facts(first) == (1, True, True, False)
    found = store.signals_of("cannery")
    assert found is not None
    assert (found.sequence, found.signals, found.version) == (1, (PIN, BURY), first.version)
    second = desk.signal("cannery", BURY, expected=first.version)
    assert facts(second) == (2, False, True, True)
    assert second.version != first.version
    (given,) = store.changes(0, None).signals
    assert (given.article_id, given.sequence, given.signals, given.version) == ("cannery", 2, (BURY,), second.version)
    assert facts(desk.signal("cannery", BURY)) == (2, False, False, True)


def test_signals_that_end_are_told_to_followers(desk: Desk, store: LiveStore) -> None:
    desk.signal("cannery", PIN)
    desk.signal("cannery")
    (given,) = store.changes(1, None).signals
    assert (given.sequence, given.signals) == (2, ())


def test_signals_are_taken_only_in_the_expected_version(desk: Desk, store: LiveStore) -> None:
    with pytest.raises(VersionConflict) as none_yet:
        desk.signal("cannery", PIN, expected="*")
    assert none_yet.value.current is None
    version = desk.signal("cannery", PIN).version
    with pytest.raises(VersionConflict) as another:
        desk.signal("cannery", BURY, expected="0000000000000000")
    assert another.value.current == version
    assert store.changes(0, None).sequence == 1


def test_the_audit_of_signals_says_what_was_added_and_removed(desk: Desk, store: LiveStore) -> None:
    later = msgspec.structs.replace(PIN, position=5, valid_until=900)
    for signals in ((PIN, BURY), (later, BURY, BURY), ()):
        desk.signal("cannery", *signals)
    assert [entry.change for entry in store.audit_of("cannery")] == [
        SignalChange((), (later, BURY, BURY)),
        SignalChange((later, BURY), (PIN,)),
        SignalChange((PIN, BURY), ()),
    ]


def test_signals_under_former_names_are_of_the_set_and_move_with_its_next_change(
    desk: Desk, store: LiveStore
) -> None:
    desk.signal("cannery-1", PIN)
    desk.signal("cannery", BURY)
    together = store.signals_of("cannery", ["cannery-1"])
    assert together is not None
    assert together.signals == (BURY, PIN)
    written = store.set_signals(
        "cannery", (PIN,), by="ada", at=200, expected=together.version, former=["cannery-1", "rumour"]
    )
    assert facts(written) == (4, False, True, True)
    assert {each.article_id: each.signals for each in store.changes(0, None).signals} == {
        "cannery": (PIN,),
        "cannery-1": (),
    }
    changes = [entry.change for entry in store.audit_of("cannery", former=["cannery-1"])]
    assert changes == [SignalChange((), (BURY,)), SignalChange((BURY,), ()), SignalChange((PIN,), ())]


def test_an_earlier_audit_is_upgraded_to_what_each_change_did(store: LiveStore, live_url: str) -> None:
    sets = [("cannery", (PIN,)), ("ferry", (BURY,)), ("cannery", (PIN, BURY)), ("cannery", ())]
    where = Database(live_url)
    with where.write() as connection:
        connection.execute(schema.alembic_version.update().values(version_num="0001"))
        for name, signals in sets:
            detail = msgspec.json.encode(signals).decode()
            entry = {"at": 1, "by": "ada", "action": "signals", "article_id": name, "note": "", "detail": detail}
            connection.execute(schema.audit.insert().values(entry))
        connection.execute(schema.audit.insert().values({**entry, "article_id": "0f" * 16, "detail": ""}))
    where.close()
    migrate(live_url)
    assert [entry.change for entry in store.audit_of("cannery")] == [
        SignalChange((), (PIN, BURY)),
        SignalChange((BURY,), ()),
        SignalChange((PIN,), ()),
    ]
    assert [entry.change for entry in store.audit_of("ferry")] == [SignalChange((BURY,), ())]
    assert [entry.change for entry in store.audit_of("0f" * 16)] == [None]


def test_of_many_first_writers_that_expect_none_yet_one_succeeds(desk: Desk) -> None:
    def write(number: int) -> bool:
        try:
            desk.signal("cannery", msgspec.structs.replace(PIN, position=number + 1), expected=ABSENT)
        except VersionConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


def test_an_article_without_signals_has_the_version_of_an_empty_set(desk: Desk) -> None:
    first = desk.signal("cannery", PIN, expected=NO_SIGNALS_VERSION)
    for expected in (NO_SIGNALS_VERSION, ABSENT):
        with pytest.raises(VersionConflict):
            desk.signal("cannery", BURY, expected=expected)
    emptied = desk.signal("cannery", expected=first.version)
    assert emptied.version == NO_SIGNALS_VERSION
    assert desk.signal("cannery", BURY, expected=ABSENT).changed


def test_an_article_can_be_put_only_where_there_is_none(desk: Desk) -> None:
    with pytest.raises(VersionConflict):
        desk.put(CANNERY, expected=ABSENT, snapshot_version="older")
    desk.put(CANNERY, expected=ABSENT)
    with pytest.raises(VersionConflict):
        desk.put(msgspec.structs.replace(CANNERY, headline="Another"), expected=ABSENT)


def test_the_audit_says_who_did_what_when_and_why_newest_first(desk: Desk, store: LiveStore) -> None:
    version = desk.put(CANNERY).version
    desk.signal("cannery", PIN)
    desk.withdraw("cannery")
    desk.put(FERRY)
    assert store.audit_of("cannery") == [
        AuditEntry(103, "ada", "withdraw", "cannery", "legal"),
        AuditEntry(102, "ada", "signals", "cannery", "", change=SignalChange((PIN,), ())),
        AuditEntry(101, "ada", "publish", "cannery", "", version),
    ]
    assert [entry.at for entry in store.audit_of("cannery", most=1)] == [103]
    assert store.audit_of("rumour") == []


# --- erasure


def test_erasing_leaves_no_trace_of_the_id_or_the_text(desk: Desk, store: LiveStore, live_url: str) -> None:
    desk.put(FERRY)
    desk.put(CANNERY)
    desk.put(msgspec.structs.replace(CANNERY, body="Bright and Sons leaves Wendmouth. " * 2_000))
    store.save_comparison("cannery", 3, "s1", b"compared Bright with others")
    desk.signal("cannery", BURY, PIN)
    about = Signal(kind="exclude", target="cannery", note="wendmouth")
    desk.signal("ferry", about, BURY)
    desk.withdraw("cannery")
    assert facts(desk.erase("cannery")) == (9, False, True, True)
    assert [entry.change for entry in store.audit_of("ferry") if entry.change] == [SignalChange((BURY,), ())]
    traces = [b"cannery", b"Cannery", b"Bright", b"endmouth", b"legal", b"evening"]
    assert [trace for trace in traces if trace in dump(live_url)] == []
    if live_url.startswith("sqlite"):
        for file in Path(live_url.removeprefix("sqlite:///")).parent.iterdir():
            assert [trace for trace in traces if trace in file.read_bytes()] == [], file
    digest = id_digest("cannery").hex()
    assert store.state_of("cannery") == LiveArticle("", 0, 9, "erased", 107, None, id_digest=digest)
    assert store.article("cannery") is None
    assert store.signals_of("cannery") is None
    changes = store.changes(7, "s1")
    assert changes.articles == (LiveArticle("", 0, 9, "erased", 107, None, id_digest=digest),)
    assert [(each.article_id, each.sequence, each.signals) for each in changes.signals] == [("ferry", 8, (BURY,))]
    assert changes.comparisons == ()
    assert [(entry.at, entry.action, entry.article_id) for entry in store.audit_of("cannery")] == [
        (107, "erase", digest),
        (106, "withdraw", digest),
        (104, "signals", digest),
        (103, "publish", digest),
        (102, "publish", digest),
    ]


def test_what_is_erased_stays_away(desk: Desk, store: LiveStore, live_url: str) -> None:
    assert facts(desk.erase("cannery")) == (1, False, True, False)
    assert facts(desk.erase("cannery")) == (1, False, False, True)
    assert facts(desk.withdraw("cannery")) == (1, False, False, True)
    for write in (
        lambda: desk.put(CANNERY),
        lambda: desk.signal("cannery", BURY),
        lambda: desk.signal("ferry", Signal(kind="exclude", target="cannery")),
    ):
        with pytest.raises(ArticleErased):
            write()
    assert b"cannery" not in dump(live_url)
    assert store.changes(0, None).sequence == 1


# --- followers


def test_changes_that_are_cut_leave_nothing_out(desk: Desk, store: LiveStore) -> None:
    for number in range(4):
        desk.put(Article(id=f"a{number}", headline="H"))  # 1-4
        desk.signal(f"a{number}", BURY)
        store.save_comparison(f"a{number}", 1 + 3 * number, "s1", b"content")
    desk.erase("a3")  # with its signals and its comparison
    seen: list[int] = []
    after, rounds = 0, 0
    while True:
        changes = store.changes(after, "s1", most=2)
        rows = sorted(each.sequence for each in (*changes.articles, *changes.signals, *changes.comparisons))
        assert len(rows) <= 2
        assert all(after < row <= changes.sequence for row in rows)
        seen += rows
        if changes.sequence == after:
            break
        after, rounds = changes.sequence, rounds + 1
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8, 9, 13]
    assert (after, rounds) == (13, 5)


def test_a_follower_gets_the_comparisons_of_its_snapshot_alone(desk: Desk, store: LiveStore) -> None:
    desk.put(CANNERY)
    assert store.save_comparison("cannery", 1, "s1", b"one")
    assert store.save_comparison("cannery", 1, "s2", b"two")
    (compared,) = store.changes(0, "s2").comparisons
    assert (compared.article_id, compared.number, compared.sequence) == ("cannery", 1, 3)
    assert (compared.article_sequence, compared.snapshot_id, compared.content) == (1, "s2", b"two")
    assert store.changes(0, "s3").comparisons == ()
    assert store.changes(0, None).comparisons == ()
    assert store.changes(0, None).sequence == 3


def test_a_follower_of_many_writers_sees_every_change_once_and_in_order(store: LiveStore, live_url: str) -> None:
    writers, each = 8, 25
    done = threading.Event()

    def write(writer: int) -> None:
        own = LiveStore(live_url)
        for number in range(each):
            name = f"{writer}/{number}"
            if number % 3 == 2:
                own.set_signals(name, (BURY,), by="w", at=1, expected=None)
            elif number % 3 == 1:
                own.withdraw(name, by="w", at=1, note="", expected=None, snapshot_version=None, known=False)
            else:
                own.put(Article(id=name, headline="H"), by="w", at=1, expected=None, snapshot_version=None)
        own.close()

    def follow() -> list[int]:
        seen: list[int] = []
        after = 0
        while not (done.is_set() and store.changes(after, None).sequence == after):
            changes = store.changes(after, None, most=7)
            seen += sorted(row.sequence for row in (*changes.articles, *changes.signals))
            assert seen == list(range(1, changes.sequence + 1))  # up to date exactly up to where it says
            after = changes.sequence
        return seen

    with ThreadPoolExecutor(writers + 1) as pool:
        follower = pool.submit(follow)
        for writing in [pool.submit(write, writer) for writer in range(writers)]:
            writing.result()
        done.set()
        assert follower.result() == list(range(1, writers * each + 1))


def test_a_change_that_is_not_yet_committed_holds_up_later_ones(desk: Desk, store: LiveStore, live_url: str) -> None:
    slow = Database(live_url)
    with ThreadPoolExecutor(1) as pool:
        with slow.write() as connection:
            first = writes.put(connection, CANNERY, by="slow", at=1, expected=None, snapshot_version=None)
            second = pool.submit(desk.put, FERRY)
            assert store.changes(0, None).sequence == 0  # a reader is not held up, and sees neither
            assert not second.done()
        assert (first.sequence, second.result().sequence) == (1, 2)
    assert [each.id for each in store.changes(0, None).articles] == ["cannery", "ferry"]
    slow.close()


def test_a_write_that_fails_leaves_nothing_and_draws_no_sequence(store: LiveStore, live_url: str) -> None:
    where = Database(live_url)

    def fail() -> None:
        with where.write() as connection:
            writes.put(connection, CANNERY, by="w", at=1, expected=None, snapshot_version=None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    where.close()
    assert store.state_of("cannery") is None
    assert Desk(store).put(FERRY).sequence == 1


# --- the search process


def test_records_are_the_published_articles_that_changed_since(desk: Desk, store: LiveStore) -> None:
    desk.put(CANNERY)
    desk.put(FERRY)
    desk.put(Article(id="gone", headline="H"))
    desk.withdraw("gone")
    sequence, rows = store.records(0)
    assert sequence == 4
    assert [(state.id, state.sequence, article) for state, article in rows] == [
        ("cannery", 1, CANNERY),
        ("ferry", 2, FERRY),
    ]
    assert [article for _, article in store.records(1)[1]] == [FERRY]
    assert store.records(4) == (4, [])


def test_a_comparison_of_an_article_that_has_changed_is_not_kept(desk: Desk, store: LiveStore) -> None:
    desk.put(CANNERY)
    desk.put(msgspec.structs.replace(CANNERY, headline="Cannery to stay"))
    assert not store.save_comparison("cannery", 1, "s1", b"outdated")
    assert not store.save_comparison("rumour", 1, "s1", b"unknown")
    assert store.save_comparison("cannery", 2, "s1", b"first")
    assert not store.save_comparison("cannery", 2, "s1", b"of another search process, later")
    assert [(each.sequence, each.content) for each in store.changes(0, "s1").comparisons] == [(3, b"first")]
    desk.withdraw("cannery")
    assert not store.save_comparison("cannery", 5, "s1", b"withdrawn")


def test_comparisons_against_other_snapshots_are_dropped(desk: Desk, store: LiveStore) -> None:
    desk.put(CANNERY)
    for snapshot_id in ("s1", "s2", "s3"):
        store.save_comparison("cannery", 1, snapshot_id, b"content")
    assert store.drop_comparisons({"s2", "s4"}) == 2
    assert [len(store.changes(0, each).comparisons) for each in ("s1", "s2", "s3")] == [0, 1, 0]
    assert store.drop_comparisons([]) == 1


# --- the rebuild


def test_a_rebuild_gets_everything(desk: Desk, store: LiveStore) -> None:
    desk.put(CANNERY)
    desk.put(FERRY)
    desk.put(Article(id="gone", headline="H"))
    desk.withdraw("gone")
    desk.withdraw("unseen")
    desk.erase("private")
    rows = store.all_rows()
    assert rows.installation == store.changes(0, None).installation
    assert (rows.sequence, rows.published) == (6, [(1, CANNERY), (2, FERRY)])
    assert (rows.withdrawn, rows.erased) == (["gone", "unseen"], {id_digest("private").hex()})


def test_truncation_removes_what_was_published_before_and_nothing_else(desk: Desk, store: LiveStore) -> None:
    desk.put(CANNERY)
    desk.put(Article(id="gone", headline="H"))
    desk.withdraw("gone")
    desk.signal("cannery", BURY)
    desk.erase("private")
    store.save_comparison("cannery", 1, "s1", b"content")
    desk.put(FERRY)
    assert store.truncate(6) == 1
    assert store.state_of("cannery") is None
    changes = store.changes(0, "s1")
    assert [each.id for each in changes.articles] == ["gone", "", "ferry"]
    assert [each.article_id for each in changes.signals] == ["cannery"]
    assert changes.comparisons == ()
    assert changes.sequence == 7
    assert store.truncate(6) == 0
    assert facts(desk.put(CANNERY, snapshot_version=article_version(CANNERY))) == (8, False, True, True)


# --- webhooks


def test_a_signature_is_remembered_for_its_time_and_may_be_remembered_again(store: LiveStore) -> None:
    assert store.remember("abc", now=1_000, keep_seconds=300)
    assert not store.remember("abc", now=1_299, keep_seconds=300)
    assert store.remember("def", now=1_299, keep_seconds=300)
    assert store.remember("abc", now=1_300, keep_seconds=300)
    assert not store.remember("def", now=1_598, keep_seconds=300)


def test_what_is_done_in_a_transaction_that_fails_is_not_done_at_all(store: LiveStore) -> None:
    def change_and_fail() -> None:
        with store.transaction() as transaction:
            assert transaction.remember("abc", now=1_000, keep_seconds=300)
            Desk(transaction).put(CANNERY)
            assert transaction.article("cannery") == CANNERY
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert store.changes(0, None).sequence == 0
    assert store.remember("abc", now=1_000, keep_seconds=300)


# --- faults


def test_a_postgresql_that_ends_and_starts_again(
    postgres_server: PostgresServer, postgres_url: str, request: pytest.FixtureRequest
) -> None:
    migrate(postgres_url)
    desk = Desk(LiveStore(postgres_url))
    request.addfinalizer(desk.store.close)
    desk.put(CANNERY)
    postgres_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(LiveStoreUnavailable):
                desk.store.changes(0, None)
            with pytest.raises(LiveStoreUnavailable):
                desk.put(FERRY)
    finally:
        postgres_server.start()
    assert desk.put(FERRY).sequence == 2
    assert [each.id for each in desk.store.changes(0, None).articles] == ["cannery", "ferry"]


@pytest.mark.timeout(30)
def test_a_postgresql_that_hangs_is_given_up_and_taken_up_again(
    postgres_server: PostgresServer,
    postgres_url: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 0.5)
    migrate(postgres_url)
    desk = Desk(LiveStore(postgres_url))
    request.addfinalizer(desk.store.close)
    desk.put(CANNERY)
    postgres_server.freeze()
    try:
        with pytest.raises(LiveStoreUnavailable):
            desk.store.changes(0, None)
        with pytest.raises(LiveStoreUnavailable):
            desk.put(FERRY)
    finally:
        postgres_server.thaw()
    assert desk.put(FERRY).sequence == 2
    assert [each.id for each in desk.store.changes(0, None).articles] == ["cannery", "ferry"]


def test_a_locked_store_can_be_read_and_its_writers_give_up(live_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(postgres, "SESSION", "-c lock_timeout=100")
    desk, other = Desk(LiveStore(live_url)), Database(live_url)
    desk.put(CANNERY)
    with other.write():
        with pytest.raises(LiveStoreUnavailable, match=r"lock"):
            desk.put(FERRY)
        assert desk.store.changes(0, None).sequence == 1
    assert desk.put(FERRY).sequence == 2
    desk.store.close()
    other.close()


def test_a_damaged_file_is_reported_as_the_store_being_unavailable(tmp_path: Path) -> None:
    (tmp_path / "live.db").write_bytes(b"no database at all" * 100)
    store = LiveStore(f"sqlite:///{tmp_path / 'live.db'}")
    with pytest.raises(LiveStoreUnavailable, match="file is not a database"):
        store.changes(0, None)
    store.close()


def test_no_password_is_told(postgres_server: PostgresServer) -> None:
    for url in (
        "postgresql://ada:s3cret@127.0.0.1:1/live",
        postgres_server.url.replace("newsroom", "ada:s3cret").replace("/postgres", "/s3cret"),
        "postgresql://ada:s3cret@127.0.0.1:1/live?sslmode=s3cret",
        "mysql://ada:s3cret@127.0.0.1/live",
        "postgresql://ada:s3cret@127.0.0.1:port/live",
    ):
        with pytest.raises((LiveStoreUnavailable, ValueError)) as fault:
            LiveStore(url).changes(0, None)
        assert "s3cret" not in str(fault.value)
        if isinstance(fault.value, ValueError):
            assert "s3cret" not in "".join(traceback.format_exception(fault.value))


@pytest.mark.parametrize(
    "url", ["", "live.db", "sqlite://", "sqlite:///:memory:", "mysql://host/live", "postgresql://host"]
)
def test_what_cannot_be_a_live_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the URL of a live store is sqlite:///FILE or postgresql://"):
        LiveStore(url)


# --- the schema


def test_a_store_that_was_never_set_up_names_the_command(tmp_path: Path, postgres_url: str) -> None:
    file = tmp_path / "live.db"
    for url in (f"sqlite:///{file}", postgres_url):
        store = LiveStore(url)
        with pytest.raises(OutdatedLiveStore) as outdated:
            store.changes(0, None)
        store.close()
        assert str(outdated.value) == (
            f"the live store is not set up; run: python scripts/live_store.py upgrade --live '{url}'"
        )
    assert not file.exists()


def test_an_outdated_store_names_the_command_and_works_once_it_is_upgraded(store: LiveStore, live_url: str) -> None:
    where = Database(live_url)
    with where.write() as connection:
        connection.execute(schema.alembic_version.update().values(version_num="0000"))
    with pytest.raises(OutdatedLiveStore, match=r"has schema 0000 and this code needs 0002; run: python scripts/"):
        store.changes(0, None)
    with pytest.raises(LiveStoreUnavailable, match="a schema that this code does not know"):
        migrate(live_url)
    with where.write() as connection:
        connection.execute(schema.alembic_version.update().values(version_num="0002"))
    where.close()
    assert store.changes(0, None).sequence == 0


def test_the_migrations_make_the_tables_that_the_code_expects(live_url: str) -> None:
    where = Database(live_url)
    with where.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    where.close()


def test_upgrading_again_changes_nothing(desk: Desk, store: LiveStore, live_url: str) -> None:
    desk.put(CANNERY)
    before = store.changes(0, None).installation
    migrate(live_url)
    assert store.changes(0, None).installation == before
    assert store.article("cannery") == CANNERY


def command(*arguments: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-W", "error", str(ROOT / "scripts" / "live_store.py"), *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_processes_may_upgrade_at_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/new/live.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    processes = [command("upgrade", "--live", url) for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert outputs == [("the live store is up to date\n", "")] * 4
    store = LiveStore(url)
    assert Desk(store).put(CANNERY).sequence == 1
    store.close()


def test_the_command_shows_what_is_in_a_store(desk: Desk, store: LiveStore, live_url: str) -> None:
    for article in (CANNERY, FERRY, Article(id="gone", headline="H")):
        desk.put(article)
    store.save_comparison("ferry", 2, "s1", b"content")
    desk.withdraw("gone")
    desk.signal("ferry", BURY)
    desk.erase("private")
    output, errors = command("show", "--live", live_url).communicate(timeout=60)
    shown = {name: int(count.replace(",", "")) for name, count in (line.split() for line in output.splitlines())}
    size = shown.pop("bytes")
    assert size > 10_000
    assert shown == {"sequence": 7, "published": 2, "withdrawn": 1, "waiting": 1, "erased": 1, "signals": 1,
                     "comparisons": 1, "audit": 6}  # fmt: skip
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "--live", "mysql://host/live"], 2, "error: the URL of a live store is sqlite:///FILE or"),
        (["show"], 2, "the following arguments are required: --live"),
        (["show", "--live", "sqlite:///nowhere/live.db"], 2, "error: the live store is not set up; run: "),
        (["upgrade", "--live", "postgresql://a:s3cret@127.0.0.1:1/x"], 74, "error: the live store cannot be used: "),
        (["show", "--live", "postgresql://a:s3cret@127.0.0.1:1/x"], 74, "error: the live store cannot be used: "),
        (["upgrade", "--live", "sqlite:////dev/null/live.db"], 74, "error: the live store cannot be used: "),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], code: int, message: str) -> None:
    process = command(*arguments)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (code, "")
    assert message in errors
    assert "s3cret" not in errors
    assert "Traceback" not in errors


def test_a_sqlite_store_survives_power_cuts_and_lets_readers_by(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'live.db'}"
    migrate(url)
    with sqlite3.connect(tmp_path / "live.db") as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    plain.close()
    where = Database(url)
    with where.read() as connection:
        settings = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in
                    ("synchronous", "secure_delete", "busy_timeout")]  # fmt: skip
    assert settings == [2, 1, 5_000]
    where.close()


def replaced_by_garbage(file: Path) -> None:
    garbage = file.with_name("garbage")
    garbage.write_bytes(b"not a database " * 1_000)
    garbage.replace(file)


@pytest.mark.parametrize("fault", [replaced_by_garbage, Path.unlink])
def test_a_sqlite_file_that_went_away_under_open_connections_takes_no_change(
    tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    file = tmp_path / "live.db"
    migrate(f"sqlite:///{file}")
    store = LiveStore(f"sqlite:///{file}")
    desk = Desk(store)
    for number in range(60):
        desk.put(Article(id=f"a{number}", headline="Headline", body="word " * 400))
    after = store.changes(0, None).sequence
    assert store.changes(after, None).sequence == after
    fault(file)
    with pytest.raises((LiveStoreUnavailable, OutdatedLiveStore)):
        store.changes(after, None)
    with pytest.raises((LiveStoreUnavailable, OutdatedLiveStore)):
        desk.put(Article(id="lost", headline="Headline"))
    store.close()


def test_a_sqlite_file_that_takes_the_place_of_another_is_read_from_then_on(tmp_path: Path) -> None:
    file, other = tmp_path / "live.db", tmp_path / "other.db"
    stores = []
    for each in (file, other):
        migrate(f"sqlite:///{each}")
        stores.append(LiveStore(f"sqlite:///{each}"))
    Desk(stores[0]).put(Article(id="a1", headline="Headline"))
    Desk(stores[1]).put(Article(id="b1", headline="Headline"))
    before = stores[0].changes(0, None)
    stores[1].close()
    for name in ("live.db-wal", "live.db-shm", "other.db-wal", "other.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    other.replace(file)
    found = stores[0].changes(before.sequence, None)
    assert found.installation != before.installation
    assert [each.id for each in stores[0].changes(0, None).articles] == ["b1"]
    stores[0].close()
