"""Signed webhooks: only what the holder of the secret sent just now is believed; wrong events are named."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.article import article_from_record
from service.auth.webhook_signatures import SIGNATURE, TIMESTAMP, BadWebhook, Event, read_events, sign, verify

SECRET = "k" * 40
NOW = 1_795_510_800
BODY = b'{"action": "withdraw", "id": "news/1"}'
# printf '%s.%s' 1795510800 "$BODY" | openssl dgst -sha256 -hmac "$SECRET"
KNOWN = "sha256=5b0b86cf4171bd8c400ef06eefef21d93393fd843ed207c82e725299f2fbdf75"


def refused(timestamp: str, signature: str, body: bytes = BODY, now: int = NOW, secret: str = SECRET) -> str:
    """The code with which it is refused."""
    with pytest.raises(BadWebhook) as error:
        verify(secret, timestamp, signature, body, now)
    assert str(error.value)
    return error.value.code


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    assert sign(SECRET, NOW, BODY) == {TIMESTAMP: "1795510800", SIGNATURE: KNOWN}
    assert verify(SECRET, str(NOW), KNOWN, BODY, NOW) == KNOWN


@settings(deadline=None)
@given(st.text(min_size=1), st.integers(0, 2**40), st.binary())
def test_what_is_signed_is_believed_and_told_apart_by_its_signature(secret: str, timestamp: int, body: bytes) -> None:
    headers = sign(secret, timestamp, body)
    message = str(timestamp).encode() + b"." + body
    expected = "sha256=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    assert verify(secret, headers[TIMESTAMP], headers[SIGNATURE], body, timestamp) == expected


@settings(deadline=None)
@given(st.binary(min_size=1), st.data())
def test_a_body_with_one_byte_changed_is_refused(body: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([body[at] ^ draw.draw(st.integers(1, 255))]) + body[at + 1 :]
    headers = sign(SECRET, NOW, body)
    assert refused(headers[TIMESTAMP], headers[SIGNATURE], changed) == "wrong_signature"


@pytest.mark.parametrize("header", [TIMESTAMP, SIGNATURE])
@settings(deadline=None)
@given(st.data())
def test_a_header_with_one_byte_changed_is_refused(header: str, draw: st.DataObject) -> None:
    headers = sign(SECRET, NOW, BODY)
    text = headers[header]
    at = draw.draw(st.integers(0, len(text) - 1))
    byte = draw.draw(st.integers(0, 255).filter(lambda byte: byte != ord(text[at])))
    headers[header] = text[:at] + chr(byte) + text[at + 1 :]
    assert refused(headers[TIMESTAMP], headers[SIGNATURE]).startswith(
        ("wrong_signature", header.split("-")[2].lower())
    )


def test_the_point_between_timestamp_and_body_cannot_be_moved() -> None:
    headers = sign(SECRET, 179551, b"0800." + BODY)
    assert refused("179551.0800"[:6], headers[SIGNATURE], b"0800" + BODY, 179551) == "wrong_signature"
    assert refused("1795510800", headers[SIGNATURE]) == "wrong_signature"


def test_another_secret_is_refused() -> None:
    headers = sign(SECRET, NOW, BODY)
    assert refused(headers[TIMESTAMP], headers[SIGNATURE], secret=SECRET + "x") == "wrong_signature"


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_a_webhook_is_believed_within_five_minutes_of_its_time(late: int) -> None:
    headers = sign(SECRET, NOW, BODY)
    assert verify(SECRET, headers[TIMESTAMP], headers[SIGNATURE], BODY, NOW + late) == headers[SIGNATURE]


@pytest.mark.parametrize("late", [-301, 301, 10**9])
def test_a_webhook_beyond_five_minutes_of_its_time_is_refused_either_way(late: int) -> None:
    headers = sign(SECRET, NOW, BODY)
    assert refused(headers[TIMESTAMP], headers[SIGNATURE], now=NOW + late) == "wrong_time"


@pytest.mark.parametrize(
    ("timestamp", "signature", "code"),
    [
        ("", KNOWN, "timestamp_missing"),
        ("soon", KNOWN, "timestamp_missing"),
        ("-5", KNOWN, "timestamp_missing"),
        ("1795510800.0", KNOWN, "timestamp_missing"),
        ("1795510800\n", KNOWN, "timestamp_missing"),
        ("²", KNOWN, "timestamp_missing"),
        ("9" * 5_000, KNOWN, "timestamp_missing"),
        (str(NOW), "", "signature_missing"),
        (str(NOW), KNOWN.removeprefix("sha256="), "signature_missing"),
        (str(NOW), KNOWN.upper(), "signature_missing"),
        (str(NOW), KNOWN[:-1], "signature_missing"),
        (str(NOW), KNOWN + "\n", "signature_missing"),
        (str(NOW), "sha256=" + "é" * 64, "signature_missing"),
        (str(NOW), KNOWN.replace("sha256", "sha1"), "signature_missing"),
    ],
)
def test_a_header_that_is_missing_or_malformed_is_named(timestamp: str, signature: str, code: str) -> None:
    assert refused(timestamp, signature) == code


def test_the_events_of_a_webhook_come_in_their_order() -> None:
    record = {"id": 7, "headline": "Ferry  timetable", "published_at": "2026-11-24T09:00:00Z"}
    body = {
        "events": [
            {"action": "publish", "article": record},
            {"action": "withdraw", "id": "news/2", "note": " legal\n reasons\0"},
            {"action": "withdraw", "id": 8},
        ]
    }
    assert read_events(msgspec.json.encode(body)) == (
        Event("7", article_from_record(record)),
        Event("news/2", None, "legal reasons"),
        Event("8", None, ""),
    )


def test_a_single_event_may_be_the_whole_body() -> None:
    assert read_events(BODY) == (Event("news/1", None, ""),)


WITHDRAWAL = {"action": "withdraw", "id": "a"}


def publishing(**record: Any) -> dict[str, Any]:
    return {"action": "publish", "article": {"id": "a", "headline": "H"} | record}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"events": []}, "A webhook has 1 to 100 events, not 0"),
        ({"events": [WITHDRAWAL] * 101}, "A webhook has 1 to 100 events, not 101"),
        ({"events": WITHDRAWAL}, "The body holds no events: Expected `array`, got `object`"),
        ({"events": [WITHDRAWAL], "at": 1}, "The body holds no events: Object contains unknown field `at`"),
        ([WITHDRAWAL], "The body holds no events: Expected `object`, got `array`"),
        ({"id": "a"}, "events[0]: Object missing required field `action`"),
        ({"action": "explode", "id": "a"}, "events[0].action: Invalid value 'explode'"),
        ({"action": "withdraw"}, "events[0]: Object missing required field `id`"),
        ({"action": "publish"}, "events[0]: Object missing required field `article`"),
        ({"action": "publish", "article": 7}, "events[0].article: Expected `object`, got `int`"),
        ({**publishing(), "id": "b"}, "events[0]: Object contains unknown field `id`"),
        ({"events": [WITHDRAWAL, 7]}, "events[1]: Expected `object`, got `int`"),
        ({"events": [WITHDRAWAL, {**WITHDRAWAL, "id": " "}]}, "events[1].id: is blank"),
        ({"events": [WITHDRAWAL, {**WITHDRAWAL, "id": True}]}, "events[1].id: Expected `int | str`, got `bool`"),
        ({**WITHDRAWAL, "note": "x" * 501}, "events[0].note: is longer than 500 characters (501)"),
        ({"events": [publishing(), publishing(headline="")]}, "events[1].article.headline: is blank"),
        (publishing(published_at="soon"), "events[0].article.published_at: 'soon' is not a date"),
        (publishing(title="T"), "events[0].article.title: is no field of an article"),
    ],
)
def test_what_is_wrong_is_named_by_position_and_field(body: Any, told: str) -> None:
    with pytest.raises(BadWebhook) as error:
        read_events(msgspec.json.encode(body))
    assert error.value.code == "invalid_events"
    assert told in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"events": [NaN]}',
        b'{"action": "withdraw", "id": "\xff"}',
        b'{"events": ' + b"[" * 100_000,
    ],
)
def test_what_is_not_json_holds_no_events(body: bytes) -> None:
    with pytest.raises(BadWebhook) as error:
        read_events(body)
    assert error.value.code == "invalid_events"


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_no_body_makes_it_fail_otherwise(body: bytes) -> None:
    with pytest.raises(BadWebhook):
        read_events(body)
