"""The event log read in plain Python, a line at a time: what the analysis of an experiment must find in it."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from service.experiments.definitions import Experiment

DAY = 86_400
NEEDED = {
    "exposure": ("list_id", "article_id", "block", "policy", "unit"),
    "view": ("list_id", "article_id", "block", "policy"),
    "click": ("list_id", "article_id", "block", "policy", "clicked_id"),
    "refused": ("reason",),
}
Row = list[int]  # of a unit: clicks, lists, earlier clicks, earlier lists
Rows = dict[str, dict[str | None, Row]]  # by arm and unit


class Logged(NamedTuple):
    """A line: its JSON object, and what becomes of it."""

    line: bytes
    record: dict[str, Any]
    kind: str
    status: str

    @property
    def at(self) -> float:
        return number(self.record["at"])

    @property
    def day(self) -> int:
        return math.floor(self.at / DAY)

    @property
    def clicked(self) -> str:
        """The story, of a click."""
        return self.says("clicked_id") or "" if self.kind == "click" else ""

    def says(self, name: str) -> str | None:
        return text(self.record.get(name))


class List(NamedTuple):
    """A list of the experiment, what became of it, and why it counts or not."""

    shown: Logged
    viewed: bool
    clicks: int
    reason: str


def read_log(directory: Path) -> tuple[list[Logged], int]:
    """Every line, in whatever order, and how many files end in a torn one."""
    lines, torn = [], 0
    for segment in sorted(directory.glob("*.jsonl")):
        *whole, rest = segment.read_bytes().split(b"\n")
        torn += bool(rest)
        lines += [logged(line) for line in whole if line.strip()]
    return once_each(lines), torn


def logged(line: bytes) -> Logged:
    try:
        record = json.loads(line.decode())
        json.dumps(record, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        record = None
    kind = text(record.get("kind")) if isinstance(record, dict) else None
    return Logged(line, record, kind or "", status(kind, record) if kind is not None else "malformed")


def status(kind: str, record: dict[str, Any]) -> str:
    if kind not in NEEDED:
        return "unknown_kind"
    whole = [text(record.get(each)) is not None for each in NEEDED[kind]]
    whole.append(abs(number(record.get("at"))) < DAY * 2**31)
    if kind == "exposure":
        whole.append(isinstance(record.get("items"), list))
    if kind == "refused":
        whole.append(number(record.get("count")) < 2**31)
    quarantine = text(record.get("quarantine"))
    if not all(whole) or quarantine not in (None, "late", "future", "early"):
        return "incomplete"
    return "refused" if kind == "refused" else quarantine or "accepted"


def once_each(lines: list[Logged]) -> list[Logged]:
    """Of what says the same thing, the first that was received stays accepted."""
    found = [each for each in lines if each.status != "accepted"]
    same: dict[tuple[str | None, ...], list[Logged]] = defaultdict(list)
    for each in lines:
        if each.status == "accepted":
            same[each.kind, each.says("list_id"), each.clicked].append(each)
    for group in same.values():
        first, *again = sorted(group, key=lambda each: (each.at, each.line))
        found.append(first)
        for before, each in zip([first, *again], again, strict=False):
            found.append(each._replace(status="logged_twice" if each.line == before.line else "replay"))
    return found


def text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def number(value: Any) -> float:
    """NaN for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


class Oracle:
    """One experiment of a log. `bot_clicks`: the most that a reader makes in a day; of lists it is 1,000."""

    def __init__(self, directory: Path, experiment: Experiment, bot_clicks: int) -> None:
        self.lines, self.torn = read_log(directory)
        self.key = experiment.key
        self.arms = [each.key for each in experiment.variants]
        self.starts, self.ends = ((day - date(1970, 1, 1)).days for day in (experiment.starts_on, experiment.ends_on))
        self.exposures = {each.says("list_id"): each for each in self.of("exposure")}
        self.views = {each.says("list_id") for each in self.of("view")}
        self.clicks = Counter(each.says("list_id") for each in self.of("click"))
        self.bots = self._bots(bot_clicks)
        self.before = self._before()
        self.excluded: dict[str | None, str] = {}
        self.lists = self._lists()

    def of(self, kind: str) -> Iterator[Logged]:
        return (each for each in self.lines if each.kind == kind and each.status == "accepted")

    def statuses(self) -> dict[tuple[str, str], int]:
        """How many lines by kind and status."""
        named = ["" if each.status in ("malformed", "unknown_kind") else each.kind for each in self.lines]
        counts = Counter(zip(named, [each.status for each in self.lines], strict=True))
        return dict(counts + Counter({("", "torn"): self.torn}))

    def reasons(self) -> dict[str, int]:
        """How many lists count, and how many do not for each reason."""
        return dict(Counter(each.reason for each in self.lists))

    def used(self, denominator: str = "exposures") -> Iterator[List]:
        return (each for each in self.lists if each.reason == "used" and (each.viewed or denominator == "exposures"))

    def rows(self, denominator: str, belongs: Callable[[List], bool] = lambda _: True) -> Rows:
        """Of the lists that count and belong (and were viewed, if that is the denominator)."""
        found: Rows = defaultdict(dict)
        for each in filter(belongs, self.used(denominator)):
            unit = each.shown.says("unit")
            row = found[str(each.shown.says("variant"))].setdefault(unit, [0, 0, *self.before[unit]])
            row[0] += each.clicks
            row[1] += 1
        return dict(found)

    def sums(self, figure: Callable[[List], int | None]) -> Rows:
        """Of each unit's lists that have the figure: its sum, and how many they are."""
        found: Rows = defaultdict(dict)
        for each in self.used():
            if (value := figure(each)) is not None:
                row = found[str(each.shown.says("variant"))].setdefault(each.shown.says("unit"), [0, 0, 0, 0])
                row[0] += value
                row[1] += 1
        return dict(found)

    def _before(self) -> dict[str | None, Row]:
        """By unit: clicks and lists of the fourteen days before the test; clicks that came later do not count."""
        found: dict[str | None, Row] = defaultdict(lambda: [0, 0])
        earlier = {key: each for key, each in self.exposures.items() if self.starts - 14 <= each.day < self.starts}
        for each in earlier.values():
            found[each.says("unit")][1] += 1
        for each in self.of("click"):
            if each.says("list_id") in earlier and each.day < self.starts:
                found[earlier[each.says("list_id")].says("unit")][0] += 1
        return found

    def _bots(self, most_clicks: int) -> set[str | None]:
        """Clicks on the lists of the last day may come on the day after."""
        lists = Counter((each.says("unit"), each.day) for each in self.exposures.values())
        known = [each for each in self.of("click") if each.says("list_id") in self.exposures]
        clicks = Counter((self.exposures[each.says("list_id")].says("unit"), each.day) for each in known)
        first = self.starts - 14
        return {unit for (unit, day), n in lists.items() if n > 1_000 and first <= day < self.ends} | {
            unit for (unit, day), n in clicks.items() if n > most_clicks and first <= day <= self.ends
        }

    def _lists(self) -> list[List]:
        ours = {key: each for key, each in self.exposures.items() if each.says("experiment") == self.key}
        lists = [List(each, key in self.views, self.clicks[key], self._reason(each)) for key, each in ours.items()]
        of_unit: dict[str | None, list[Logged]] = defaultdict(list)
        for each in lists:
            if each.reason == "used":
                of_unit[each.shown.says("unit")].append(each.shown)
        self.excluded = {unit: why for unit, its in of_unit.items() if (why := self._why_not(unit, its))}
        return [
            each._replace(reason=self.excluded[each.shown.says("unit")])
            if each.reason == "used" and each.shown.says("unit") in self.excluded
            else each
            for each in lists
        ]

    def _why_not(self, unit: str | None, its: list[Logged]) -> str | None:
        if any(each.record.get("override") is True for each in its):
            return "override"
        if len({each.says("variant") for each in its}) > 1:
            return "two_arms"
        return "bot" if unit in self.bots else None

    def _reason(self, shown: Logged) -> str:
        if shown.says("unit") == "":
            return "no_unit"
        if not self.starts <= shown.day < self.ends:
            return "outside_dates"
        return "used" if shown.says("variant") in self.arms else "unknown_variant"
