"""Receives readers' events from any page: the token of a list proves that an event counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from flask import Response

from service.api.context import Wiring
from service.api.operations import Call, Operation
from service.experiments.event_intake import Event, Receiving, Refusal
from service.experiments.event_log import EventLogUnavailable
from service.http.problems import ProblemFound
from service.http.request_bodies import body, read_body
from service.http.responses import json_response
from service.observability.request_info import noted

BATCH = 100


class ReaderEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 100 events."""

    events: Annotated[tuple[Event, ...], msgspec.Meta(min_length=1, max_length=BATCH)]


class EventEndpoints:
    """The operation that takes in readers' events."""

    def __init__(self, wiring: Wiring) -> None:
        self._clock = wiring.clock
        self._receiving = None if wiring.recorder is None else Receiving(wiring.recorder)

    def operations(self) -> tuple[Operation, ...]:
        """Its declaration."""
        return (
            Operation(
                path="/v1/events",
                method="post",
                handler=self.receive,
                summary="What became of a list: it was seen, a story was clicked",
                description="Views and clicks with the token of the list, as application/json or text/plain. Each "
                "counts once per list and story, however often it is sent.",
                body="ReaderEvents",
                public=True,
                responses={202: "EventsTaken", 413: "Problem", 422: "Problem", 503: "Problem"},
            ),
        )

    def receive(self, _call: Call) -> Response:
        """Log the events in the body, and tell which were refused."""
        receiving = self._receiving
        if receiving is None:
            raise ProblemFound(503, "events_off", "This installation keeps no events: RELATED_EVENTS is off.")
        try:
            found = receiving.receive(_read(receiving, self._clock()).events, self._clock())
        except EventLogUnavailable as error:
            raise ProblemFound(503, "event_log_unavailable", f"Events cannot be kept now: {error}.", 5) from None
        return json_response(_told(found), 202)


def _read(receiving: Receiving, now: float) -> ReaderEvents:
    try:
        return read_body(body(), ReaderEvents, "invalid_events")
    except ProblemFound as problem:
        if problem.code == "busy":  # nobody read it
            raise
        noted().refused = ("malformed",)
        receiving.refuse("malformed", now)
        raise


def _told(found: Sequence[Refusal | None]) -> dict[str, Any]:
    refused = [{"index": at, **each._asdict()} for at, each in enumerate(found) if each is not None]
    noted().refused = tuple(each.code for each in found if each is not None)
    noted().accepted = len(found) - len(refused)
    return {"accepted": len(found) - len(refused), "refused": refused}
