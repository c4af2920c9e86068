"""Editors' signals are checked where they enter; what the live store hands out is ready to be used."""

from __future__ import annotations

import msgspec
import pytest

from index.article import Article, Image, article_version
from service.live_store.changes import InvalidSignals, Signal, read_signals, summary_of


def read_one(**entry: object) -> Signal:
    (signal,) = read_signals(msgspec.json.encode({"signals": [entry]}))
    return signal


def test_every_kind_of_signal_is_read_as_it_was_meant() -> None:
    raw = b"""{"signals": [
        {"kind": "pin", "target": "story/7", "position": 1, "note": " the court case "},
        {"kind": "boost", "multiplier": 10},
        {"kind": "bury", "target": 42, "multiplier": 0},
        {"kind": "exclude", "target": "story/8", "valid_from": "2026-11-24T10:00:00+01:00", "valid_until": 1800000000}
    ]}"""
    assert read_signals(raw) == (
        Signal(kind="pin", target="story/7", position=1, note="the court case"),
        Signal(kind="boost", multiplier=10.0),
        Signal(kind="bury", target="42", multiplier=0.0),
        Signal(kind="exclude", target="story/8", valid_from=1_795_510_800, valid_until=1_800_000_000),
    )


def test_an_empty_set_is_a_set() -> None:
    assert read_signals(b'{"signals": []}') == ()


@pytest.mark.parametrize("position", [1, 50])
def test_a_pin_goes_to_a_position_from_1_to_50(position: int) -> None:
    assert read_one(kind="pin", target="a", position=position).position == position


@pytest.mark.parametrize(("kind", "multiplier"), [("boost", 1), ("boost", 10), ("bury", 0), ("bury", 0.9)])
def test_multipliers_may_be_at_the_ends_of_their_range(kind: str, multiplier: float) -> None:
    assert read_one(kind=kind, multiplier=multiplier).multiplier == multiplier


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, ": Object missing required field `kind`"),
        ({"kind": "promote"}, ": Invalid enum value 'promote' - at `$.kind`"),
        ({"kind": "exclude", "targets": "a"}, ": Object contains unknown field `targets`"),
        ({"kind": "pin", "target": "a"}, ".position: a pin needs one from 1 to 50"),
        ({"kind": "pin", "target": "a", "position": 0}, ".position: a pin needs one from 1 to 50"),
        ({"kind": "pin", "target": "a", "position": 51}, ".position: a pin needs one from 1 to 50"),
        ({"kind": "pin", "target": "a", "position": True}, ": Expected `int | null`, got `bool` - at `$.position`"),
        ({"kind": "pin", "position": 1}, ".target: a pin needs the ID of the article to pin"),
        ({"kind": "exclude", "position": 1}, ".position: only a pin has one"),
        ({"kind": "exclude", "multiplier": 0.5}, ".multiplier: only boost and bury have one"),
        ({"kind": "boost"}, ".multiplier: a boost needs one from 1 to 10"),
        ({"kind": "boost", "multiplier": 0.99}, ".multiplier: a boost needs one from 1 to 10"),
        ({"kind": "boost", "multiplier": 10.5}, ".multiplier: a boost needs one from 1 to 10"),
        ({"kind": "bury", "multiplier": 0.95}, ".multiplier: a bury needs one from 0 to 0.9"),
        ({"kind": "bury", "multiplier": -1}, ".multiplier: a bury needs one from 0 to 0.9"),
        ({"kind": "exclude", "target": " "}, ".target: is blank"),
        ({"kind": "exclude", "valid_from": "soon"}, ".valid_from: 'soon' is not a date (ISO 8601 or RFC 2822)"),
        ({"kind": "exclude", "valid_from": 10**6, "valid_until": 10**6}, ".valid_until: must lie after valid_from"),
        ({"kind": "exclude", "note": "x" * 501}, ".note: is longer than 500 characters (501)"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_entry_and_the_reason(
    entry: dict[str, object], message: str
) -> None:
    raw = msgspec.json.encode({"signals": [{"kind": "exclude"}, entry]})
    with pytest.raises(InvalidSignals) as refused:
        read_signals(raw)
    assert str(refused.value) == f"signals[1]{message}"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"signals": {}}', b'{"signals": [], "more": 1}', b"\xff"])
def test_a_body_of_another_shape_is_refused_with_the_shape_it_must_have(raw: bytes) -> None:
    with pytest.raises(InvalidSignals, match=r'^the body must be \{"signals": \[\.\.\.\]\}: '):
        read_signals(raw)


def test_a_hundred_signals_are_enough_for_an_article() -> None:
    entries = [{"kind": "exclude", "target": str(number)} for number in range(101)]
    assert len(read_signals(msgspec.json.encode({"signals": entries[:100]}))) == 100
    with pytest.raises(InvalidSignals, match="at most 100 signals, not 101"):
        read_signals(msgspec.json.encode({"signals": entries}))


def test_a_summary_has_the_teaser_ready_made_and_never_the_body() -> None:
    article = Article(
        id="a",
        headline="Cannery to close",
        body="BODY",
        url="/a",
        aliases=("old",),
        section="business",
        language="en",
        type="news",
        brand="courier",
        image=Image("/a.jpg"),
        published_at=100,
        embargo_until=200,
        evergreen=True,
    )
    summary = summary_of(article)
    assert bytes(summary.teaser) == msgspec.json.encode(article.teaser())
    assert bytes(summary.teaser).startswith(b'{"id":"a",')
    assert b"BODY" not in msgspec.json.encode(summary)
    assert (summary.url, summary.aliases, summary.section, summary.language) == ("/a", ("old",), "business", "en")
    assert (summary.type, summary.brand, summary.published_at, summary.visible_from) == ("news", "courier", 100, 200)
    assert (summary.evergreen, summary.version) == (True, article_version(article))
