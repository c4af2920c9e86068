"""The history of an article as sentences: who did what to it, and which signals were added or removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from service.live_store.changes import AuditEntry, Signal, SignalChange

_ACTIONS = {
    "publish": "published this article or an update of it",
    "withdraw": "withdrew this article",
    "erase": "erased this article",
    "signals": "changed the signals",
}


def moment(seconds: int) -> str:
    """A time for people to read: 3 December 2026, 18:00 UTC."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def sentences(entry: AuditEntry, headline: Callable[[str], str | None]) -> list[str]:
    """What an entry of the audit says, a sentence for each thing done; `headline` of an ID, None where unknown."""
    told = [] if entry.change is None else list(_changes(entry.change, entry.at, headline))
    note = f": {entry.note}" if entry.note else ""
    return [f"{entry.by} {each}" for each in told] or [f"{entry.by} {_ACTIONS.get(entry.action, entry.action)}{note}"]


def _changes(change: SignalChange, at: int, headline: Callable[[str], str | None]) -> Iterator[str]:
    """Verb phrases. A signal that takes the place of one of its kind for the same story is told as one change."""
    removed = {(each.kind, each.target): each for each in change.removed}
    for signal in change.added:
        before = removed.pop((signal.kind, signal.target), None)
        what, note = _what(signal, headline), f": {signal.note}" if signal.note else ""
        if before is None or signal.kind == "exclude":
            done = f"{_VERBS[signal.kind]} {what}{_measure(signal)}"
        else:
            done = f"changed the {_NOUNS[signal.kind]} of {what} to{_measure(signal).removeprefix(' at')}"
        yield f"{done}{_term(signal, at)}{note}"
    for signal in removed.values():
        what = _what(signal, headline)
        if signal.valid_until is not None and signal.valid_until <= at:
            yield f"cleared the ended {_NOUNS[signal.kind]} of {what}"
        elif signal.kind == "pin":
            yield f"removed the pin of {what}{_measure(signal)}"
        else:
            yield f"removed the {_NOUNS[signal.kind]}{_measure(signal)} of {what}"


_VERBS = {"pin": "pinned", "boost": "boosted", "bury": "buried", "exclude": "left out"}
_NOUNS = {"pin": "pin", "boost": "boost", "bury": "burial", "exclude": "exclusion"}


def _what(signal: Signal, headline: Callable[[str], str | None]) -> str:
    if signal.target is None:
        return "this article in all lists"
    return f"“{headline(signal.target) or signal.target}”"


def _measure(signal: Signal) -> str:
    if signal.kind == "pin":
        return f" at position {signal.position}"
    return "" if signal.multiplier is None else f" × {signal.multiplier:g}"


def _term(signal: Signal, at: int) -> str:
    begins = f" from {moment(signal.valid_from)}" if signal.valid_from is not None and signal.valid_from > at else ""
    return begins + ("" if signal.valid_until is None else f" until {moment(signal.valid_until)}")
