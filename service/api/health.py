"""Answers the probes and /metrics, and refreshes the gauges of this worker on a scrape and every two seconds."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

from flask import Response

from service.api.context import Wiring
from service.api.operations import Call, Operation
from service.archive.manager import Catalogue, NoSnapshot
from service.archive.view import Archive
from service.http.responses import json_response
from service.observability.prometheus import CONTENT_TYPE, exposition
from service.observability.sharing import all_tallies

log = logging.getLogger(__name__)

TELL_SECONDS = 2.0
LOOKS_AT = 1_000  # newest rows, for one that readers may see
NONE = float("nan")

_OF_A_SNAPSHOT = (
    "related_snapshot_degraded",
    "related_snapshot_built_timestamp_seconds",
    "related_snapshot_articles",
    "related_snapshot_coverage_ratio",
    "related_newest_article_timestamp_seconds",
    "related_live_sequence",
    "related_live_articles",
    "related_live_waiting",
)


class HealthEndpoints:
    """The operations for whoever watches a worker."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def probes(self) -> tuple[Operation, ...]:
        """The declarations of the probes."""
        return (
            Operation(
                path="/livez",
                handler=self.livez,
                summary="The process answers",
                public=True,
                responses={200: "State"},
            ),
            Operation(
                path="/readyz",
                handler=self.readyz,
                summary="A snapshot serves; says when degraded or warming, and why",
                public=True,
                responses={200: "State", 503: "Problem"},
            ),
        )

    def metrics_operation(self) -> Operation:
        """The declaration of the metrics, which the OpenAPI document leaves out."""
        return Operation(path="/metrics", handler=self.metrics, summary="The metrics of all workers", public=True)

    def livez(self, _call: Call) -> Response:
        """That the process answers."""
        return json_response({"status": "alive"})

    def readyz(self, _call: Call) -> Response:
        """Whether a snapshot serves, and what is wrong."""
        wiring = self._wiring
        archive, problems, search = wiring.current(), wiring.problems(), wiring.search.state()
        if search.problem is not None:
            problems.append(search.problem)
        status = "degraded" if problems else "warming" if search.is_warming else "ready"
        if search.is_warming:
            problems.append("the search process is loading its model: drafts and new articles wait for it")
        return json_response(
            {
                "status": status,
                "snapshot_id": archive.id,
                "reason": "; ".join(problems) or None,
                "live_sequence": archive.sequence,
                "live_lag_seconds": round(wiring.catalogue.live_lag_seconds, 1),
                "waiting": archive.waiting_count,
            }
        )

    def metrics(self, _call: Call) -> Response:
        """The metrics of all workers in the format of Prometheus."""
        return Response(scraped(self._wiring), content_type=CONTENT_TYPE)


def scraped(wiring: Wiring) -> str:
    """What /metrics answers."""
    tell_gauges(wiring)
    found = all_tallies(wiring.settings, wiring.measures.tallies)
    found["related_search_up",] = (wiring.search.state().answers,)  # of this moment, hence in nobody's file
    return exposition(found)


def keep_telling(wiring: Wiring) -> None:
    """Tell the gauges every two seconds, so that a worker that hangs is seen by whoever scrapes another one."""

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(TELL_SECONDS):
            try:
                wiring.follow()
                wiring.search.state()  # logs when the search process goes away or comes back
                tell_gauges(wiring)
            except Exception:  # the next time may do, and a worker that no longer tells is an alarm
                log.exception("the gauges could not be told")

    threading.Thread(target=run, name="gauges", daemon=True).start()


def tell_gauges(wiring: Wiring) -> None:
    """What this worker knows at the moment."""
    measures, settings, recorder = wiring.measures, wiring.settings, wiring.recorder
    now = wiring.clock()
    for catalogue in (wiring.catalogue, *wiring.others.values()):
        for name, value in _gauges(catalogue, now).items():
            measures.tell(name, value, measures.worker, catalogue.channel)
    own = {
        "related_worker_seen_timestamp_seconds": now,
        "related_worker_faults": len(wiring.problems()),
        "related_store_free_bytes": _free_bytes(settings.store),
        "related_live_waiting_limit": settings.queue_limit,
        "related_events_up": recorder is None or recorder.problem is None,
        "related_event_log_lines_total": 0 if recorder is None else recorder.lines,
    }
    for name, value in own.items():
        measures.tell(name, value, measures.worker)


def _gauges(catalogue: Catalogue, now: int) -> dict[str, float]:
    """Of a channel; NaN for what there is not, in place of what there was."""
    live = {"related_live_up": catalogue.live_store_answers, "related_live_lag_seconds": catalogue.live_lag_seconds}
    try:
        archive = catalogue.current()
    except NoSnapshot:
        return live | {"related_snapshot_serving": 0, **dict.fromkeys(_OF_A_SNAPSHOT, NONE)}
    manifest = archive.manifest
    coverage = manifest.quality.get("coverage")
    values = (
        catalogue.degraded is not None,
        manifest.built_at,
        archive.rows,
        NONE if coverage is None else coverage,
        _newest(archive, now),
        archive.sequence,
        archive.live_count,
        archive.waiting_count,
    )
    return live | {"related_snapshot_serving": 1, **dict(zip(_OF_A_SNAPSHOT, values, strict=True))}


def _newest(archive: Archive, now: int) -> float:
    """When the newest article that readers can see was published."""
    dates = (archive.fact(row) for row in archive.newest_rows(LOOKS_AT))
    return next((each.published_at for each in dates if each.visible_from <= now), NONE)


def _free_bytes(store: Path) -> float:
    try:
        return shutil.disk_usage(store).free
    except OSError:
        return NONE
