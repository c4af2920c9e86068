"""The contract of readers' own lists and of what becomes of them: assignment, tokens, exposures, views and clicks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from newsroom import EDITOR, READER, Newsroom, catalogue_of, story, with_key

from index.article import iso_time
from index.snapshot.reader import id_in
from service.search.client import SearchAnswer, SearchClient

DAY = 86_400
TOPIC = "ferry river crossing timetable harbour"
EXPERIMENTS = """
[order]
description = "Does the newest first please readers more?"
owner = "desk"
starts_on = 2026-11-20
ends_on = 2026-12-20
primary_metric = "ctr"
minimum_effect = 0.02
[order.overrides]
"u-chief" = "newest"
[[order.variants]]
key = "control"
policy = "related"
weight = 0.5
[[order.variants]]
key = "newest"
policy = "latest"
weight = 0.5
"""


def made(tmp_path: Path, experiments: str = "", policies: str = "", **settings: Any) -> Newsroom:
    tmp_path.mkdir(exist_ok=True)
    for name, text in (("experiments", experiments), ("policies", policies)):
        if text:
            settings[name] = tmp_path / f"{name}.toml"
            settings[name].write_text(text, "utf-8")
    newsroom = Newsroom(tmp_path, **settings)
    newsroom.rebuild([story(f"ferry/{n}", TOPIC, 10 + n, headline=f"The ferry, part {n}") for n in range(12)])
    return newsroom


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = made(tmp_path, EXPERIMENTS)
    yield newsroom
    newsroom.close()


def own_list(newsroom: Newsroom, unit: str, **query: Any) -> dict[str, Any]:
    asked = {"id": "ferry/3", "unit": unit, **query}
    answer = newsroom.client.get("/v1/related", query_string=asked)
    assert answer.headers["Cache-Control"] == "private, no-store"
    found: dict[str, Any] = answer.get_json()
    return found


def logged(newsroom: Newsroom) -> list[dict[str, Any]]:
    folder = newsroom.store.root / "events"
    return [
        msgspec.json.decode(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


def send(newsroom: Newsroom, *events: dict[str, Any], **more: Any) -> Any:
    body = msgspec.json.encode({"events": events})
    return newsroom.client.post("/v1/events", data=body, content_type="text/plain", **more)


def test_a_list_for_a_unit_has_a_token_and_is_written_down(newsroom: Newsroom) -> None:
    found = own_list(newsroom, "u-1", policy="related", block="foot", limit=3)
    assert (found["experiment"], found["variant"]) == (None, None)
    assert len(found["items"]) == 3
    assert found["token"]
    (exposure,) = logged(newsroom)
    told = {
        name: exposure[name] for name in ("kind", "list_id", "unit", "article_id", "block", "policy", "experiment")
    }
    assert told == {
        "kind": "exposure", "list_id": found["list_id"], "unit": "u-1", "article_id": "ferry/3", "block": "foot",
        "policy": "related", "experiment": None,
    }  # fmt: skip
    assert [item["id"] for item in exposure["items"]] == [item["teaser"]["id"] for item in found["items"]]
    assert exposure["at"] == newsroom.now
    assert exposure["expires_at"] == newsroom.now + DAY
    assert exposure["took_ms"] > 0
    assert exposure["same_section"] == 1.0
    assert 0 <= exposure["diversity"] <= 1
    assert exposure["duplicates"] == 0


def test_readers_share_out_among_the_variants_and_stay_with_theirs(newsroom: Newsroom) -> None:
    first = {unit: own_list(newsroom, unit)["variant"] for unit in map("u-{}".format, range(60))}
    assert {unit: own_list(newsroom, unit)["variant"] for unit in first} == first
    shares = sorted(list(first.values()).count(each) for each in ("control", "newest"))
    assert sum(shares) == 60
    assert shares[0] > 15
    policies = {(each["variant"], each["policy"]) for each in logged(newsroom)}
    assert policies == {("control", "related"), ("newest", "latest")}


def test_an_experiment_needs_a_unit_and_no_policy_and_its_time(newsroom: Newsroom) -> None:
    assert newsroom.list_of("ferry/3")["experiment"] is None
    assert own_list(newsroom, "u-chief")["variant"] == "newest"
    assert logged(newsroom)[-1]["override"] is True
    assert own_list(newsroom, "u-chief", policy="related")["experiment"] is None
    assert own_list(newsroom, "u-chief", block="foot")["experiment"] is None
    newsroom.now += 40 * DAY
    assert own_list(newsroom, "u-chief")["experiment"] is None
    states = newsroom.client.get("/v1/experiments", headers=with_key(READER)).get_json()["experiments"]
    assert [(each["key"], each["state"]) for each in states] == [("order", "ended")]


def test_what_is_public_of_an_experiment_names_no_reader_and_no_salt(tmp_path: Path) -> None:
    newsroom = made(tmp_path, EXPERIMENTS.replace("[order]", '[order]\nsalt = "grain"'))
    (told,) = newsroom.client.get("/v1/experiments").get_json()["experiments"]
    assert told == {
        "key": "order", "block": "default", "mode": "split", "starts_on": "2026-11-20", "ends_on": "2026-12-20",
        "state": "running",
        "variants": [{"key": "control", "weight": 0.5}, {"key": "newest", "weight": 0.5}],
    }  # fmt: skip
    newsroom.close()


def test_no_address_tells_anybody_who_the_readers_of_an_experiment_are(tmp_path: Path) -> None:
    """Neither strangers nor holders of any key, nor the console's pages."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "order.html").write_text("<h1>It helped</h1>")
    experiments = EXPERIMENTS.replace("[order]", '[order]\nsalt = "grain"')
    newsroom = made(tmp_path, experiments, reports=tmp_path / "reports", demo="on")
    own_list(newsroom, "u-chief")
    signed_in = newsroom.worker()
    assert signed_in.post("/console/sign-in", data={"key": EDITOR}).status_code == 303
    values = {"id": "ferry/3", "name": "order.html", "filename": "page.css"}
    pages = 0
    for rule in newsroom.client.application.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or not rule.arguments <= values.keys():
            continue
        _, path = rule.build({name: values[name] for name in rule.arguments}) or ("", "")
        for client, headers in (
            (newsroom.client, {}), (newsroom.client, with_key(READER)), (newsroom.client, with_key(EDITOR)),
            (signed_in, {}),
        ):  # fmt: skip
            for query in ("", "?id=ferry/3"):
                answer = client.get(f"{path}{query}", headers=headers)
                pages += answer.status_code == 200
                assert "u-chief" not in answer.text, path
                assert "grain" not in answer.text, path
                if client is newsroom.client:
                    assert "It helped" not in answer.text, path
                answer.close()
    assert pages > 50
    newsroom.close()


def test_views_and_clicks_are_taken_in_once_with_their_place(newsroom: Newsroom) -> None:
    found = own_list(newsroom, "u-1")
    second = found["items"][1]["teaser"]["id"]
    view = {"kind": "view", "token": found["token"], "occurred_at": iso_time(newsroom.now)}
    click = {"kind": "click", "token": found["token"], "article_id": second}
    answer = send(newsroom, view, click)
    assert (answer.status_code, answer.get_json()) == (202, {"accepted": 2, "refused": []})
    again = send(newsroom, click).get_json()
    assert [each["code"] for each in again["refused"]] == ["replay"]
    _, seen, clicked, refused = logged(newsroom)
    assert (seen["kind"], seen["list_id"], seen["quarantine"]) == ("view", found["list_id"], None)
    assert (clicked["kind"], clicked["clicked_id"], clicked["position"]) == ("click", second, 2)
    assert (clicked["experiment"], clicked["variant"]) == ("order", found["variant"])
    assert refused == {"kind": "refused", "at": newsroom.now, "reason": "replay", "count": 1}


def test_what_is_wrong_with_an_event_is_said_and_counted(newsroom: Newsroom) -> None:
    token = own_list(newsroom, "u-1")["token"]
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    events: list[dict[str, Any]] = [
        {"kind": "view", "token": changed},
        {"kind": "view", "token": "?"},
        {"kind": "click", "token": token, "article_id": "ferry/none"},
        {"kind": "click", "token": token},
        {"kind": "view", "token": token, "occurred_at": "yesterday"},
        {"kind": "view", "token": token},
    ]
    told = send(newsroom, *events).get_json()
    codes = ["bad_signature", "malformed_token", "not_in_list", "article_id_missing", "invalid_time"]
    assert told["accepted"] == 1
    assert [(each["index"], each["code"]) for each in told["refused"]] == list(enumerate(codes))
    counted = {each["reason"]: each["count"] for each in logged(newsroom) if each["kind"] == "refused"}
    assert counted == dict.fromkeys(codes, 1)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"events":[]}', b'{"events":[{"kind":"like","token":"x"}]}', b'{"events":[{"kind":"view","x":1}]}'],
)  # fmt: skip
def test_a_body_that_holds_no_events_is_refused_and_counted(newsroom: Newsroom, body: bytes) -> None:
    answer = newsroom.client.post("/v1/events", data=body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_events")
    assert [(each["reason"], each["count"]) for each in logged(newsroom)] == [("malformed", 1)]


def test_events_out_of_their_time_are_set_apart(newsroom: Newsroom) -> None:
    token, other = (own_list(newsroom, unit)["token"] for unit in ("u-1", "u-2"))
    third = own_list(newsroom, "u-3")["token"]
    send(newsroom, {"kind": "view", "token": token, "occurred_at": iso_time(newsroom.now + 3_600)})
    send(newsroom, {"kind": "view", "token": other, "occurred_at": iso_time(newsroom.now - 3_600)})
    newsroom.now += 2 * DAY
    assert send(newsroom, {"kind": "view", "token": third}).get_json()["accepted"] == 1
    assert [each["quarantine"] for each in logged(newsroom) if each["kind"] == "view"] == ["future", "early", "late"]


def test_a_variant_may_be_of_another_channel(tmp_path: Path) -> None:
    text = EXPERIMENTS.replace('policy = "latest"', 'policy = "related"\nchannel = "candidate"')
    newsroom = made(tmp_path, text)
    assert own_list(newsroom, "u-chief")["degraded"] == ["channel_unavailable"]
    articles = [story(f"ferry/{n}", TOPIC, 10 + n) for n in (3, 4, 5)]
    there = newsroom.rebuild(articles, channel="candidate")
    newsroom.client = newsroom.worker()
    found = own_list(newsroom, "u-chief")
    assert (found["snapshot_id"], found["degraded"]) == (there, None)
    assert {each["teaser"]["id"] for each in found["items"]} == {"ferry/4", "ferry/5"}
    missing = own_list(newsroom, "u-chief", id="ferry/9")
    assert (missing["snapshot_id"] != there, missing["degraded"]) == (True, ["not_in_channel"])
    assert sorted(each["channel"] for each in logged(newsroom)) == ["candidate", "default", "default"]
    newsroom.close()


def test_two_policies_are_interleaved_and_only_what_tells_them_apart_counts(tmp_path: Path) -> None:
    newsroom = made(tmp_path, INTERLEAVED)
    for number in range(20):
        found = own_list(newsroom, f"u-{number}")
        ids = [each["teaser"]["id"] for each in found["items"]]
        assert len(ids) == len(set(ids)) == 6
        assert (found["experiment"], found["variant"]) == ("order", "interleaved")
    teams = {item["team"] for each in logged(newsroom) for item in each["items"]}
    assert teams >= {"a", "b"}
    same = made(tmp_path / "same", INTERLEAVED.replace('policy = "latest"', 'policy = "related"'))
    own_list(same, "u-1")
    assert {item["team"] for each in logged(same) for item in each["items"]} == {None}
    newsroom.close()
    same.close()


INTERLEAVED = EXPERIMENTS.replace('owner = "desk"', 'owner = "desk"\nmode = "interleave"')
LATEST_FIRST = INTERLEAVED.replace('"related"', '"x"').replace('"latest"', '"related"').replace('"x"', '"latest"')
EXPLORING = '[exploring]\ndescription = "x"\nrecency_floor = 1.0\nmin_relevance = 0.0\nexplore = 0.4\n'


def found_by_search(newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch, most: int) -> dict[str, list[float]]:
    """Have searches find `most` of the archive, each story with numbers of its own; gives those of all by ID."""
    snapshot = catalogue_of(newsroom.client).current().snapshot
    rows = [row for row in reversed(range(snapshot.rows)) if id_in(snapshot.teaser(row)) != "ferry/3"]
    features = [[0.7 + row / 100, row / 100, row / 1_000] for row in rows]
    answer = SearchAnswer(rows=rows[:most], features=features[:most], error=None)
    monkeypatch.setattr(SearchClient, "search", lambda *_: answer)
    return {id_in(snapshot.teaser(row)): each for row, each in zip(rows, features, strict=True)}


@pytest.mark.parametrize(
    ("experiments", "policy", "most"),
    [(INTERLEAVED, None, 11), (LATEST_FIRST, None, 3), ("", "exploring", 11)],
)
def test_a_story_is_explained_by_its_own_numbers_whichever_selection_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiments: str, policy: str | None, most: int
) -> None:
    """One selection is of the candidate table, the other of a search: in another order, or with fewer candidates."""
    newsroom = made(tmp_path, experiments, EXPLORING)
    query: dict[str, Any] = {"explain": "true", "language": "en"} | ({"policy": policy} if policy else {})
    in_table = {
        each["teaser"]["id"]: each["explain"]
        for each in newsroom.list_of("ferry/3", policy="exploring", explain="true")["items"]
    }
    from_search = found_by_search(newsroom, monkeypatch, most)
    explained = {"table": 0, "search": 0}
    for number in range(30):
        for each in own_list(newsroom, f"u-{number}", **query)["items"]:
            identifier, told = each["teaser"]["id"], each["explain"]
            if each["source"] != "similar":
                continue
            relevance, dense, lexical = from_search[identifier]
            if told["relevance"] == pytest.approx(relevance, abs=1e-4):
                assert (told["dense"], told["lexical"]) == pytest.approx((dense, lexical), abs=1e-4)
                explained["search"] += 1
            else:
                own = in_table[identifier]
                assert [told[name] for name in ("relevance", "dense", "lexical")] == [
                    own[name] for name in ("relevance", "dense", "lexical")
                ]
                explained["table"] += 1
    assert min(explained.values()) > 0
    newsroom.close()


def test_an_interleaved_list_is_degraded_if_either_of_its_lists_is(tmp_path: Path) -> None:
    """No search process answers, and only the second policy's list is so short that it is asked for more."""
    newsroom = made(tmp_path, INTERLEAVED)
    found = own_list(newsroom, "u-1", language="en")
    assert found["degraded"] == ["search_unavailable"]
    assert logged(newsroom)[-1]["degraded"] == ["search_unavailable"]
    assert own_list(newsroom, "u-1", language="en", policy="related")["degraded"] is None
    newsroom.close()


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_pin_keeps_its_position_in_an_interleaved_list_and_counts_for_no_policy(
    tmp_path: Path, position: int
) -> None:
    newsroom = made(tmp_path, INTERLEAVED)
    newsroom.signals("ferry/3", {"kind": "pin", "target": "ferry/9", "position": position})
    for number in range(20):
        items = own_list(newsroom, f"u-{number}")["items"]
        assert len(items) == 6
        assert items[position - 1]["teaser"]["id"] == "ferry/9"
    assert {each["items"][position - 1]["team"] for each in logged(newsroom)} == {None}
    newsroom.close()


def test_an_interleaved_list_is_not_explored(tmp_path: Path) -> None:
    """Its stories are of two policies: what one of them explores has no probability there."""
    newsroom = made(tmp_path, INTERLEAVED.replace('policy = "related"', 'policy = "exploring"'), EXPLORING)
    for number in range(10):
        own_list(newsroom, f"u-{number}", limit=4)
    assert {each["variant"] for each in logged(newsroom)} == {"interleaved"}
    assert [each["propensities"] for each in logged(newsroom)] == [None] * 10
    newsroom.close()


def test_an_exploring_policy_says_how_likely_its_list_was(tmp_path: Path) -> None:
    newsroom = made(tmp_path, policies=EXPLORING)
    for number in range(20):
        own_list(newsroom, f"u-{number}", policy="exploring", limit=4)
    found = [each["propensities"] for each in logged(newsroom)]
    assert all(each[:2] == [1.0, 1.0] for each in found)
    assert {min(each) < 0.5 for each in found} == {True, False}  # some lists were exchanged in, some not
    assert newsroom.list_of("ferry/3", policy="exploring", limit=4) == newsroom.list_of(
        "ferry/3", policy="exploring", limit=4
    )
    newsroom.close()


def test_without_events_there_is_no_token_and_nothing_is_kept(tmp_path: Path) -> None:
    newsroom = made(tmp_path, EXPERIMENTS, events="off")
    found = own_list(newsroom, "u-1")
    assert (found["token"], found["experiment"]) == (None, "order")
    assert send(newsroom, {"kind": "view", "token": "x"}).get_json()["code"] == "events_off"
    assert not (newsroom.store.root / "events").exists()
    newsroom.close()


def test_a_log_that_cannot_be_written_costs_no_reader_the_list(tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_text("")
    newsroom = made(tmp_path, EXPERIMENTS, events=str(tmp_path / "no-folder"))
    found = own_list(newsroom, "u-1", policy="related")
    assert (len(found["items"]), found["token"]) == (6, None)
    assert "events cannot be kept" in newsroom.client.get("/readyz").get_json()["reason"]
    answer = send(newsroom, {"kind": "view", "token": "x"})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "event_log_unavailable")
    newsroom.close()


def test_pages_of_named_origins_may_read_the_answer(tmp_path: Path) -> None:
    newsroom = made(tmp_path, cors_origins=("https://paper.example",))
    answer = send(newsroom, {"kind": "view", "token": "x"}, headers={"Origin": "https://paper.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://paper.example"
    newsroom.close()


def test_workers_and_restarts_know_each_others_tokens(newsroom: Newsroom) -> None:
    token = own_list(newsroom, "u-1")["token"]
    newsroom.client = newsroom.worker()
    assert send(newsroom, {"kind": "view", "token": token}).get_json()["accepted"] == 1
