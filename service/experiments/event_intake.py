"""The use case: a reader's page tells what became of its lists; each event becomes a line of the log, or is refused.

What is wrong with an event is counted in the log, so that a report can tell how much it does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from index.article import InvalidArticle, epoch_seconds
from service.experiments.event_schema import Click, Quarantine, Refused, View, line
from service.experiments.event_writer import Recorder
from service.experiments.tokens import BadToken, ListToken

CLOCK_SECONDS = 300  # a reader's clock may be so far off
REMEMBERED = (
    20_000  # events a worker knows again: a replay, of days ago even, changes no figure, but would fill disks
)


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A view of a list, or a click on the story `article_id` of it."""

    kind: Literal["view", "click"]
    token: str
    article_id: str | None = None
    occurred_at: str | None = None


class Refusal(NamedTuple):
    """Why an event does not count."""

    code: str
    detail: str


_DETAILS = {
    "malformed_token": "The token is none of this installation's.",
    "bad_signature": "The token is none of this installation's, or was changed.",
    "not_in_list": "article_id names no story of the list.",
    "article_id_missing": "A click names the story that was clicked: article_id.",
    "invalid_time": "occurred_at is no ISO 8601 time.",
    "replay": "This event came before.",
}


class Receiving:
    """Takes events in. Safe to share between threads."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._known: tuple[set[int], set[int]] = (set(), set())  # older and newer

    def receive(self, events: Sequence[Event], at: float) -> list[Refusal | None]:
        """A refusal, or None, for each event, in their order; `at` is now. Raises `EventLogUnavailable`.

        Once it returns, what was not refused is in the log.
        """
        judged = _each_once([self._judged(event, at) for event in events])
        reasons = Counter(outcome for outcome in judged if isinstance(outcome, str))
        lines = [line(view) for view in judged if not isinstance(view, str)]
        self._recorder.write([*lines, *(line(Refused(at=at, reason=why, count=n)) for why, n in reasons.items())])
        for outcome in judged:
            if not isinstance(outcome, str):
                self._remember(outcome)
        return [Refusal(outcome, _DETAILS[outcome]) if isinstance(outcome, str) else None for outcome in judged]

    def refuse(self, reason: str, at: float) -> None:
        """Count a request that holds no events at all. Raises `EventLogUnavailable`."""
        self._recorder.write([line(Refused(at=at, reason=reason, count=1))])

    def _judged(self, event: Event, at: float) -> View | str:
        """The event as a record, or why it is refused."""
        try:
            token = self._recorder.tokens.read(event.token)
            occurred_at = (
                at if event.occurred_at is None else float(epoch_seconds(event.occurred_at, "occurred_at") or at)
            )
        except BadToken as error:
            return error.reason
        except InvalidArticle:
            return "invalid_time"
        fields: dict[str, Any] = {
            "at": at,
            "occurred_at": occurred_at,
            "list_id": token.list_id,
            "article_id": token.article_id,
            "block": token.block,
            "policy": token.policy,
            "experiment": token.experiment,
            "variant": token.variant,
            "served_at": token.served_at,
            "quarantine": _quarantine(token, occurred_at, at),
        }
        if event.kind == "view":
            record = View(**fields)
        elif event.article_id is None:
            return "article_id_missing"
        elif event.article_id not in token.items:
            return "not_in_list"
        else:
            position = token.items.index(event.article_id) + 1
            record = Click(**fields, clicked_id=event.article_id, position=position)
        return "replay" if self._knows(record) else record

    def _knows(self, record: View) -> bool:
        key = _key(record)
        return any(key in generation for generation in self._known)

    def _remember(self, record: View) -> None:
        older, newer = self._known
        if len(newer) >= REMEMBERED:
            older, newer = newer, set()
            self._known = older, newer
        newer.add(_key(record))


def _each_once(judged: Sequence[View | str]) -> list[View | str]:
    """The same without what one request tells twice."""
    seen: set[int] = set()
    once: list[View | str] = []
    for outcome in judged:
        again = not isinstance(outcome, str) and _key(outcome) in seen
        once.append("replay" if again else outcome)
        if not isinstance(outcome, str):
            seen.add(_key(outcome))
    return once


def _key(record: View) -> int:
    return hash((record.list_id, record.clicked_id if isinstance(record, Click) else None))


def _quarantine(token: ListToken, occurred_at: float, at: float) -> Quarantine | None:
    if at > token.expires_at:
        return "late"
    if occurred_at > at + CLOCK_SECONDS:
        return "future"
    return "early" if occurred_at < token.served_at - CLOCK_SECONDS else None
