"""scripts/replay_report.py: a small newsroom's log, asked where another policy would have put what was clicked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from constants import NOW
from hashing_embedder import HashingEmbedder
from nasty_log import line, report, shown
from replay_report import Replayed, main

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from index.snapshot.reader import Snapshot
from service.archive.view import Archive
from service.evaluation.experiments.replay import LoggedList, replay
from service.recommend.pipeline import related
from service.recommend.policy import shipped_policies
from service.recommend.query import Query

LATER = NOW + 3_600
LISTS = 40


@pytest.fixture(scope="module")
def archive(sample_articles: list[Article], tmp_path_factory: pytest.TempPathFactory) -> Archive:
    store = Store(tmp_path_factory.mktemp("newsroom") / "store")
    made = rebuild(sample_articles, store, HashingEmbedder(), NOW)
    return Archive(Snapshot.open(store.directory(made.snapshot_id)))


def served(archive: Archive, row: int, policy: str, limit: int = 6, now: int = LATER) -> list[str]:
    """The IDs of a list, as the service answers it."""
    answer = related(archive, row, Query(limit=limit), shipped_policies()[policy], now)
    return [item["teaser"]["id"] for item in msgspec.json.decode(answer.body)["items"]]


def logged_lists(archive: Archive) -> list[LoggedList]:
    """Of the first articles the related stories, of which the second was clicked, and of every third the last."""
    lists = []
    for row in range(LISTS):
        items = served(archive, row, "related")
        clicked = frozenset([items[1], items[-1 if row % 3 == 0 else 1]])
        lists.append(LoggedList(LATER, str(archive.own_id(row)), f"u{row % 15}", tuple(items), clicked))
    return lists


def events_of(each: LoggedList, list_id: str, variant: str | None) -> list[bytes]:
    items = [{"id": story, "team": None} for story in each.items]
    of = shown(each.unit, list_id, each.at + 0.5, variant, article_id=each.article_id, items=items)
    return [line(of), *(line(report("click", of, each.at + 9, clicked_id=story)) for story in sorted(each.clicked))]


def write(lists: Sequence[LoggedList], folder: Path, variant: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [each for n, one in enumerate(lists) for each in events_of(one, f"{variant}-{n:04}", variant)]
    (folder / f"20261124T000000-1-{variant}.jsonl").write_bytes(b"".join(each + b"\n" for each in lines))
    return folder


def test_no_interval_leaves_the_range_of_its_figure(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two readers, one of whom clicked the first story and one the last."""
    first, second = logged_lists(archive)[1:3]
    lists = [
        msgspec.structs.replace(first, unit="u1", clicked=frozenset(first.items[:1])),
        msgspec.structs.replace(second, unit="u2", clicked=frozenset(second.items[-1:])),
    ]
    made = run(archive, write(lists, tmp_path / "events"), "related").replay
    assert made.logged.low < 0 < 1 < made.logged.high
    (told,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith("MRR as logged")]
    assert told.endswith("[0.0000, 1.0000]")


def run(archive: Archive, events: Path, policy: str, *more: str) -> Replayed:
    out = events / "out.json"
    store = archive.snapshot.directory.parent.parent
    assert main(["--events", f"{events}", "--store", f"{store}", "--policy", policy, "--json", f"{out}", *more]) == 0
    return msgspec.json.decode(out.read_bytes(), type=Replayed)


def test_the_policy_that_made_the_lists_gains_exactly_nothing(archive: Archive, tmp_path: Path) -> None:
    lists = logged_lists(archive)
    made = run(archive, write(lists, tmp_path), "related").replay
    assert (made.lists, made.gain.value, made.kept, made.never_shown) == (LISTS, 0.0, 1.0, 0.0)
    ranks = [[each.items.index(story) + 1 for story in each.clicked] for each in lists]
    assert made.logged.value == pytest.approx(
        sum(sum(1 / rank for rank in each) / len(each) for each in ranks) / LISTS
    )


def test_another_policy_is_asked_for_lists_of_the_same_length_at_the_same_time(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = logged_lists(archive)
    anew = {each.article_id: served(archive, row, "latest") for row, each in enumerate(lists)}
    found = run(archive, write(lists, tmp_path), "latest")
    assert found.replay == replay(lists, lambda each: anew[each.article_id])
    assert found.replay.gain.value < 0
    assert found.replay.never_shown > 0.1
    told = capsys.readouterr().out
    assert f"{found.replay.gain.value:.4f}" in told
    assert "Only an experiment tells" in told


def test_what_was_published_after_the_list_is_in_no_list(archive: Archive, tmp_path: Path) -> None:
    published = sorted(archive.fact(row).visible_from for row in range(archive.snapshot.rows))
    early = published[len(published) // 2] + 60
    rows = [row for row in range(archive.snapshot.rows) if archive.fact(row).visible_from < early]
    then = {row: tuple(served(archive, row, "related", now=early)) for row in rows}
    assert any(list(then[row]) != served(archive, row, "related") for row in rows)
    lists = [
        LoggedList(early, str(archive.own_id(row)), f"u{row}", items, frozenset(items[:1]))
        for row, items in then.items()
        if items
    ]
    found = run(archive, write(lists, tmp_path), "related")
    assert (found.replay.lists, found.replay.never_shown, found.lists_gone) == (len(lists), 0.0, 0)
    assert found.replay.anew.value == 1.0


def test_what_the_snapshot_has_no_more_is_counted_and_bots_are_left_out(archive: Archive, tmp_path: Path) -> None:
    one, two, *_ = logged_lists(archive)
    gone = msgspec.structs.replace(one, article_id="an article of old")
    later = msgspec.structs.replace(one, at=0)  # before it was published
    erased = msgspec.structs.replace(
        two, items=("a story of old", *two.items[1:]), clicked=frozenset(["a story of old"])
    )
    bots = [msgspec.structs.replace(one, unit="bot")] * 101
    strange = msgspec.structs.replace(one, clicked=frozenset(["what it did not show"]))
    unclicked = msgspec.structs.replace(one, clicked=frozenset())
    found = run(archive, write([one, gone, later, erased, *bots, strange, unclicked], tmp_path), "related")
    assert (found.replay.lists, found.lists_gone, found.clicked_gone) == (2, 2, 1)
    of_one = sum(1 / (one.items.index(story) + 1) for story in one.clicked) / len(one.clicked)
    assert (found.replay.logged.value, found.replay.anew.value) == ((of_one + 1) / 2, of_one / 2)


def test_only_the_lists_of_an_experiment_if_it_is_named(archive: Archive, tmp_path: Path) -> None:
    lists = logged_lists(archive)
    write(lists[:5], tmp_path, "fresh")
    write(lists[5:], tmp_path)
    assert run(archive, tmp_path, "latest", "--experiment", "fresher").replay.lists == 5
    assert run(archive, tmp_path, "latest").replay.lists == LISTS


def test_what_cannot_be_replayed_is_said(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(archive.snapshot.directory.parent.parent)
    events = write(logged_lists(archive)[:1], tmp_path)
    for arguments, code, said in [
        (["--store", store, "--policy", "latest", "--experiment", "none"], 1, "nothing to replay"),
        (["--store", store, "--policy", "last"], 2, "unknown policy 'last'; known are related, latest"),
        (["--store", str(tmp_path / "no"), "--policy", "latest"], 2, "no snapshot of channel default"),
        (["--store", store, "--channel", "no", "--policy", "latest"], 2, "no snapshot of channel no"),
        (["--store", store, "--policy", "latest", "--events", str(tmp_path / "no")], 2, "no event log in"),
    ]:
        assert main(["--events", str(events), *arguments]) == code
        assert said in "".join(capsys.readouterr())
