"""The live newsroom over HTTP: what is written is seen, by whom it may be, in every list it belongs in."""

from __future__ import annotations

import io
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from newsroom import COURIER, EDITOR, NOW, READER, SECRET, WRITER, Newsroom, catalogue_of, record, story, with_key
from sqlalchemy.exc import OperationalError

from index.article import article_from_record
from service.api import webhooks
from service.api.article_writer import ArticleWriter
from service.auth.webhook_signatures import sign
from service.live_store import writes
from service.live_store.changes import Signal
from service.live_store.store import LiveStoreUnavailable

pytest_plugins = ["postgres"]

FERRY = "ferry river crossing timetable captain jetty"
BUDGET = "council budget tax levy spending treasurer"
ARCHIVE = [
    *(story(f"ferry/{n}", FERRY, 10 + 10 * n) for n in range(6)),
    *(story(f"budget/{n}", BUDGET, 20 + 10 * n) for n in range(6)),
    *(story(f"other/{n}", f"topic{n} matter{n} thing{n}", 30 + n) for n in range(12)),
]


@pytest.fixture
def open_newsroom(tmp_path: Path) -> Iterator[Callable[..., Newsroom]]:
    opened: list[Newsroom] = []

    def open_one(**settings: Any) -> Newsroom:
        opened.append(Newsroom(tmp_path, **settings))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def newsroom(request: pytest.FixtureRequest, open_newsroom: Callable[..., Newsroom]) -> Newsroom:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    made = open_newsroom(url=url)
    made.rebuild(ARCHIVE)
    return made


def test_a_new_article_has_a_list_and_enters_the_lists_of_older_ones(newsroom: Newsroom) -> None:
    before = newsroom.ids("ferry/1")
    answer = newsroom.put(record("ferry/new", FERRY, 0))
    assert (answer.status_code, answer.get_json()["created"]) == (201, True)
    assert newsroom.list_of("ferry/new")["degraded"] == ["not_yet_compared"]
    assert newsroom.compare() == 1
    newsroom.put(record("budget/new", BUDGET, 0))  # its worker catches up with each write
    assert set(newsroom.ids("ferry/new")) == {f"ferry/{n}" for n in range(6)}
    assert set(newsroom.ids("ferry/1")) == {*before, "ferry/new"}
    assert "ferry/new" not in newsroom.ids("budget/1")


def test_an_update_replaces_the_teaser_at_once_and_the_list_when_compared(newsroom: Newsroom) -> None:
    assert "ferry/1" in newsroom.ids("ferry/2")
    changed = record("ferry/1", BUDGET, 11, headline="Now about the budget")
    assert newsroom.put(changed).status_code == 200
    (item,) = (each for each in newsroom.list_of("ferry/2")["items"] if each["teaser"]["id"] == "ferry/1")
    assert item["teaser"]["headline"] == "Now about the budget"
    newsroom.compare()
    newsroom.put(record("x", "x", 0))
    assert "ferry/1" not in newsroom.ids("ferry/2")
    assert "ferry/1" in newsroom.ids("budget/2")
    assert {each[:6] for each in newsroom.ids("ferry/1")} == {"budget"}


def test_a_withdrawn_article_leaves_every_list_and_its_etag_changes(newsroom: Newsroom) -> None:
    first = newsroom.client.get("/v1/related", query_string={"id": "ferry/1"})
    assert newsroom.delete("ferry/2").get_json() | {"sequence": 0} == {
        "sequence": 0,
        "version": None,
        "created": False,
        "changed": True,
        "known": True,
    }
    again = newsroom.client.get(
        "/v1/related", query_string={"id": "ferry/1"}, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert again.status_code == 200
    assert "ferry/2" not in [each["teaser"]["id"] for each in again.get_json()["items"]]
    gone = newsroom.client.get("/v1/related", query_string={"id": "ferry/2"})
    assert (gone.status_code, gone.get_json()["code"]) == (410, "article_withdrawn")
    assert newsroom.delete("ferry/2").get_json()["changed"] is False


def test_a_withdrawal_in_advance_says_that_nobody_knew_the_article(newsroom: Newsroom) -> None:
    assert newsroom.delete("ferry/99").get_json()["known"] is False
    assert newsroom.client.get("/v1/related?id=ferry/99").status_code == 410
    newsroom.rebuild([story("ferry/99", FERRY)], onto_last=True)
    other = newsroom.worker()
    assert other.get("/v1/related?id=ferry/99").status_code == 410
    assert "ferry/99" not in newsroom.ids("ferry/1", other)


def test_every_worker_sees_what_one_has_taken(newsroom: Newsroom) -> None:
    others = [newsroom.worker() for _ in range(2)]
    assert all("ferry/2" in newsroom.ids("ferry/1", other) for other in others)
    newsroom.delete("ferry/2")
    for other in others:
        catalogue_of(other).catch_up()
        assert "ferry/2" not in newsroom.ids("ferry/1", other)


def test_if_match_guards_an_article_live_or_in_the_snapshot(newsroom: Newsroom) -> None:
    etag = newsroom.client.get("/v1/article?id=ferry/1").headers["ETag"]
    refused = newsroom.put(record("ferry/1", FERRY, headline="Mine"), **{"If-Match": '"0000000000000000"'})
    assert (refused.status_code, refused.get_json()["code"]) == (412, "version_conflict")
    taken = newsroom.put(record("ferry/1", FERRY, headline="Mine"), **{"If-Match": etag})
    assert taken.status_code == 200
    assert taken.headers["ETag"] == newsroom.client.get("/v1/article?id=ferry/1").headers["ETag"] != etag
    assert newsroom.put(record("ferry/1", FERRY, headline="Late"), **{"If-Match": etag}).status_code == 412


def test_the_same_put_twice_changes_nothing(newsroom: Newsroom) -> None:
    first, second = (newsroom.put(record("a", FERRY)).get_json() for _ in range(2))
    assert (first["changed"], second["changed"]) == (True, False)
    assert (first["sequence"], first["version"]) == (second["sequence"], second["version"])


def test_an_embargoed_article_is_seen_by_nobody_until_its_time(newsroom: Newsroom) -> None:
    newsroom.put(record("ferry/new", FERRY, 0, embargo_until=NOW + 600))
    newsroom.compare()
    newsroom.put(record("x", "x", 0))
    assert newsroom.client.get("/v1/related?id=ferry/new").status_code == 404
    assert "ferry/new" not in newsroom.ids("ferry/1")
    newsroom.now += 660
    assert "ferry/new" in newsroom.ids("ferry/1")


def test_signals_act_at_once_and_expire(newsroom: Newsroom) -> None:
    best, *_, last = newsroom.ids("ferry/0")
    until = NOW + 3_600
    newsroom.signals("ferry/0", {"kind": "pin", "target": "budget/3", "position": 2, "valid_until": until})
    found = newsroom.list_of("ferry/0")["items"]
    assert [(each["teaser"]["id"], each["source"]) for each in found[:2]] == [
        (best, "similar"),
        ("budget/3", "pinned"),
    ]
    newsroom.signals(last, {"kind": "boost", "multiplier": 10})
    newsroom.signals(best, {"kind": "bury", "multiplier": 0})
    order = newsroom.ids("ferry/0")
    assert (order[0], order[-1]) == (last, best)
    newsroom.signals(best, {"kind": "exclude", "note": "Factual error, see desk"})
    assert best not in newsroom.ids("ferry/0")
    newsroom.now = until
    assert "budget/3" not in newsroom.ids("ferry/0")


def test_signals_say_who_gave_them_and_need_an_editor(newsroom: Newsroom) -> None:
    newsroom.signals("ferry/0", {"kind": "exclude", "target": "ferry/1", "note": "Twice the same picture"})
    answer = newsroom.client.get("/v1/articles/ferry/0/signals", headers=with_key(EDITOR)).get_json()
    assert answer["signals"] == [
        {
            "kind": "exclude",
            "target": "ferry/1",
            "valid_from": None,
            "valid_until": None,
            "note": "Twice the same picture",
        }
    ]
    assert (answer["history"][0]["by"], answer["history"][0]["at"]) == ("editor", "2026-11-24T09:00:00Z")
    refused = newsroom.signals("ferry/0", key=WRITER)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [(None, 401, "key_missing"), ("rs_x", 401, "invalid_key"), (READER, 403, "scope_missing")],
)
def test_who_has_no_key_to_write_writes_nothing(newsroom: Newsroom, key: str | None, status: int, code: str) -> None:
    headers = with_key(key) if key else {}
    for answer in (
        newsroom.client.put("/v1/articles/a", json={"headline": "A"}, headers=headers),
        newsroom.client.delete("/v1/articles/ferry/1", headers=headers),
        newsroom.client.put("/v1/articles/ferry/1/signals", json={"signals": []}, headers=headers),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert newsroom.live.all_rows().sequence == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"headline": "A", "head": "B"}', "unknown_field"),
        (b'{"headline": ""}', "invalid_article"),
        (b'{"headline": "A", "published_at": "soon"}', "invalid_article"),
        (b'{"headline": NaN}', "invalid_article"),
        (b'["A"]', "invalid_article"),
        (b"[" * 100_000, "invalid_article"),
        (b'{"id": "b", "headline": "A"}', "invalid_id"),
        (b"\xff", "invalid_article"),
    ],
)
def test_a_body_that_is_no_article_is_refused_by_name(newsroom: Newsroom, body: bytes, code: str) -> None:
    answer = newsroom.client.put("/v1/articles/a", data=body, headers=with_key(WRITER))
    assert (answer.status_code, answer.get_json()["code"]) == (422, code)


def test_html_of_a_cms_becomes_plain_text(newsroom: Newsroom) -> None:
    newsroom.put({"id": "a", "headline": "Ferry &amp; jetty", "body": '<p>It <a href="/b">sailed</a>.</p>'})
    article = newsroom.live.article("a")
    assert article is not None
    assert (article.headline, article.body) == ("Ferry & jetty", "It sailed.")
    assert [link.url for link in article.links] == ["/b"]


def test_an_article_may_have_a_mebibyte_and_no_more(newsroom: Newsroom) -> None:
    assert newsroom.put({"id": "a", "headline": "A", "body": "word " * 200_000}).status_code == 201
    answer = newsroom.put({"id": "b", "headline": "B", "body": "word " * 220_000})
    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


def test_a_changed_id_leads_to_the_article_and_hides_the_old_one(newsroom: Newsroom) -> None:
    moved = record("2026/ferry-1", FERRY, 11, aliases=["ferry/1"], url="https://courier.example/2026/ferry-1")
    newsroom.put(moved)
    newsroom.compare()
    newsroom.put(record("x", "x", 0))
    assert newsroom.list_of("ferry/1")["article_id"] == "2026/ferry-1"
    assert "ferry/1" not in newsroom.ids("ferry/2")
    assert "2026/ferry-1" in newsroom.ids("ferry/2")
    answer = newsroom.client.get("/v1/related", query_string={"url": "https://courier.example/2026/ferry-1#top"})
    assert answer.get_json()["article_id"] == "2026/ferry-1"


def article_at(newsroom: Newsroom, url: str) -> str | None:
    answer = newsroom.worker().get("/v1/related", query_string={"url": f"https://courier.example/{url}"})
    identifier: str | None = answer.get_json().get("article_id")
    return identifier


def test_an_article_is_found_by_every_address_it_had_until_another_one_has_it(newsroom: Newsroom) -> None:
    for slug in ("one", "two", "three"):
        newsroom.put(record("a", FERRY, url=f"https://courier.example/{slug}"))
    again = newsroom.put(record("a", FERRY, url="https://courier.example/three"))
    assert again.get_json()["changed"] is False
    assert [article_at(newsroom, slug) for slug in ("one", "two", "three")] == ["a", "a", "a"]
    newsroom.put(record("b", FERRY, url="https://courier.example/two"))
    newsroom.put(record("a", FERRY, url="https://courier.example/three", headline="Changed once more"))
    assert [article_at(newsroom, slug) for slug in ("one", "two", "three")] == ["a", "b", "a"]
    newsroom.rebuild([], live=newsroom.live.all_rows())
    assert [article_at(newsroom, slug) for slug in ("one", "two", "three")] == ["a", "b", "a"]


def test_an_address_in_the_snapshot_leads_to_the_article_that_was_changed_live(newsroom: Newsroom) -> None:
    old = story("a", FERRY, url="https://courier.example/old")
    newsroom.rebuild([*ARCHIVE, old])
    newsroom.put(record("a", FERRY, url="https://courier.example/new"))
    newsroom.put(record("2026/a", FERRY, url="https://courier.example/moved", aliases=["a"]))
    assert [article_at(newsroom, slug) for slug in ("old", "new", "moved")] == ["2026/a"] * 3
    newsroom.rebuild([], live=newsroom.live.all_rows())
    assert [article_at(newsroom, slug) for slug in ("old", "new", "moved")] == ["2026/a"] * 3


@pytest.mark.parametrize("live", [True, False])
def test_another_sites_article_of_the_same_id_is_refused_and_changes_nothing(newsroom: Newsroom, live: bool) -> None:
    courier = story("3", FERRY, url="https://courier.example/3/", headline="Harbour dues")
    if live:
        newsroom.put(record("3", FERRY, url="https://courier.example/3/", headline="Harbour dues"))
    else:
        newsroom.rebuild([*ARCHIVE, courier])
    answer = newsroom.put(record("3", BUDGET, url="https://evening.example/3/", headline="Choir and chapel"))
    assert (answer.status_code, answer.get_json()["code"]) == (409, "id_taken")
    assert "is already the ID of https://courier.example/3/" in answer.get_json()["detail"]
    assert article_at(newsroom, "3/") == "3"
    old = ["https://courier.example/3/"]
    moved = record("3", BUDGET, url="https://evening.example/3/", headline="Choir and chapel", aliases=old)
    assert newsroom.put(moved).status_code in (200, 201)


@pytest.mark.parametrize("live", [True, False])
def test_an_alias_takes_no_article_of_another_site_over(newsroom: Newsroom, live: bool) -> None:
    courier = {"url": "https://courier.example/3/", "headline": "Harbour dues"}
    if live:
        newsroom.put(record("3", FERRY, **courier))
    else:
        newsroom.rebuild([*ARCHIVE, story("3", FERRY, **courier)])
    evening = {"url": "https://evening.example/4/", "headline": "Choir and chapel"}
    answer = newsroom.put(record("4", BUDGET, **evening, aliases=["3"]))
    assert (answer.status_code, answer.get_json()["code"]) == (409, "id_taken")
    assert "aliases: '3' is the ID of https://courier.example/3/" in answer.get_json()["detail"]
    assert article_at(newsroom, "3/") == "3"
    moved = record("4", BUDGET, **evening, aliases=["3", "https://courier.example/3/"])
    assert newsroom.put(moved).status_code == 201
    # Once the article has moved, an update need not declare the old address.
    again = record("4", BUDGET, **{**evening, "headline": "Choir sings"}, aliases=["3"])
    assert newsroom.put(again).status_code == 200


def see(newsroom: Newsroom) -> None:
    """Compare what waits, and have the worker know of it."""
    newsroom.compare()
    catalogue_of(newsroom.client).catch_up()


def test_a_withdrawn_article_keeps_the_place_of_its_former_id(newsroom: Newsroom) -> None:
    newsroom.put(record("2026/ferry-1", FERRY, 11, aliases=["ferry/1"]))
    see(newsroom)
    assert newsroom.delete("ferry/1").get_json()["known"] is True  # by its former ID, the article itself is meant
    for identifier in ("ferry/1", "2026/ferry-1"):
        assert newsroom.client.get("/v1/related", query_string={"id": identifier}).status_code == 410
    assert not {"ferry/1", "2026/ferry-1"} & set(newsroom.ids("ferry/2"))
    newsroom.rebuild([], live=newsroom.live.all_rows())
    assert not {"ferry/1", "2026/ferry-1"} & set(newsroom.ids("ferry/2", newsroom.worker()))


def test_what_is_done_to_a_former_id_afterwards_stops_nobody_from_following(newsroom: Newsroom) -> None:
    newsroom.put(record("a", FERRY))
    newsroom.put(record("b", FERRY, aliases=["a"]))
    answer = newsroom.put(record("a", FERRY, headline="Again"))
    assert (answer.status_code, answer.get_json()["code"]) == (409, "moved")
    newsroom.live.withdraw("a", by="x", at=NOW, note="", expected=None, snapshot_version=None, known=True)
    newsroom.delete("ferry/2")
    assert "ferry/2" not in newsroom.ids("ferry/1")
    assert newsroom.list_of("a")["article_id"] == "b"


def test_aliases_mean_the_same_in_whatever_order_they_came(newsroom: Newsroom) -> None:
    newsroom.put(record("a", FERRY, aliases=["ferry/1"]))
    newsroom.put(record("b", FERRY, aliases=["ferry/1"]))
    newsroom.live.put(story("a", FERRY, aliases=()), by="x", at=NOW, expected=None, snapshot_version=None)
    see(newsroom)
    for worker in (newsroom.client, newsroom.worker()):
        assert newsroom.list_of("ferry/1", worker)["article_id"] == "b"
        assert "ferry/1" not in newsroom.ids("ferry/2", worker)


def test_a_target_pinned_twice_appears_once_and_pins_keep_their_positions(newsroom: Newsroom) -> None:
    two, four = "ferry/3", "budget/3"
    pins = [Signal(kind="pin", target=target, position=at) for target, at in ((two, 2), (four, 4), (two, 5))]
    newsroom.live.set_signals("ferry/0", pins, by="x", at=NOW, expected=None)  # as earlier versions took them
    catalogue_of(newsroom.client).catch_up()
    found = newsroom.ids("ferry/0")
    assert (found[1], found[3], found.count(two)) == (two, four, 1)


COPIED = " ".join(f"The quay {n} was busy as boat {n * 7} landed catch {n * 13}." for n in range(60))
COPIES = [story(f"quay/{n}", COPIED, 2 + n, headline="Busy day at the quay") for n in range(2)]


def test_pins_of_an_article_and_its_copy_show_one_of_them_at_the_first_position(
    open_newsroom: Callable[..., Newsroom],
) -> None:
    newsroom = open_newsroom()
    newsroom.rebuild([*ARCHIVE, *COPIES])
    for first, second in (("quay/0", "quay/1"), ("quay/1", "quay/0")):
        pins = [Signal(kind="pin", target=target, position=at) for target, at in ((second, 3), (first, 1))]
        newsroom.live.set_signals("ferry/0", pins, by="x", at=NOW, expected=None)
        catalogue_of(newsroom.client).catch_up()
        found = newsroom.ids("ferry/0")
        assert (found[0], second in found) == (first, False)
    refused = newsroom.signals("ferry/1", pin("quay/0", 1), pin("quay/1", 2))
    assert (refused.status_code, refused.get_json()["code"]) == (422, "pin_cannot_show")
    assert "same event at position 2" in refused.get_json()["detail"]


@pytest.mark.parametrize(
    ("target", "more", "why"),
    [
        ("ferry/0", {}, "this article itself"),
        ("old-ferry/0", {}, "this article itself"),
        ("budget/2", {}, "was withdrawn"),
        ("budget/3", {}, "left out of this list"),
        ("budget/4", {}, "left out of this list, or of all lists"),
        ("ferry/3", {"valid_until": NOW - 1}, "has ended already"),
        ("ferry/new", {"valid_until": NOW + 300}, "is not public before 24 November 2026, 09:10 UTC"),
    ],
)
def test_a_pin_that_cannot_show_is_refused_with_the_reason(
    newsroom: Newsroom, target: str, more: dict[str, Any], why: str
) -> None:
    newsroom.rebuild([story("ferry/0", FERRY, 10, aliases=["old-ferry/0"]), *ARCHIVE[1:]])
    newsroom.client = newsroom.worker()
    newsroom.delete("budget/2")
    newsroom.put(record("ferry/new", FERRY, 0, embargo_until=NOW + 600))
    newsroom.signals("budget/4", {"kind": "exclude"})
    before = {"kind": "exclude", "target": "budget/3"}
    assert newsroom.signals("ferry/0", before).get_json()["warnings"] == []
    answer = newsroom.signals("ferry/0", before, pin(target, 1, **more)).get_json()
    assert (answer["code"], why in answer["detail"]) == ("pin_cannot_show", True), answer
    held = newsroom.live.signals_of("ferry/0")
    assert held is not None
    assert [each.kind for each in held.signals] == ["exclude"]


def test_a_pin_of_another_brand_is_refused(open_newsroom: Callable[..., Newsroom], tmp_path: Path) -> None:
    (tmp_path / "brands.toml").write_text('courier = ["evening"]\n', "utf-8")
    newsroom = open_newsroom(brands=tmp_path / "brands.toml")
    newsroom.rebuild([*ARCHIVE, *(story(f"{b}/1", FERRY, brand=b) for b in ("courier", "evening"))])
    assert newsroom.signals("courier/1", pin("evening/1")).status_code == 201
    answer = newsroom.signals("evening/1", pin("courier/1"))
    assert (answer.status_code, "of a brand" in answer.get_json()["detail"]) == (422, True)


def test_a_pin_that_shows_later_or_only_in_longer_lists_is_kept_with_a_warning(newsroom: Newsroom) -> None:
    newsroom.put(record("ferry/new", BUDGET, 0, embargo_until=NOW + 600))
    newsroom.compare()
    pins = [pin("ferry/new", 1), pin("rumour", 2), pin("budget/3", 7), pin("budget/4", 3)]
    answer = newsroom.signals("ferry/0", *pins).get_json()
    assert [each.partition(": ")[0] for each in answer["warnings"]] == [
        "The pin of 'ferry/new' at position 1 may not show",
        "The pin of 'rumour' at position 2 may not show",
        "The pin of 'budget/3' at position 7 may not show",
    ]
    again = newsroom.signals("ferry/0", *pins, {"kind": "exclude", "target": "ferry/2"})
    assert again.get_json()["warnings"] == []  # these pins are not new
    newsroom.now += 660
    assert newsroom.ids("ferry/0")[0] == "ferry/new"


@pytest.mark.parametrize("how", ["live", "rebuilt"])
def test_signals_under_a_former_id_an_alias_or_an_address_act_and_are_seen(newsroom: Newsroom, how: str) -> None:
    newsroom.signals("ferry/1", pin("budget/3"))
    newsroom.signals("ferry/0", pin("ferry/1", 1, note="under its former ID"))
    address = "https://courier.example/2026/ferry-1"
    moved = record("2026/ferry-1", FERRY, 11, aliases=["ferry/1"], url=address)
    if how == "live":
        newsroom.put(dict(moved))
        newsroom.compare()
    else:
        newsroom.rebuild([*(each for each in ARCHIVE if each.id != "ferry/1"), article_from_record(moved)])
        newsroom.client = newsroom.worker()
    assert newsroom.ids("2026/ferry-1")[0] == "budget/3"
    assert newsroom.ids("ferry/0")[0] == "2026/ferry-1"
    for name in ("2026/ferry-1", "ferry/1", address):
        held = newsroom.client.get("/v1/article/signals", query_string={"id": name}, headers=with_key(EDITOR))
        assert held.get_json()["article_id"] == "2026/ferry-1"
        assert [each["target"] for each in held.get_json()["signals"]] == ["budget/3"]
        assert [each["action"] for each in held.get_json()["history"]][-1] == "signals"
    assert newsroom.signals(address, pin(f"{address}#top", 2)).status_code == 422  # itself
    newsroom.signals("ferry/1", pin("budget/4"))
    assert [found for found in newsroom.ids("2026/ferry-1") if found.startswith("budget")] == ["budget/4"]
    newsroom.signals("ferry/3", pin(address))
    assert newsroom.live.signals_of("ferry/3").signals[0].target == "2026/ferry-1"  # type: ignore[union-attr]


@pytest.mark.parametrize("position", [1, 3, 5, 6])
def test_a_pin_keeps_its_position_in_a_list_that_the_fallback_fills(newsroom: Newsroom, position: int) -> None:
    newsroom.rebuild([*ARCHIVE, *(story(f"fete/{n}", "summer fete bunting stall tombola", 40 + n) for n in range(6))])
    newsroom.signals("fete/0", pin("ferry/2", position))
    answer = newsroom.client.get("/v1/related?id=fete/0&fallback=recent&min_relevance=0.999").get_json()
    assert answer["fallback_used"]
    assert [item["teaser"]["id"] for item in answer["items"]].index("ferry/2") == position - 1
    assert len(answer["items"]) == 6


def test_a_pin_is_judged_by_what_another_worker_has_just_heard(newsroom: Newsroom) -> None:
    newsroom.live.withdraw("ferry/2", by="other", at=NOW, note="", expected=None, snapshot_version=None, known=True)
    assert newsroom.signals("ferry/0", pin("ferry/2")).get_json()["code"] == "pin_cannot_show"


def test_a_body_that_ends_before_its_length_is_refused_and_does_nothing(newsroom: Newsroom) -> None:
    body = b'{"signals": [{"kind": "exclude"}]}'
    environ = {
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body) + 10),
        "CONTENT_TYPE": "application/json",
    }
    answer = newsroom.client.put(
        "/v1/article/signals?id=ferry/0", headers=with_key(EDITOR), environ_overrides=environ
    )
    assert answer.status_code == 400
    asked = newsroom.client.get("/v1/article/signals?id=ferry/0", headers=with_key(EDITOR)).get_json()
    assert asked["signals"] == []


@pytest.mark.parametrize("address", ["https://courier.example/later", "http://www.courier.example/later/amp?ref=1"])
def test_a_target_by_its_address_acts_when_its_article_comes(newsroom: Newsroom, address: str) -> None:
    assert len(newsroom.signals("ferry/0", pin(address)).get_json()["warnings"]) == 1
    newsroom.ids("ferry/0")  # kept
    newsroom.put(record("later", BUDGET, 1, url="https://courier.example/later?ref=1" if "?" in address else address))
    newsroom.compare()
    catalogue_of(newsroom.client).catch_up()
    assert newsroom.ids("ferry/0")[0] == "later"


def test_the_history_of_signals_reads_as_sentences(newsroom: Newsroom) -> None:
    newsroom.signals("ferry/0", pin("ferry/2", 2, valid_until=NOW + 86_400, note="for the evening"))
    newsroom.signals("ferry/0", pin("ferry/2", 1), {"kind": "bury", "multiplier": 0.5})
    newsroom.signals("ferry/0")
    asked = newsroom.client.get("/v1/article/signals?id=ferry/0", headers=with_key(EDITOR))
    history = asked.get_json()["history"]
    name = "“Ferry River Crossing Timetable Captain Jetty ferry/2”"
    assert [each["text"] for each in history] == [
        [
            f"editor removed the pin of {name} at position 1",
            "editor removed the burial × 0.5 of this article in all lists",
        ],
        [f"editor changed the pin of {name} to position 1", "editor buried this article in all lists × 0.5"],
        [f"editor pinned {name} at position 2 until 25 November 2026, 09:00 UTC: for the evening"],
    ]
    assert history[2]["added"][0] | {"note": ""} == {
        "kind": "pin", "target": "ferry/2", "position": 2, "note": "", "valid_from": None,
        "valid_until": "2026-11-25T09:00:00Z",
    }  # fmt: skip
    assert history[1]["removed"][0]["note"] == "for the evening"
    newsroom.live.erase("ferry/2", by="x", at=NOW)
    assert "ferry/2" not in newsroom.client.get("/v1/article/signals?id=ferry/0", headers=with_key(EDITOR)).text


def test_boosts_of_many_editors_do_not_grow_beyond_ten(newsroom: Newsroom) -> None:
    newsroom.signals("ferry/1", *[{"kind": "boost", "multiplier": 10}] * 100)
    (item,) = (each for each in newsroom.list_of("ferry/0")["items"] if each["teaser"]["id"] == "ferry/1")
    assert item["score"] <= 10


def test_signals_nested_too_deeply_are_refused(newsroom: Newsroom) -> None:
    body = b'{"signals": [{"kind": ' + b"[" * 3_000 + b"]" * 3_000 + b"}]}"
    answer = newsroom.client.put("/v1/articles/a/signals", data=body, headers=with_key(EDITOR))
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_signals")


def test_the_etag_of_a_published_article_does_not_publish_a_withdrawn_one(newsroom: Newsroom) -> None:
    etag = newsroom.client.get("/v1/article?id=ferry/1").headers["ETag"]
    newsroom.delete("ferry/1")
    assert newsroom.put(record("ferry/1", FERRY, 20), **{"If-Match": etag}).status_code == 412
    two = newsroom.put(record("ferry/1", FERRY, 20), **{"If-Match": '"a", "b"'})
    assert (two.status_code, two.get_json()["code"]) == (400, "invalid_if_match")


def test_a_brand_takes_no_ids_of_others_and_touches_nothing_of_theirs(newsroom: Newsroom) -> None:
    newsroom.put(record("evening/1", FERRY, brand="evening"))
    newsroom.delete("evening/1")
    for answer in (
        newsroom.put(record("evening/1", FERRY), key=COURIER),
        newsroom.put(record("courier/1", FERRY, aliases=["evening/1"]), key=COURIER),
        newsroom.delete("ferry/1", key=COURIER),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (403, "other_brand")
    assert newsroom.put(record("courier/1", FERRY), key=COURIER).status_code == 201


def test_a_webhook_that_does_not_fit_the_queue_is_put_off_whole(open_newsroom: Callable[..., Newsroom]) -> None:
    newsroom = open_newsroom(queue_limit=3)
    newsroom.rebuild(ARCHIVE)
    newsroom.put(record("a", FERRY))
    events = {"events": [{"action": "publish", "article": record(f"b{n}", FERRY)} for n in range(3)]}
    assert newsroom.client.post("/v1/webhooks/courier", **signed(events)).status_code == 429
    newsroom.compare()
    newsroom.delete("ferry/1")
    answer = newsroom.client.post("/v1/webhooks/courier", **signed(events))
    assert [each["done"] for each in answer.get_json()["results"]] == [True] * 3


def test_a_correction_published_live_is_not_undone_by_the_source_it_corrects(newsroom: Newsroom) -> None:
    newsroom.put(record("ferry/1", FERRY, 20, headline="Corrected"))
    for _ in range(2):
        newsroom.now += 1
        newsroom.rebuild(ARCHIVE, live=newsroom.live.all_rows())
    worker = newsroom.worker()
    assert worker.get("/v1/article?id=ferry/1").get_json()["teaser"]["headline"] == "Corrected"


def test_a_failure_half_way_through_the_queue_leaves_nothing_uncompared(
    open_newsroom: Callable[..., Newsroom],
) -> None:
    newsroom = open_newsroom()
    newsroom.rebuild(ARCHIVE)
    newsroom.compare()
    for number in range(3):
        newsroom.put(record(f"a{number}", FERRY))
    with sqlite3.connect(newsroom.settings.live.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LiveStoreUnavailable):
            newsroom.compare()
        other.execute("ROLLBACK")
    other.close()
    assert newsroom.compare() == 3


def test_an_overfull_queue_is_said_with_a_time_to_come_back(open_newsroom: Callable[..., Newsroom]) -> None:
    newsroom = open_newsroom(queue_limit=3)
    newsroom.rebuild(ARCHIVE)
    assert [newsroom.put(record(f"a{n}", FERRY)).status_code for n in range(4)] == [201, 201, 201, 429]
    assert newsroom.client.get("/readyz").get_json()["waiting"] == 3
    assert 'related_live_waiting{worker="0",channel="default"} 3' in newsroom.client.get("/metrics").get_data(
        as_text=True
    )
    newsroom.compare()
    newsroom.delete("a1")
    assert newsroom.put(record("a3", FERRY)).status_code == 201


def test_a_brand_writes_its_own_articles_alone(newsroom: Newsroom) -> None:
    assert newsroom.put(record("c", FERRY), key=COURIER).status_code == 201
    assert newsroom.live.article("c").brand == "courier"  # type: ignore[union-attr]
    answer = newsroom.put(record("d", FERRY, brand="evening"), key=COURIER)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "other_brand")


def test_a_key_of_a_brand_withdraws_nothing_that_nobody_knows(newsroom: Newsroom) -> None:
    answer = newsroom.delete("evening/9", key=COURIER)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "article_not_found")
    hook = newsroom.client.post("/v1/webhooks/courier", **signed({"action": "withdraw", "id": "evening/9"}))
    assert hook.get_json()["results"][0]["code"] == "article_not_found"
    conditional = newsroom.delete("evening/9", key=COURIER, **{"If-Match": "*"})
    assert (conditional.status_code, conditional.get_json()["code"]) == (412, "version_conflict")
    newsroom.rebuild([story("evening/9", FERRY, brand="evening")], onto_last=True)
    assert newsroom.worker().get("/v1/related?id=evening/9").status_code == 200
    newsroom.put(record("courier/9", FERRY), key=COURIER)
    assert [newsroom.delete("courier/9", key=COURIER).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    "claim",
    [
        {"url": "https://courier.example/e"},
        {"url": "http://www.courier.example/e?utm_source=x#top"},
        {"url": "https://courier.example/c", "aliases": ["https://courier.example/e"]},
    ],
)
def test_a_key_of_a_brand_takes_no_address_of_another_brand(
    newsroom: Newsroom, live: bool, claim: dict[str, Any]
) -> None:
    evening = {"brand": "evening", "url": "https://courier.example/e"}
    if live:
        newsroom.live.put(story("e", FERRY, **evening), by="x", at=NOW, expected=None, snapshot_version=None)
    else:
        newsroom.rebuild([*ARCHIVE, story("e", FERRY, **evening)])
    answer = newsroom.put(record("c", FERRY, **claim), key=COURIER)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "other_brand")
    assert "is an address of an article of 'evening'" in answer.get_json()["detail"]
    assert article_at(newsroom, "e") == "e"


def test_a_key_of_a_brand_updates_an_article_that_shares_its_address_with_another_brands(newsroom: Newsroom) -> None:
    url = "https://courier.example/shared"
    copies = (
        story(identifier, FERRY, brand=brand, url=url) for identifier, brand in (("e", "evening"), ("z", "courier"))
    )
    newsroom.rebuild([*ARCHIVE, *copies])
    assert newsroom.put(record("z", FERRY, url=url, headline="Changed"), key=COURIER).status_code == 200
    for key, identifier in ((WRITER, "e2"), (COURIER, "c2")):
        brand = {"brand": "evening"} if key == WRITER else {}
        assert newsroom.put(record(identifier, FERRY, url="/relative", **brand), key=key).status_code == 201


def test_a_brand_shows_its_own_stories_and_those_of_its_sisters(
    open_newsroom: Callable[..., Newsroom], tmp_path: Path
) -> None:
    brands = tmp_path / "brands.toml"
    brands.write_text('courier = ["evening"]\n', "utf-8")
    newsroom = open_newsroom(brands=brands)
    newsroom.rebuild([*ARCHIVE, *(story(f"{b}/1", FERRY, brand=b) for b in ("courier", "evening", "weekly"))])
    assert newsroom.ids("courier/1") == ["evening/1"]
    assert newsroom.ids("evening/1") == []


def signed(body: Any, at: int = NOW, secret: str = SECRET) -> dict[str, Any]:
    raw = msgspec.json.encode(body)
    return {"data": raw, "headers": sign(secret, at, raw)}


def test_a_signed_webhook_publishes_and_withdraws_once(newsroom: Newsroom) -> None:
    newsroom.put(record("courier/2", FERRY), key=COURIER)
    events = {
        "events": [
            {"action": "publish", "article": record("ferry/hook", FERRY)},
            {"action": "withdraw", "id": "courier/2", "note": "legal"},
        ]
    }
    answer = newsroom.client.post("/v1/webhooks/courier", **signed(events))
    assert [each["done"] for each in answer.get_json()["results"]] == [True, True]
    assert newsroom.client.get("/v1/article?id=courier/2").get_json()["state"] == "withdrawn"
    again = newsroom.client.post("/v1/webhooks/courier", **signed(events))
    assert (again.status_code, again.get_json()["code"]) == (409, "replayed")


@pytest.mark.parametrize(
    ("name", "request_of", "status", "code"),
    [
        ("courier", lambda: signed({"action": "withdraw", "id": "a"}, secret="x" * 40), 401, "wrong_signature"),
        ("courier", lambda: signed({"action": "withdraw", "id": "a"}, NOW - 301), 401, "wrong_time"),
        ("courier", lambda: {"data": b"{}"}, 401, "timestamp_missing"),
        ("writer", lambda: signed({"action": "withdraw", "id": "a"}), 401, "unknown_webhook"),
        ("courier", lambda: signed({"action": "explode", "id": "a"}), 422, "invalid_events"),
    ],
)
def test_a_webhook_that_is_not_believed_does_nothing(
    newsroom: Newsroom, name: str, request_of: Callable[[], dict[str, Any]], status: int, code: str
) -> None:
    answer = newsroom.client.post(f"/v1/webhooks/{name}", **request_of())
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert newsroom.live.all_rows().sequence == 0


def at_once(times: int, ask: Callable[[int], Any]) -> list[Any]:
    """The answers to requests that begin at the same moment."""
    ready = threading.Barrier(times)

    def one(number: int) -> Any:
        ready.wait(10)
        return ask(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_a_webhook_sent_six_times_at_once_is_done_once(newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    read = webhooks.read_events

    def slowly(raw: bytes) -> Any:
        time.sleep(0.1)  # all six are verified before the first is done
        return read(raw)

    monkeypatch.setattr(webhooks, "read_events", slowly)
    workers = [newsroom.worker() for _ in range(3)]
    events = {"events": [{"action": "publish", "article": record(f"ferry/hook{n}", FERRY)} for n in range(5)]}
    answers = at_once(
        6, lambda n: workers[n % 3].application.test_client().post("/v1/webhooks/courier", **signed(events))
    )
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409, 409, 409]
    assert {each.get_json()["code"] for each in answers if each.status_code == 409} == {"replayed"}
    (done,) = (each.get_json()["results"] for each in answers if each.status_code == 200)
    assert [each["changed"] for each in done] == [True] * 5
    assert newsroom.live.all_rows().sequence == 5


def test_a_webhook_that_fails_half_way_is_not_done_and_may_be_sent_again(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = {"events": [{"action": "publish", "article": record(f"ferry/hook{n}", FERRY)} for n in range(3)]}
    put, calls = writes.put, []

    def fails_at_the_third(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:
            raise OperationalError("INSERT", {}, Exception("the disk is full"))
        return put(*given, **more)

    monkeypatch.setattr(writes, "put", fails_at_the_third)
    assert newsroom.client.post("/v1/webhooks/courier", **signed(events)).status_code == 503
    assert newsroom.live.all_rows().sequence == 0
    answer = newsroom.client.post("/v1/webhooks/courier", **signed(events))
    assert [each["changed"] for each in answer.get_json()["results"]] == [True] * 3


def test_a_webhook_may_name_an_article_by_an_alias_that_it_has_just_declared(newsroom: Newsroom) -> None:
    newsroom.put(record("courier/1", FERRY), key=COURIER)
    events = {
        "events": [
            {"action": "publish", "article": record("courier/moved", FERRY, aliases=["courier/1"])},
            {"action": "publish", "article": record("courier/1", FERRY, headline="Again")},
            {"action": "withdraw", "id": "courier/1"},
        ]
    }
    moved, again, withdrawn = newsroom.client.post("/v1/webhooks/courier", **signed(events)).get_json()["results"]
    assert (moved["done"], again["code"], withdrawn["done"]) == (True, "moved", True)
    assert newsroom.client.get("/v1/article?id=courier/moved").get_json()["state"] == "withdrawn"


def test_nobody_writes_between_the_look_at_an_articles_brand_and_the_write(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, waited = ArticleWriter.check_brand, []
    evening = story("new/1", FERRY, brand="evening")
    other = threading.Thread(
        target=lambda: newsroom.live.put(evening, by="x", at=NOW, expected=None, snapshot_version=None)
    )

    def check_and_let_another_try(self: Any, *given: Any) -> None:
        check(self, *given)
        other.start()
        other.join(0.5)
        waited.append(other.is_alive())

    monkeypatch.setattr(ArticleWriter, "check_brand", check_and_let_another_try)
    assert newsroom.put(record("new/1", FERRY), key=COURIER).status_code == 201
    other.join(10)
    assert waited == [True]


def test_of_two_editors_first_signals_at_once_the_second_is_refused(newsroom: Newsroom) -> None:
    etag = newsroom.client.get("/v1/article/signals?id=ferry/0", headers=with_key(EDITOR)).headers["ETag"]

    def set_first(article: str, **condition: str) -> list[int]:
        def ask(number: int) -> Any:
            client, body = newsroom.client.application.test_client(), {"signals": [pin(f"ferry/{number + 1}")]}
            headers = with_key(EDITOR, **condition)
            return client.put("/v1/article/signals", query_string={"id": article}, json=body, headers=headers)

        return sorted(each.status_code for each in at_once(4, ask))

    assert set_first("ferry/0", **{"If-None-Match": "*"}) == [201, 412, 412, 412]
    assert set_first("ferry/5", **{"If-Match": etag}) == [201, 412, 412, 412]


def pin(target: str, position: int = 1, **more: Any) -> dict[str, Any]:
    return {"kind": "pin", "target": target, "position": position, **more}


def test_an_article_is_put_only_where_there_is_none_if_that_is_asked(newsroom: Newsroom) -> None:
    for identifier, status in (("ferry/1", 412), ("new/1", 201), ("new/1", 412)):
        given = record(identifier, FERRY, headline=f"Put after {status}")
        assert newsroom.put(given, **{"If-None-Match": "*"}).status_code == status
    odd = newsroom.put(record("new/2", FERRY), **{"If-None-Match": '"abc"'})
    assert (odd.status_code, odd.get_json()["code"]) == (400, "invalid_if_none_match")


def test_several_articles_lead_to_what_any_of_them_links_and_none_of_the_others(newsroom: Newsroom) -> None:
    def ask(**body: Any) -> Any:
        return newsroom.client.post("/v1/related?limit=20", json=body, headers=with_key(READER)).get_json()

    both = [each["teaser"]["id"] for each in ask(positive=["ferry/1", "budget/1"])["items"]]
    assert {"ferry/0", "budget/0"} <= set(both)
    assert not {"ferry/1", "budget/1"} & set(both)
    without = {
        each["teaser"]["id"]: each["score"] for each in ask(positive=["ferry/1"], negative=["ferry/2"])["items"]
    }
    alone = {each["teaser"]["id"]: each["score"] for each in ask(positive=["ferry/1"])["items"]}
    assert all(score < alone[each] for each, score in without.items())
    assert ask(positive=["nothing"])["code"] == "article_not_found"
    assert ask(positive=[])["code"] == "invalid_examples"


def test_a_batch_answers_for_each_id_what_a_request_would(newsroom: Newsroom) -> None:
    newsroom.delete("ferry/2")
    ids = ["ferry/1", "nothing", "ferry/2", "budget/1"]
    answer = newsroom.client.post("/v1/related/batch", json={"ids": ids}, headers=with_key(READER)).get_json()
    first, unknown, withdrawn, last = answer["lists"]
    assert [first, last] == [newsroom.client.get(f"/v1/related?id={each}").get_json() for each in (ids[0], ids[3])]
    assert (unknown["problem"]["code"], withdrawn["problem"]["code"]) == ("article_not_found", "article_withdrawn")
    too_many = newsroom.client.post("/v1/related/batch", json={"ids": ["a"] * 101}, headers=with_key(READER))
    assert too_many.status_code == 422


@pytest.mark.usefixtures("search_answers")
def test_lists_are_served_while_the_live_store_is_away(
    open_newsroom: Callable[..., Newsroom], tmp_path: Path
) -> None:
    newsroom = open_newsroom()
    newsroom.rebuild(ARCHIVE)
    newsroom.delete("ferry/2")
    (tmp_path / "live.db").rename(tmp_path / "away.db")
    catalogue = catalogue_of(newsroom.client)
    newsroom.live.close()
    catalogue.live.store.close()
    catalogue.catch_up()
    assert "ferry/2" not in newsroom.ids("ferry/1")
    ready = newsroom.client.get("/readyz").get_json()
    assert ready["status"] == "degraded"
    assert "live store" in ready["reason"]
    answer = newsroom.put(record("a", FERRY))
    assert (answer.status_code, answer.get_json()["code"], answer.headers["Retry-After"]) == (
        503,
        "live_store_unavailable",
        "5",
    )
    newsroom.rebuild([story("ferry/9", FERRY)], onto_last=True)
    catalogue.refresh()
    assert "ferry/2" not in newsroom.ids("ferry/1")  # over a new snapshot, too
    (tmp_path / "away.db").rename(tmp_path / "live.db")
    catalogue.catch_up()
    assert newsroom.client.get("/readyz").get_json()["status"] == "ready"
    assert newsroom.put(record("a", FERRY)).status_code == 201


def test_a_worker_that_starts_while_the_live_store_is_away_shows_nothing_withdrawn(
    open_newsroom: Callable[..., Newsroom], tmp_path: Path
) -> None:
    newsroom = open_newsroom()
    newsroom.rebuild(ARCHIVE)
    newsroom.delete("ferry/2")
    newsroom.signals("ferry/3", {"kind": "exclude"})
    newsroom.put(record("ferry/new", FERRY))
    newsroom.close()
    (tmp_path / "live.db").rename(tmp_path / "away.db")
    late = newsroom.worker()
    assert late.get("/v1/related?id=ferry/2").status_code == 410
    assert not {"ferry/2", "ferry/3"} & set(newsroom.ids("ferry/1", late))
    assert late.get("/v1/related?id=ferry/new").status_code == 404
    (tmp_path / "away.db").rename(tmp_path / "live.db")
    catalogue_of(late).catch_up()
    assert late.get("/v1/related?id=ferry/new").status_code == 200
    assert not {"ferry/2", "ferry/3"} & set(newsroom.ids("ferry/1", late))


def test_what_waits_when_the_search_process_ends_is_compared_by_the_next(newsroom: Newsroom) -> None:
    for number, days_old in enumerate((3, 6, 14)):  # no two of one event
        newsroom.put(record(f"ferry/new{number}", FERRY, days_old))
    assert newsroom.compare() == 3
    newsroom.put(record("ferry/new3", FERRY, 17))
    newsroom.restart_search()
    embedded = len(newsroom.embedder.embedded)
    assert newsroom.compare() == 1  # the others are held again, by vectors from the cache
    assert len(newsroom.embedder.embedded) - embedded == 2  # its headline and standfirst, and its one passage
    newsroom.delete("ferry/5")
    assert {f"ferry/new{number}" for number in range(4)} <= set(newsroom.ids("ferry/1"))
    assert {f"ferry/new{number}" for number in range(3)} <= set(newsroom.ids("ferry/new3"))


def test_reading_can_be_for_holders_of_a_key_alone(open_newsroom: Callable[..., Newsroom]) -> None:
    newsroom = open_newsroom(reads="key")
    newsroom.rebuild(ARCHIVE)
    for path in ("/v1/related?id=ferry/1", "/v1/article?id=ferry/1", "/", "/article?id=ferry/1", "/v1/policies"):
        assert newsroom.client.get(path).status_code == 401
    assert newsroom.client.get("/v1/related?id=ferry/1").get_json()["code"] == "key_missing"
    assert newsroom.client.get("/v1/related?id=ferry/1", headers={"X-API-Key": READER}).status_code == 200


def put_unless_withdrawn(newsroom: Newsroom, sent: dict[str, Any]) -> tuple[int, str | None]:
    """The status and problem code of a PUT that leaves a withdrawn article alone unless it is newer."""
    query = {"id": sent.pop("id"), "keep_withdrawn": "true"}
    answer = newsroom.client.put("/v1/article", query_string=query, json=sent, headers=with_key(WRITER))
    return answer.status_code, answer.get_json().get("code")


@pytest.mark.parametrize(
    ("updated_at", "expected"),
    [
        (None, (409, "withdrawn")),
        (NOW - 60, (409, "withdrawn")),
        (NOW, (409, "withdrawn")),
        (NOW + 60, (200, None)),
        (NOW + 10**9, (409, "withdrawn")),
    ],
)
def test_a_sender_may_ask_that_only_a_newer_version_publishes_a_withdrawn_article(
    newsroom: Newsroom, updated_at: int | None, expected: tuple[int, str | None]
) -> None:
    newsroom.put(record("ferry/1", FERRY, 30))
    assert put_unless_withdrawn(newsroom, record("ferry/1", FERRY, 29))[0] == 200
    newsroom.delete("ferry/1")
    newsroom.now += 120
    dated = {} if updated_at is None else {"updated_at": updated_at}
    assert put_unless_withdrawn(newsroom, record("ferry/1", FERRY, 20, headline="Export", **dated)) == expected
    assert newsroom.put(record("ferry/1", FERRY, 20, headline="Export")).status_code == 200  # a person's decision


def test_a_withdrawal_that_only_the_snapshot_knows_is_kept_too(newsroom: Newsroom) -> None:
    newsroom.rebuild([*ARCHIVE, story("gone", FERRY, 9, status="withdrawn")])
    assert put_unless_withdrawn(newsroom, record("gone", FERRY, 8)) == (409, "withdrawn")
    assert put_unless_withdrawn(newsroom, record("new", FERRY, 8)) == (201, None)


def test_the_live_store_is_named_with_the_snapshots(newsroom: Newsroom) -> None:
    named = newsroom.client.get("/v1/snapshots").get_json()["live_store"]
    assert named == newsroom.live.changes(0, None).installation
