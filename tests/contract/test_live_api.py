"""The live newsroom over HTTP: what is written is seen, by whom it may be, in every list it belongs in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from newsroom import COURIER, EDITOR, NOW, READER, SECRET, WRITER, Newsroom, catalogue_of, record, story, with_key

from service.live.store import LiveStoreUnavailable
from service.webhooks import sign

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
    newsroom.signals(
        "ferry/0",
        {"kind": "pin", "target": two, "position": 2},
        {"kind": "pin", "target": four, "position": 4},
        {"kind": "pin", "target": two, "position": 5},
    )
    found = newsroom.ids("ferry/0")
    assert (found[1], found[3], found.count(two)) == (two, four, 1)


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
