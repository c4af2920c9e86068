"""Owns what an editor wants of a list: signals as a form asks for them, and as a page tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from index.article import iso_time
from service.archive.view import Archive
from service.console.browsing import story
from service.live_store.changes import MAX_SIGNALS, InvalidSignals, Signal, SignalSet, read_signals

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
_SAME = {
    "boost": ("boost", "bury", "exclude"),
    "bury": ("boost", "bury", "exclude"),
    "pin": ("pin", "exclude"),
    "exclude": ("boost", "bury", "pin", "exclude"),
}  # what a new wish for a story takes the place of


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
        asked["position"] = _number("position", form.get("position", ""), int)
    elif multiplier:
        asked["multiplier"] = _number("do", multiplier)
    until = form.get("until", "")
    if until not in UNTIL:
        raise InvalidSignals(f"until: {until[:20]!r} is none of {', '.join(filter(None, UNTIL))}")
    seconds = UNTIL[until][1]
    if seconds is not None:
        asked["valid_until"] = now + seconds
    signal = read_signals(msgspec.json.encode({"signals": [asked]}))[0]
    return Wish(form.get("article" if here else "story", ""), signal)


def with_wish(held: Sequence[Signal], signal: Signal, now: int) -> tuple[Signal, ...]:
    """The set with the signal, in the place of one of its sort for the same story."""
    same = _SAME.get(signal.kind, (signal.kind,))
    going_on = [each for each in held if each.valid_until is None or each.valid_until > now]
    others = [each for each in going_on if each.target != signal.target or each.kind not in same]
    if len(others) >= MAX_SIGNALS:
        raise InvalidSignals(f"an article can have at most {MAX_SIGNALS} signals: remove some first")
    return (*others, signal)


def told(archive: Archive, held: SignalSet | None, now: int) -> list[dict[str, Any]]:
    """The signals of one article for a page: what each does, to what, until when; `at` is its place in the set."""
    return [_told(archive, signal, at, now) for at, signal in enumerate(held.signals if held else ())]


def _number(name: str, text: str, kind: type[int] | type[float] = float) -> float:
    try:
        number = kind(text)
        if not -1_000 < number < 1_000:  # nor nan
            raise ValueError
        return number
    except ValueError:
        raise InvalidSignals(f"{name}: must be a number, not {text[:20]!r}") from None


def _told(archive: Archive, signal: Signal, at: int, now: int) -> dict[str, Any]:
    row = None if signal.target is None else archive.row_of_id(signal.target)
    row = None if row is None or archive.own_id(row) is None else row  # only its withdrawal is known
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
