"""Owns what an editor wants of a list: signals as a form asks for them, and as a page tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from index.article import iso_time
from service.archive import Archive
from service.console.browsing import story
from service.live.changes import InvalidSignals, Signal, SignalSet, read_signals
from service.live.store import LiveStore

HOUR = 3_600
UNTIL = {
    "1h": ("for an hour", HOUR),
    "6h": ("for six hours", 6 * HOUR),
    "24h": ("for a day", 24 * HOUR),
    "7d": ("for a week", 7 * 24 * HOUR),
    "30d": ("for a month", 30 * 24 * HOUR),
    "": ("until somebody removes it", None),
}
WISHES = {
    "boost:2": "Boost × 2",
    "boost:5": "Boost × 5",
    "bury:0.5": "Bury × 0.5",
    "bury:0.1": "Bury × 0.1",
    "exclude": "Leave out",
}
_SAME = {"boost": ("boost", "bury"), "bury": ("boost", "bury")}  # a story is boosted or buried, not both


class Wish(NamedTuple):
    """A signal, and whose set it goes to: that of the article whose list it is, or the story’s own for all lists."""

    owner: str
    signal: Signal


def wish(form: Mapping[str, str], now: int) -> Wish:
    """What a form asks for: `do` is "pin" (with `position`), or one of `WISHES`. Raises `InvalidSignals`."""
    kind, _, multiplier = form.get("do", "").partition(":")
    here = kind == "pin" or form.get("where") == "here"
    asked: dict[str, Any] = {"kind": kind, "note": form.get("note", "")}
    if here:
        asked["target"] = form.get("story", "")
    if kind == "pin":
        asked["position"] = int(_number("position", form.get("position", "")))
    elif multiplier:
        asked["multiplier"] = _number("do", multiplier)
    seconds = UNTIL.get(form.get("until", ""), ("", None))[1]
    if seconds is not None:
        asked["valid_until"] = now + seconds
    signal = read_signals(msgspec.json.encode({"signals": [asked]}))[0]
    return Wish(form.get("article" if here else "story", ""), signal)


def with_wish(held: Sequence[Signal], signal: Signal) -> tuple[Signal, ...]:
    """The set with the signal, in the place of one of its sort for the same story."""
    same = _SAME.get(signal.kind, (signal.kind,))
    others = [each for each in held if each.target != signal.target or each.kind not in same]
    return (*others, signal)


def told(archive: Archive, held: SignalSet | None, now: int) -> list[dict[str, Any]]:
    """The signals of one article for a page: what each does, to what, until when; `at` is its place in the set."""
    return [_told(archive, signal, at, now) for at, signal in enumerate(held.signals if held else ())]


def history(store: LiveStore, article_id: str, most: int = 10) -> list[dict[str, Any]]:
    """What was done to an article, newest first."""
    return [
        {"at": iso_time(entry.at), "by": entry.by, "action": entry.action, "note": entry.note}
        for entry in store.audit_of(article_id, most)
    ]


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidSignals(f"{name}: must be a number, not {text[:20]!r}") from None


def _told(archive: Archive, signal: Signal, at: int, now: int) -> dict[str, Any]:
    row = None if signal.target is None else archive.row_of_id(signal.target)
    ended = signal.valid_until is not None and signal.valid_until <= now
    return {
        "at": at,
        "does": _does(signal),
        "target": signal.target,
        "headline": None if row is None else story(archive, row, now).get("headline"),
        "state": "ended" if ended else "planned" if (signal.valid_from or 0) > now else "holds",
        "until": None if signal.valid_until is None else iso_time(signal.valid_until),
        "note": signal.note,
    }


def _does(signal: Signal) -> str:
    if signal.kind == "pin":
        return f"pinned at {signal.position}"
    if signal.kind == "exclude":
        return "left out"
    return f"{signal.kind}{'ed' if signal.kind == 'boost' else ''} × {signal.multiplier:g}".replace("bury", "buried")
