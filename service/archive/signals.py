"""Resolves editors' signals for one list: multipliers, exclusions and pins, as of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from service.live_store.changes import Signal, SignalSet

MOST = 10.0  # what several boosts of one story come to


class ListSignals(NamedTuple):
    """What holds in one list. `excluded`: rows. `pins`: (position, row), by rising position."""

    multipliers: Mapping[int, float]
    excluded: frozenset[int]
    pins: tuple[tuple[int, int], ...]


NO_SIGNALS = ListSignals({}, frozenset(), ())


class Signals:
    """All sets of signals, by the row they were given for; those for unknown articles wait."""

    def __init__(self, sets: Mapping[str, SignalSet], row_named: Callable[[str], int | None]) -> None:
        """`row_named`: the row of an ID, an alias or an address, under any of which signals may have been given."""
        self._here: dict[int, list[tuple[Signal, int]]] = {}
        self._everywhere: list[tuple[Signal, int]] = []
        for article_id, given in sets.items():
            row = row_named(article_id)
            for signal in given.signals if row is not None else ():
                target = row if signal.target is None else row_named(signal.target)
                if row is not None and target is not None:
                    in_one_list = signal.target is not None
                    (self._here.setdefault(row, []) if in_one_list else self._everywhere).append((signal, target))
        self._kept: tuple[int, ListSignals] = (-1, NO_SIGNALS)

    def of_list(self, source_row: int, now: int) -> ListSignals:
        """What holds in the list of a row at `now` (epoch seconds)."""
        given, everywhere = self._here.get(source_row), self.everywhere(now)
        return everywhere if given is None else _together(everywhere, _valid(given, now))

    def everywhere(self, now: int) -> ListSignals:
        """What holds in all lists."""
        if not self._everywhere:
            return NO_SIGNALS
        known_at, known = self._kept  # one read: another thread may exchange both meanwhile
        if known_at != now:
            known = _together(NO_SIGNALS, _valid(self._everywhere, now))
            self._kept = (now, known)
        return known


def holds(signal: Signal, now: int) -> bool:
    """Whether a signal acts at `now`; it begins with the minute it names, for lists are kept by the minute."""
    begun = signal.valid_from is None or signal.valid_from - signal.valid_from % 60 <= now
    return begun and (signal.valid_until is None or now < signal.valid_until)


def _valid(given: Iterable[tuple[Signal, int]], now: int) -> Iterator[tuple[Signal, int]]:
    """Those that hold at `now`."""
    return ((signal, row) for signal, row in given if holds(signal, now))


def _together(base: ListSignals, given: Iterable[tuple[Signal, int]]) -> ListSignals:
    multipliers, excluded, pins = dict(base.multipliers), set(base.excluded), list(base.pins)
    for signal, row in given:
        if signal.kind == "exclude":
            excluded.add(row)
        elif signal.kind == "pin":
            pins.append((signal.position or 1, row))
        else:
            product = multipliers.get(row, 1.0) * (1.0 if signal.multiplier is None else signal.multiplier)
            multipliers[row] = min(product, MOST)
    return ListSignals(multipliers, frozenset(excluded), tuple(sorted(pins)))
