"""Owns POST /v1/events, which anybody's page may call: what counts is proved by the lists' tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from flask import Flask, Response

from service.api.context import Wiring
from service.api.openapi import Operation
from service.experiments.event_intake import Event, Receiving, Refusal
from service.experiments.event_log import EventLogUnavailable
from service.http.problems import ProblemFound
from service.http.request_bodies import body, read_body
from service.http.responses import json_response
from service.observability.request_info import noted

BATCH = 100

EVENT_OPERATIONS = (
    Operation(
        path="/v1/events",
        method="post",
        summary="What became of a list: it was seen, a story was clicked",
        description="Views and clicks with the token of the list, as application/json or text/plain. Each counts "
        "once per list and story, however often it is sent.",
        body="ReaderEvents",
        responses={202: "EventsTaken", 413: "Problem", 422: "Problem", 503: "Problem"},
    ),
)


class ReaderEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 100 events."""

    events: Annotated[tuple[Event, ...], msgspec.Meta(min_length=1, max_length=BATCH)]


def register_events(app: Flask, wiring: Wiring) -> None:
    """Install the route."""
    receiving = None if wiring.recorder is None else Receiving(wiring.recorder)

    def events() -> Response:
        if receiving is None:
            raise ProblemFound(503, "events_off", "This installation keeps no events: RELATED_EVENTS is off.")
        try:
            found = receiving.receive(_read(receiving, wiring.clock()).events, wiring.clock())
        except EventLogUnavailable as error:
            raise ProblemFound(503, "event_log_unavailable", f"Events cannot be kept now: {error}.", 5) from None
        return json_response(_told(found), 202)

    app.add_url_rule("/v1/events", view_func=events, methods=["POST"])


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
