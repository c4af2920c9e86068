"""What the archive holds after withdrawals, older versions and records that nobody has published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from index.article import Article
from index.gather import Gathered, gather
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
    path.write_text(json.dumps({"status": status}) + '\n{"id": "a", "title": "H"}')
    tally = Tally()
    assert list(read_source(path, tally)) == [Article(id="a", headline="H")]
    assert tally == Tally(html=0, unpublished=1)


def test_a_withdrawal_that_comes_twice_replaces_what_the_first_one_said(tmp_path: Path) -> None:
    withdrawn = {"id": "ferry", "status": "withdrawn"}
    assert [gathered(tmp_path, *[withdrawn] * times).superseded for times in (1, 2)] == [0, 1]
