"""What the archive holds after withdrawals, older versions and records that nobody has published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from index.article import Article
from index.ingest.live_changes import LiveRows
from index.ingest.merge import Gathered, gather
from index.sources import Rejection, Tally, Withdrawal, read_source

DAY = 86_400
FERRY = Article(id="ferry", headline="Ferry breaks down", body="It did.", published_at=5 * DAY)
GONE = Article(id="ferry", headline="Ferry breaks down", body="It did.", published_at=5 * DAY, status="withdrawn")


def gathered(folder: Path, *records: dict[str, Any], base: tuple[Article, ...] = (FERRY,)) -> Gathered:
    path = folder / "delta.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), "utf-8")
    return gather(folder, base, read_source(path))


@pytest.mark.parametrize(
    "record",
    [
        {"id": "ferry", "status": "withdrawn"},
        {"_id": "ferry", "status": "Withdrawn", "url": "no address"},
        {"id": "ferry", "headline": "x", "status": "withdrawn"},
        {"id": "ferry", "headline": "x", "status": "withdrawn", "published_at": "1970-01-02"},
    ],
)
def test_a_withdrawal_wins_over_what_is_known_and_keeps_its_text(tmp_path: Path, record: dict[str, Any]) -> None:
    found = gathered(tmp_path, record)
    assert (list(found.articles), found.rejections, found.outdated) == ([GONE], [], 0)


def test_a_withdrawal_of_an_unknown_article_is_counted_and_one_with_a_text_is_kept(tmp_path: Path) -> None:
    found = gathered(tmp_path, {"id": "bridge", "status": "withdrawn"})
    assert (list(found.articles), found.not_found, found.rejections) == ([FERRY], 1, [])
    full = gathered(tmp_path, {"id": "bridge", "headline": "Bridge", "status": "withdrawn"}, base=())
    assert list(full.articles) == [Article(id="bridge", headline="Bridge", status="withdrawn")]


def test_a_withdrawal_without_an_id_is_rejected(tmp_path: Path) -> None:
    found = gathered(tmp_path, {"status": "withdrawn"})
    assert [(each.line, each.reason) for each in found.rejections] == [(1, "id: is missing")]


def test_a_reader_that_knows_no_archive_takes_a_bare_withdrawal_for_a_rejection(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "ferry", "status": "withdrawn"}')
    assert list(read_source(path)) == [Withdrawal(str(path), 1, "headline: is missing", "ferry")]
    assert issubclass(Withdrawal, Rejection)


@pytest.mark.parametrize(
    ("day", "status", "outdated"), [(4, "withdrawn", 1), (5, "withdrawn", 1), (6, "published", 0)]
)
def test_only_a_newer_version_publishes_a_withdrawn_article_again(
    tmp_path: Path, day: int, status: str, outdated: int
) -> None:
    again = {"id": "ferry", "headline": "Again", "published_at": day * DAY}
    found = gathered(tmp_path, {"id": "ferry", "status": "withdrawn"}, again)
    assert [each.status for each in found.articles] == [status]
    assert found.outdated == outdated


def test_records_that_lost_to_what_is_known_are_counted_apart_from_those_replaced(tmp_path: Path) -> None:
    found = gathered(
        tmp_path,
        {"id": "ferry", "headline": "Undated"},
        {"id": "ferry", "headline": "Older", "published_at": 4 * DAY},
        {"id": "ferry", "headline": "Newer", "published_at": 6 * DAY},
        {"id": "ferry", "headline": "Newest", "published_at": 7 * DAY},
    )
    assert [each.headline for each in found.articles] == ["Newest"]
    assert (found.outdated, found.superseded, found.whole) == (2, 1, 5)


@pytest.mark.parametrize("status", ["draft", "Pending", "private", "future", "trash", "auto-draft", "scheduled"])
def test_what_nobody_has_published_is_skipped_and_counted_and_no_defect(tmp_path: Path, status: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"status": status}) + '\n{"id": "a", "title": "H", "status": "live"}')
    tally = Tally()
    assert list(read_source(path, tally)) == [Article(id="a", headline="H")]  # the other one has no ID
    assert tally == Tally(html=0, unpublished=1)


def test_a_withdrawal_that_comes_twice_replaces_what_the_first_one_said(tmp_path: Path) -> None:
    withdrawn = {"id": "ferry", "status": "withdrawn"}
    assert [gathered(tmp_path, *[withdrawn] * times).superseded for times in (1, 2)] == [0, 1]


@pytest.mark.parametrize("days", [[None], [5], [4, 6], [6, 4]])
@pytest.mark.parametrize("before", [[], [{"id": "bridge", "status": "draft"}]])
def test_a_bare_withdrawal_that_is_read_before_its_article_withdraws_it(
    tmp_path: Path, days: list[int | None], before: list[dict[str, Any]]
) -> None:
    articles = [
        {"id": "bridge", "headline": "Bridge", "status": "published", "published_at": day and day * DAY}
        for day in days
    ]
    bare = {"id": "bridge", "status": "withdrawn"}
    found = gathered(tmp_path, *before, bare, bare, *articles)
    assert {each.id: each.status for each in found.articles} == {"bridge": "withdrawn", "ferry": "published"}
    assert (found.not_found, found.no_longer_public, found.rejections) == (0, 0, [])
    assert found.superseded + found.outdated == len(articles)


@pytest.mark.parametrize(("day", "status"), [(7, "withdrawn"), (10, "withdrawn"), (11, "published")])
def test_a_version_that_is_older_than_the_withdrawal_says_does_not_publish_an_article_again(
    tmp_path: Path, day: int, status: str
) -> None:
    withdrawal = {"id": "ferry", "headline": "x", "status": "withdrawn", "updated_at": 10 * DAY}
    again = {"id": "ferry", "headline": "Again", "status": "published", "updated_at": day * DAY}
    assert [each.status for each in gathered(tmp_path, withdrawal, again).articles] == [status]


def draft(article_id: str = "ferry", status: str = "draft", **more: Any) -> dict[str, Any]:
    return {"id": article_id, "headline": "Ferry breaks down", "status": status, **more}


@pytest.mark.parametrize("status", ["trash", "private", "draft", "future", "protected", "other"])
def test_an_article_that_is_known_and_no_longer_public_is_withdrawn_and_counted(tmp_path: Path, status: str) -> None:
    found = gathered(tmp_path, draft(status=status), draft("bridge", status))
    assert list(found.articles) == [GONE]
    assert (found.no_longer_public, found.not_found, found.rejections, found.superseded) == (1, 0, [], 0)
    assert gathered(tmp_path, draft(status=status), base=(GONE,)).no_longer_public == 0


@pytest.mark.parametrize(
    ("updated_at", "status"),
    [
        (None, "withdrawn"),
        ("soon", "withdrawn"),
        (4 * DAY, "published"),
        (5 * DAY, "withdrawn"),
        (6 * DAY, "withdrawn"),
    ],
)
def test_a_draft_that_is_older_than_what_is_known_hides_nothing(
    tmp_path: Path, updated_at: object, status: str
) -> None:
    found = gathered(tmp_path, draft(updated_at=updated_at))
    assert [each.status for each in found.articles] == [status]


@pytest.mark.parametrize(("updated_at", "shown"), [(None, True), (4 * DAY, True), (5 * DAY, True), (6 * DAY, False)])
@pytest.mark.parametrize("base", [(), (FERRY,)])
def test_of_a_draft_and_an_article_read_after_it_the_newer_one_counts(
    tmp_path: Path, updated_at: int | None, shown: bool, base: tuple[Article, ...]
) -> None:
    public = {"id": "ferry", "headline": "Ferry sails", "published_at": 5 * DAY, "status": "published"}
    found = gathered(tmp_path, draft(updated_at=updated_at), public, base=base)
    assert [each.headline for each in found.articles if each.status == "published"] == ["Ferry sails"] * shown


def test_a_withdrawal_is_not_undone_by_a_draft_and_an_article_of_the_same_age(tmp_path: Path) -> None:
    again = {"id": "ferry", "headline": "Ferry sails", "published_at": 5 * DAY, "status": "published"}
    for records in (
        [{"id": "ferry", "status": "withdrawn"}, draft(), again],
        [draft(), {"id": "ferry", "status": "withdrawn"}, again],
    ):
        assert [each.status for each in gathered(tmp_path, *records).articles] == ["withdrawn"]


@pytest.mark.parametrize(
    ("updated_at", "status"), [(None, "withdrawn"), (8 * DAY, "withdrawn"), (6 * DAY, "published")]
)
def test_what_was_published_live_is_hidden_by_a_draft_that_is_not_older(
    tmp_path: Path, updated_at: int | None, status: str
) -> None:
    path = tmp_path / "delta.jsonl"
    path.write_text(json.dumps(draft(updated_at=updated_at)), "utf-8")
    corrected = Article(id="ferry", headline="Corrected", published_at=5 * DAY, updated_at=7 * DAY)
    live = LiveRows("a", 3, [(3, corrected)], [], frozenset())
    found = gather(tmp_path, [], read_source(path), live=live)
    assert [each.status for each in found.articles] == [status]
    assert found.no_longer_public == (status == "withdrawn")


def test_a_record_whose_status_cannot_be_read_keeps_the_known_version(tmp_path: Path) -> None:
    found = gathered(tmp_path, draft(status="pitch"), draft(status=""))
    assert list(found.articles) == [FERRY]
    assert len(found.rejections) == 2


def test_records_of_one_id_with_other_headlines_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    numbers = range(1, 9)
    one = [{"id": n, "headline": f"Ferry {n}", "url": f"/{n}", "published_at": 2 * DAY} for n in numbers]
    other = [
        {"id": n, "headline": f"Choir {n}", "url": f"/{n}", "published_at": (1 + 2 * (n % 2)) * DAY} for n in numbers
    ]
    found = gathered(tmp_path, *one, *other, {"id": 1, "headline": "Choir 1", "published_at": 3 * DAY}, base=())
    assert found.renamed == 8  # also those that are older, and not the repetition
    assert found.renamed_examples == tuple(f"id '{n}': 'Ferry {n}' and 'Choir {n}'" for n in range(1, 6))


def test_a_new_headline_of_an_article_of_the_base_is_an_update(tmp_path: Path) -> None:
    found = gathered(tmp_path, {"id": "ferry", "headline": "Ferry sails", "published_at": 6 * DAY})
    assert (found.renamed, [each.headline for each in found.articles]) == (0, ["Ferry sails"])
