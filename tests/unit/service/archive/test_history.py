"""The history of an article: each kind of signal, added, changed, ended and removed, reads as a sentence."""

from __future__ import annotations

import pytest

from service.archive.history import moment, sentences
from service.live_store.changes import AuditEntry, Signal, SignalChange

AT = 1_795_510_800  # 24 November 2026, 09:00 UTC
PIN = Signal(kind="pin", target="ferry", position=2, valid_until=AT + 86_400, note="for the evening")
BOOST = Signal(kind="boost", multiplier=2.0)
BURY = Signal(kind="bury", target="rumour", multiplier=0.5, valid_from=AT + 3_600)
EXCLUDE = Signal(kind="exclude", target="ferry")


def told(added: tuple[Signal, ...], removed: tuple[Signal, ...] = (), at: int = AT) -> list[str]:
    entry = AuditEntry(at, "mara", "signals", "cannery", "", change=SignalChange(added, removed))
    return sentences(entry, {"ferry": "Ferry stops"}.get)


@pytest.mark.parametrize(
    ("added", "removed", "sentence"),
    [
        (PIN, None, "mara pinned “Ferry stops” at position 2 until 25 November 2026, 09:00 UTC: for the evening"),
        (BOOST, None, "mara boosted this article in all lists × 2"),
        (BURY, None, "mara buried “rumour” × 0.5 from 24 November 2026, 10:00 UTC"),
        (EXCLUDE, None, "mara left out “Ferry stops”"),
        (Signal(kind="pin", target="ferry", position=1), PIN, "mara changed the pin of “Ferry stops” to position 1"),
        (
            Signal(kind="boost", multiplier=5.0, note="big day"), BOOST,
            "mara changed the boost of this article in all lists to × 5: big day",
        ),
        (None, PIN, "mara removed the pin of “Ferry stops” at position 2"),
        (None, BOOST, "mara removed the boost × 2 of this article in all lists"),
        (None, BURY, "mara removed the burial × 0.5 of “rumour”"),
        (None, EXCLUDE, "mara removed the exclusion of “Ferry stops”"),
    ],
)  # fmt: skip
def test_each_change_is_a_sentence(added: Signal | None, removed: Signal | None, sentence: str) -> None:
    assert told((added,) if added else (), (removed,) if removed else ()) == [sentence]


def test_a_signal_that_had_ended_is_said_to_have() -> None:
    assert told((), (PIN,), at=AT + 86_400) == ["mara cleared the ended pin of “Ferry stops”"]


def test_signals_of_which_an_erasure_left_nothing_are_said_to_have_changed() -> None:
    assert told(()) == ["mara changed the signals"]
    erased = AuditEntry(AT, "mara", "signals", "0f" * 16, "")
    assert sentences(erased, lambda _: None) == ["mara changed the signals"]


@pytest.mark.parametrize(
    ("action", "note", "sentence"),
    [
        ("publish", "", "cms published this article or an update of it"),
        ("withdraw", "legal", "cms withdrew this article: legal"),
        ("erase", "", "cms erased this article"),
    ],
)
def test_what_is_done_to_an_article_is_a_sentence(action: str, note: str, sentence: str) -> None:
    assert sentences(AuditEntry(AT, "cms", action, "cannery", note), lambda _: None) == [sentence]


def test_a_moment_is_written_for_people() -> None:
    assert moment(1_796_320_800) == "3 December 2026, 18:00 UTC"
