"""Reads and replaces the editorial signals of articles in the live store, with their history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from index.article import iso_time
from service.api.article_writer import ArticleWriter
from service.api.context import Wiring
from service.archive.history import sentences
from service.archive.view import Archive
from service.auth.api_keys import Key
from service.http.problems import ProblemFound
from service.live_store.changes import (
    NO_SIGNALS_VERSION,
    AuditEntry,
    Signal,
    SignalChange,
    SignalSet,
    Written,
)
from service.recommend.pins import PinFault, pin_faults


class MayNotShow(Exception):
    """Pins that do not show yet, or only in longer lists: `faults`."""

    def __init__(self, faults: Sequence[PinFault]) -> None:
        super().__init__(" ".join(map(str, faults)))
        self.faults = faults


class SignalEditor:
    """Changes the signals of articles, and reads them with their history."""

    def __init__(self, wiring: Wiring, writer: ArticleWriter) -> None:
        self._wiring = wiring
        self._writer = writer

    def change(
        self,
        article_id: str,
        change: Callable[[tuple[Signal, ...]], Sequence[Signal]],
        key: Key,
        expected: str | None,
        sure: bool = True,
    ) -> tuple[Written, list[str]]:
        """Give an article the signals that `change` makes of those it has; also gives warnings of pins.

        Nobody else writes between the two, so of several changes at once none is lost. Raises `ProblemFound`,
        `VersionConflict`, and `MayNotShow`, with nothing changed, for warnings unless `sure`.
        """
        self._wiring.catalogue.catch_up()  # a pin is judged by what another editor has just changed, too
        archive, at = self._writer.archive(), self._wiring.clock()
        article_id, former = signals_names(archive, article_id)
        with self._writer.store.transaction() as store:
            if key.brand:
                self._writer.check_brand(store, article_id, key, archive)
            held = store.signals_of(article_id, former)
            before = tuple(_on_own_id(archive, signal) for signal in (held.signals if held else ()))
            signals = [_on_own_id(archive, signal) for signal in change(before)]
            faults = _checked_pins(archive, article_id, signals, before, at)
            if faults and not sure:
                raise MayNotShow(faults)
            written = store.set_signals(article_id, signals, by=key.name, at=at, expected=expected, former=former)
        self._wiring.catalogue.catch_up()
        return written, [str(fault) for fault in faults]

    def signals_and_history(self, article_id: str, most: int = 50) -> tuple[SignalSet, list[dict[str, Any]]]:
        """The signals of an article, and what was done to it, by whom, newest first."""
        archive = self._writer.archive()
        article_id, former = signals_names(archive, article_id)
        held = self._writer.store.signals_of(article_id, former) or SignalSet(article_id, 0, (), NO_SIGNALS_VERSION)
        entries = self._writer.store.audit_of(article_id, most, former)
        return held, [_told(archive, entry) for entry in entries]


def signals_names(archive: Archive | None, article_id: str) -> tuple[str, list[str]]:
    """The ID that an article's signals are kept under, and former names of it that signals were given under."""
    row = archive.row_named(article_id) if archive else None
    own_id = archive.own_id(row) if archive and row is not None else None
    if archive is None or row is None or own_id is None:
        return article_id, []
    return own_id, archive.signals_under_former_names(row, own_id)


def _on_own_id(archive: Archive | None, signal: Signal) -> Signal:
    """The signal with its target by its own ID, where the article is known."""
    if signal.target is None:
        return signal
    return msgspec.structs.replace(signal, target=signals_names(archive, signal.target)[0])


def _checked_pins(
    archive: Archive | None, article_id: str, signals: Sequence[Signal], held: Sequence[Signal], now: int
) -> list[PinFault]:
    """Why new pins do not show yet. Raises `ProblemFound` 422 for one that cannot show."""
    row = archive.row_named(article_id) if archive else None
    faults = list(pin_faults(archive, row, signals, held, now)) if archive and row is not None else []
    for fault in faults:
        if fault.final:
            raise ProblemFound(422, "pin_cannot_show", str(fault))
    return faults


def _told(archive: Archive | None, entry: AuditEntry) -> dict[str, Any]:
    """An entry of the audit: who did what, when, as sentences too, and the signals added and removed."""

    def headline(name: str) -> str | None:
        row = archive.row_named(name) if archive else None
        if archive is None or row is None or archive.own_id(row) is None:
            return None
        return str(msgspec.json.decode(archive.teaser(row))["headline"])

    change = entry.change or SignalChange((), ())
    return {
        "at": iso_time(entry.at),
        "by": entry.by,
        "action": entry.action,
        "note": entry.note,
        "text": sentences(entry, headline),
        "added": [signal_json(signal) for signal in change.added],
        "removed": [signal_json(signal) for signal in change.removed],
    }


def signal_json(signal: Signal) -> dict[str, Any]:
    """The signal as the API shows it: without unset fields, times in ISO 8601."""
    return {
        **{name: value for name, value in msgspec.structs.asdict(signal).items() if value is not None},
        **{name: iso_time(getattr(signal, name)) for name in ("valid_from", "valid_until")},
    }
