"""Owns what editors' signals mean for one list: multipliers, exclusions and pins, as of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from service.live.changes import Signal, SignalSet


class ListSignals(NamedTuple):
    """What holds in one list. `excluded`: rows. `pins`: (position, row), by rising position."""

    multipliers: Mapping[int, float]
    excluded: frozenset[int]
    pins: tuple[tuple[int, int], ...]


NO_SIGNALS = ListSignals({}, frozenset(), ())


class Signals:
    """All sets of signals, by the row they were given for; those for unknown articles wait."""

    def __init__(self, sets: Mapping[str, SignalSet], row_of_id: Callable[[str], int | None]) -> None:
        self._row_of_id = row_of_id
        self._sets = {row: held.signals for key, held in sets.items() if (row := row_of_id(key)) is not None}
        self._everywhere: tuple[int, ListSignals] = (-1, NO_SIGNALS)

    def of_list(self, source_row: int, now: int) -> ListSignals:
        """What holds in the list of a row at `now` (epoch seconds)."""
        if not self._sets:
            return NO_SIGNALS
        everywhere, given = self.everywhere(now), self._sets.get(source_row)
        if given is None:
            return everywhere
        here = [
            (signal, self._row_of_id(signal.target)) for signal in _valid(given, now) if signal.target is not None
        ]
        return _together(everywhere, ((signal, row) for signal, row in here if row is not None))

    def everywhere(self, now: int) -> ListSignals:
        """What holds in all lists."""
        known_at, known = self._everywhere  # one read: another thread may exchange both meanwhile
        if known_at != now:
            pairs = ((signal, row) for row, given in self._sets.items() for signal in _valid(given, now))
            known = _together(NO_SIGNALS, ((signal, row) for signal, row in pairs if signal.target is None))
            self._everywhere = (now, known)
        return known


def _valid(signals: Iterable[Signal], now: int) -> Iterator[Signal]:
    """Those that hold at `now`; they begin with the minute they name, for lists are kept by the minute."""
    for signal in signals:
        begun = signal.valid_from is None or signal.valid_from - signal.valid_from % 60 <= now
        if begun and (signal.valid_until is None or now < signal.valid_until):
            yield signal


def _together(base: ListSignals, given: Iterable[tuple[Signal, int]]) -> ListSignals:
    multipliers, excluded, pins = dict(base.multipliers), set(base.excluded), list(base.pins)
    for signal, row in given:
        if signal.kind == "exclude":
            excluded.add(row)
        elif signal.kind == "pin":
            pins.append((signal.position or 1, row))
        else:
            multipliers[row] = multipliers.get(row, 1.0) * (1.0 if signal.multiplier is None else signal.multiplier)
    return ListSignals(multipliers, frozenset(excluded), tuple(sorted(pins)))
