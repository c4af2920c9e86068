"""Events that are forged, tampered with, replayed or too late are counted for nothing; the genuine ones all are."""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from newsroom import Newsroom, story

from index.article import iso_time
from service.experiments.tokens import ListToken, Tokens

LISTS = 20
BATCH = 100


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path, log_level="error")
    newsroom.rebuild([story(f"ferry/{n}", "ferry river crossing", 10 + n) for n in range(12)])
    yield newsroom
    newsroom.close()


def own_lists(newsroom: Newsroom, unit: str) -> list[dict[str, Any]]:
    asked = [{"id": f"ferry/{n % 12}", "unit": f"{unit}-{n}"} for n in range(LISTS)]
    return [newsroom.client.get("/v1/related", query_string=each).get_json() for each in asked]


def flood(newsroom: Newsroom, forgeries: int) -> None:
    """Genuine events among so many that are not; looks at the log afterwards."""
    chance = random.Random(7)
    late = own_lists(newsroom, "late")
    newsroom.now += 25 * 3_600  # their tokens have expired
    lists = own_lists(newsroom, "now")
    genuine = [{"kind": "view", "token": each["token"]} for each in lists]
    genuine += [
        {"kind": "click", "token": each["token"], "article_id": item["teaser"]["id"]}
        for each in lists
        for item in each["items"][:2]
    ]
    assert _sent(newsroom, genuine) == [None] * len(genuine)
    refused = 0
    for _ in range(0, forgeries, BATCH):
        batch = [_forged(chance, lists, genuine) for _ in range(BATCH - 10)]
        assert None not in (codes := _sent(newsroom, batch)), batch[codes.index(None)]
        refused += len(batch)
        set_apart = [{"kind": "view", "token": chance.choice(late)["token"]} for _ in range(10)]
        _sent(newsroom, set_apart)  # taken in once each, and used for nothing
        refused += 10
    assert refused >= forgeries
    counted = [each for each in _logged(newsroom) if each["kind"] in ("view", "click") and not each["quarantine"]]
    assert len(counted) == len(genuine)
    assert {each["list_id"] for each in counted} == {each["list_id"] for each in lists}
    apart = [each for each in _logged(newsroom) if each.get("quarantine")]
    assert {each["quarantine"] for each in apart} == {"late"}
    assert len(apart) <= LISTS


def _forged(chance: random.Random, lists: list[dict[str, Any]], genuine: list[dict[str, Any]]) -> dict[str, Any]:
    """One of: a byte changed, cut off, content of another, signed by somebody else, made up, for a story that was not
    shown, sent before, with a wrong time."""
    found = chance.choice(lists)
    token, other = found["token"], chance.choice(lists)["token"]
    view = {"kind": "view", "token": token}
    match chance.randrange(8):
        case 0:
            raw = bytearray(urlsafe_b64decode(token))
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            return {**view, "token": urlsafe_b64encode(raw).decode()}
        case 1:
            return {**view, "token": token[: chance.randrange(len(token))]}
        case 2:
            changed = urlsafe_b64decode(token)[:16] + urlsafe_b64decode(other)[16:] + b"\0"
            return {**view, "token": urlsafe_b64encode(changed).decode()}
        case 3:
            content = msgspec.msgpack.decode(urlsafe_b64decode(token)[16:], type=ListToken)
            more = msgspec.structs.replace(content, expires_at=9e9, items=("ferry/1",))
            return {"kind": "click", "token": Tokens(chance.randbytes(32)).signed(more), "article_id": "ferry/1"}
        case 4:
            return {**view, "token": urlsafe_b64encode(chance.randbytes(chance.randrange(200))).decode()}
        case 5:
            return {"kind": "click", "token": token, "article_id": f"market/{chance.randrange(99)}"}
        case 6:
            return chance.choice(genuine)
        case _:
            return {**view, "occurred_at": chance.choice(["yesterday", "2026-13-01", "9999-01-01T00:00:00Z", "\0"])}


def _sent(newsroom: Newsroom, events: list[dict[str, Any]]) -> list[str | None]:
    answer = newsroom.client.post("/v1/events", data=msgspec.json.encode({"events": events}))
    assert answer.status_code == 202, answer.text
    codes: list[str | None] = [None] * len(events)
    for each in answer.get_json()["refused"]:
        codes[each["index"]] = each["code"]
    return codes


def _logged(newsroom: Newsroom) -> list[dict[str, Any]]:
    folder = newsroom.store.root / "events"
    return [msgspec.json.decode(each) for path in folder.glob("*.jsonl") for each in path.read_bytes().splitlines()]


def test_of_two_thousand_false_events_none_counts_and_all_genuine_ones_do(newsroom: Newsroom) -> None:
    flood(newsroom, 2_000)


@pytest.mark.proof
def test_of_a_hundred_thousand_false_events_none_counts_and_all_genuine_ones_do(newsroom: Newsroom) -> None:
    flood(newsroom, 100_000)


def test_an_event_of_tomorrow_is_set_apart(newsroom: Newsroom) -> None:
    (found, *_) = own_lists(newsroom, "early")
    assert _sent(
        newsroom, [{"kind": "view", "token": found["token"], "occurred_at": iso_time(newsroom.now + 86_400)}]
    ) == [None]
    assert [each["quarantine"] for each in _logged(newsroom) if each["kind"] == "view"] == ["future"]
