"""Determines which pins show in a list, and before a new pin is saved, what would keep it from showing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from index.snapshot.attributes import FLAG_WITHDRAWN, NEVER
from service.archive.history import moment
from service.archive.signals import holds
from service.archive.view import Archive
from service.live_store.changes import Signal
from service.recommend.query import Query
from service.recommend.ranking import RankingContext

USUAL_LENGTH = Query().limit


class PinFault(NamedTuple):
    """Why a new pin does not show. `final`: time alone does not change it."""

    pin: Signal
    reason: str
    final: bool

    def __str__(self) -> str:
        does = "cannot show" if self.final else "may not show"
        return f"The pin of {self.pin.target!r} at position {self.pin.position} {does}: {self.reason}."


def pinned_rows(context: RankingContext, archive: Archive, pins: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The position of each pinned row that may show, in the order of `pins`; of one event, only the first.

    A pin overrides the policy, not the caller's filters, nor the brand, nor what readers may see.
    """
    source, brands, filters = context.source, context.codes.brands, context.filters
    pinned: dict[int, int] = {}
    events: set[int] = set()
    for position, row in pins:
        facts = archive.fact(row)
        may = facts.visible_from <= context.now and facts.canonical != source.canonical and filters.admit(facts)
        if may and (brands is None or facts.brand in brands) and facts.event not in events:
            pinned[row] = position
            events.add(facts.event)
    return pinned


def pin_faults(
    archive: Archive, row: int, signals: Sequence[Signal], held: Collection[Signal], now: int
) -> Iterator[PinFault]:
    """What keeps those pins of a row's signals from showing that are not among the signals `held` so far."""
    for at, pin in enumerate(signals):
        if pin.kind == "pin" and pin not in held:
            others = [each for place, each in enumerate(signals) if place != at]
            fault = _lasting(archive, row, pin, others, now)
            if fault is not None:
                yield PinFault(pin, fault, final=True)
            elif (reason := _passing(archive, pin, others, now)) is not None:
                yield PinFault(pin, reason, final=False)


def _lasting(archive: Archive, row: int, pin: Signal, others: Sequence[Signal], now: int) -> str | None:
    """Why a pin cannot show from its beginning on, as things are; None where it can, or its target is unknown."""
    if pin.valid_until is not None and pin.valid_until <= now:
        return "the pin has ended already"
    target, begin = archive.row_named(pin.target or ""), _begin(pin, now)
    if target is None:
        return None
    story, source = archive.fact(target), archive.fact(row)
    if target == row:
        return "the story is this article itself"
    if story.canonical == source.canonical:
        return "the story is a copy of this article"
    if story.flags & FLAG_WITHDRAWN or story.visible_from == NEVER:
        return "the story was withdrawn"
    brands = archive.brands_shown_by(archive.names["brand"][source.brand])
    if brands is not None and story.brand not in brands:
        return "the story is of a brand that this article's lists do not show"
    if pin.valid_until is not None and story.visible_from >= pin.valid_until:
        return f"the story is not public before {moment(story.visible_from)}, and the pin has ended by then"
    left_out = {archive.fact(each).canonical for each in archive.signals.everywhere(begin).excluded}
    for other in others:
        named = None if other.target is None or not holds(other, begin) else archive.row_named(other.target)
        if named is not None and other.kind == "exclude":
            left_out.add(archive.fact(named).canonical)
        if named is not None and other.kind == "pin" and archive.fact(named).event == story.event:
            where = f"the list has a pin of the same event at position {other.position}"
            return f"{where}, and shows one story of an event; remove that pin first"
    if story.canonical in left_out:
        return "the story is left out of this list, or of all lists; take that back first"
    return None


def _passing(archive: Archive, pin: Signal, others: Sequence[Signal], now: int) -> str | None:
    """Why a pin does not show yet, or only in longer lists; None where it shows."""
    target, begin = archive.row_named(pin.target or ""), _begin(pin, now)
    if target is None:
        return "no article of this ID is known yet, so the pin shows once there is one"
    if archive.fact(target).visible_from > begin:
        return (
            f"the story is not public before {moment(archive.fact(target).visible_from)}; the pin shows from then on"
        )
    pins = [pin, *(each for each in others if each.kind == "pin" and holds(each, begin))]
    places: list[Signal | None] = [None] * USUAL_LENGTH
    for each in sorted(pins, key=lambda pin: pin.position or 0):
        places.insert((each.position or 1) - 1, each)
    if pin not in places[:USUAL_LENGTH]:
        position = pin.position
        return (
            f"a list usually has {USUAL_LENGTH} stories, so at position {position} the pin shows only in longer ones"
        )
    return None


def _begin(pin: Signal, now: int) -> int:
    return now if pin.valid_from is None else max(now, pin.valid_from)
