"""Runs a simulation: readers at a service, the events of their pages, and counts of requests and answers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from index.article import iso_time
from scripts.simulation.readers import DAY, Habits, Reader, Reading, clicked
from scripts.simulation.simulated_service import OwnList, SimulatedService
from service.experiments.definitions import Experiment

LATE_SECONDS = 2 * DAY  # beyond the life of a token
READ_SECONDS = 30  # from the list to the report: a page reports once, when it is left
BOT_CLICKS = 120  # a day: more than any reader, and than the analysis lets pass

Wrong = Literal["", "replay", "late", "future", "early", "changed", "bot"]


@dataclass(frozen=True)
class Trouble:
    """Shares of the pages that report, of readers with a wrong clock; and how many bots there are."""

    replays: float = 0.02
    late: float = 0.01
    changed: float = 0.005
    wrong_clocks: float = 0.01
    bots: int = 1


@dataclass(frozen=True)
class Plan:
    """What is simulated. `lift`: how much more often, relatively, lists are clicked in each arm but the control."""

    experiment: Experiment
    begin: date
    readers: int = 800
    days: int = 7
    lift: float = 0.15
    seed: int = 1
    habits: Habits = field(default_factory=Habits)
    trouble: Trouble = field(default_factory=Trouble)

    @property
    def begin_seconds(self) -> int:
        """Midnight of the first day, UTC."""
        return int(datetime(self.begin.year, self.begin.month, self.begin.day, tzinfo=UTC).timestamp())


@dataclass
class Arm:
    """What should count in one arm of the experiment: of readers only, and only what nothing is wrong with."""

    units: set[str] = field(default_factory=set)
    lists: int = 0
    empty_lists: int = 0
    views: int = 0
    clicks: int = 0


@dataclass
class Truth:
    """What happened. `sent` by kind; `wrong`: events by what is wrong with them; `bots`: clicks by unit."""

    lists: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    bots: Counter[str] = field(default_factory=Counter)
    arms: dict[str, Arm] = field(default_factory=dict)

    def told(self, plan: Plan) -> dict[str, Any]:
        """With the plan, for JSON."""
        planned = {**asdict(plan), "experiment": plan.experiment.key, "begin": plan.begin.isoformat()}
        arms = {name: {**vars(arm), "units": len(arm.units)} for name, arm in sorted(self.arms.items())}
        counts = {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}
        return {"planned": planned, **counts, "arms": arms}


class Report(NamedTuple):
    """What a page sends of its list. `arm`: where it counts if nothing is wrong with it."""

    at: int
    events: Sequence[Mapping[str, str]]
    wrong: Wrong = ""
    arm: Arm | None = None


class Simulation:
    """Readers and bots at a service, one after the other in the order of time."""

    def __init__(self, plan: Plan, service: SimulatedService, appeal: Mapping[str, float]) -> None:
        self.truth = Truth()
        self._plan = plan
        self._service = service
        self._appeal = appeal
        self._lifted = {variant.key for variant in plan.experiment.variants[1:]}
        self._draw = np.random.default_rng((plan.seed, 2))
        self._late: deque[Report] = deque()

    def read(self, reading: Reading) -> None:
        """A reader opens an article, and leaves it."""
        self._send_late(reading.at)
        found = self._list_of(reading)
        if found is None:
            return
        arm = self._arm(found, reading.reader)
        if not found.items or self._draw.random() >= self._plan.habits.view_rate:
            return
        expected = reading.reader.clicks_a_view * (1 + self._plan.lift * (found.variant in self._lifted))
        wanted = clicked(found.stories, self._appeal, expected, self._plan.habits, self._draw)
        self._report(reading, found, wanted, arm)

    def crawl(self, unit: str, articles: Sequence[str], at: int) -> None:
        """A bot opens articles and clicks all that it sees, until it has clicked enough for a day."""
        today = 0
        for number, article in enumerate(articles):
            reading = Reading(at + number, Reader(unit, 0, 0), article)
            if today < BOT_CLICKS and (found := self._list_of(reading)) is not None and found.items:
                self._send(Report(reading.at, _events(reading, found, found.stories), "bot"))
                today += len(found.items)
        self.truth.bots[unit] += today

    def finish(self) -> None:
        """Send what comes late."""
        self._send_late(None)

    def _list_of(self, reading: Reading) -> OwnList | None:
        block = self._plan.experiment.block
        found = self._service.own_list(reading.article, reading.reader.unit, block, reading.at)
        self.truth.lists += found is not None
        return found

    def _arm(self, found: OwnList, reader: Reader) -> Arm | None:
        if found.experiment != self._plan.experiment.key:
            return None
        arm = self.truth.arms.setdefault(str(found.variant), Arm())
        arm.units.add(reader.unit)
        arm.lists += 1
        arm.empty_lists += not found.items
        return arm

    def _report(self, reading: Reading, found: OwnList, wanted: Sequence[str], arm: Arm | None) -> None:
        wrong = self._what_is_wrong(reading.reader)
        if wrong == "changed":
            found = msgspec.structs.replace(found, token=_changed(found.token or ""))
        report = Report(reading.at + READ_SECONDS, _events(reading, found, wanted), wrong, arm)
        if wrong == "late":
            self._late.append(report._replace(at=report.at + LATE_SECONDS))
        elif wrong == "replay":
            self._send(report._replace(wrong=""))
            self._send(report)
        else:
            self._send(report)

    def _what_is_wrong(self, reader: Reader) -> Wrong:
        lot, trouble = self._draw.random(), self._plan.trouble
        if reader.clock_off_seconds:
            return "future" if reader.clock_off_seconds > 0 else "early"
        shares: tuple[tuple[Wrong, float], ...] = (
            ("replay", trouble.replays), ("late", trouble.late), ("changed", trouble.changed),
        )  # fmt: skip
        for wrong, share in shares:
            if lot < share:
                return wrong
            lot -= share
        return ""

    def _send_late(self, now: int | None) -> None:
        while self._late and (now is None or self._late[0].at <= now):
            self._send(self._late.popleft())

    def _send(self, report: Report) -> None:
        answer = self._service.send(msgspec.json.encode({"events": report.events}), report.at)
        kinds = Counter(event["kind"] for event in report.events)
        truth = self.truth
        truth.sent += kinds
        truth.accepted += answer.accepted
        truth.refused.update(answer.refused)
        if report.wrong:
            truth.wrong[report.wrong] += len(report.events)
        elif report.arm is not None:
            report.arm.views += kinds["view"]
            report.arm.clicks += kinds["click"]


def _events(reading: Reading, found: OwnList, wanted: Sequence[str]) -> list[dict[str, str]]:
    """The view, and the clicks, with the time by the reader's clock."""
    clock = reading.at + reading.reader.clock_off_seconds
    view = {"kind": "view", "token": found.token or "", "occurred_at": iso_time(clock + 2)}
    click = {"kind": "click", "token": found.token or "", "occurred_at": iso_time(clock + READ_SECONDS)}
    return [view, *({**click, "article_id": each} for each in wanted)]


def _changed(token: str) -> str:
    return ("B" if token[0] == "A" else "A") + token[1:]
