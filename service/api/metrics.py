"""Owns /metrics: what this worker knows, in the text format of Prometheus."""

from __future__ import annotations

from service.catalogue import Catalogue, NoSnapshot
from service.experiments.recorder import Recorder

_HELP = {
    "related_snapshot_serving": "Whether a snapshot serves.",
    "related_snapshot_degraded": "Whether the snapshot that serves is not the one that should.",
    "related_snapshot_built_timestamp_seconds": "When the snapshot that serves was built.",
    "related_snapshot_articles": "Articles of the snapshot that serves.",
    "related_live_up": "Whether the live store answers; 1 without one.",
    "related_live_lag_seconds": "How long ago the live store last answered.",
    "related_live_sequence": "The last change that lists take account of.",
    "related_live_articles": "Live articles over the snapshot, withdrawn ones among them.",
    "related_live_waiting": "Live articles that wait to be embedded and compared.",
    "related_events_up": "Whether lists and events can be written down; 1 where none are to be.",
    "related_events_lines": "Lines that this process has written to the event log.",
}


def exposition(catalogue: Catalogue, recorder: Recorder | None) -> str:
    """The gauges, each with its help."""
    lines = []
    for name, value in {**_gauges(catalogue), **_events(recorder)}.items():
        lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge", f"{name} {value:.15g}"]
    return "\n".join(lines) + "\n"


def _events(recorder: Recorder | None) -> dict[str, float]:
    if recorder is None:
        return {"related_events_up": 1, "related_events_lines": 0}
    return {"related_events_up": recorder.problem is None, "related_events_lines": recorder.lines}


def _gauges(catalogue: Catalogue) -> dict[str, float]:
    try:
        archive = catalogue.current()
    except NoSnapshot:
        return {"related_snapshot_serving": 0}
    manifest, overlay = archive.snapshot.manifest, archive.overlay
    return {
        "related_snapshot_serving": 1,
        "related_snapshot_degraded": catalogue.degraded is not None,
        "related_snapshot_built_timestamp_seconds": manifest.built_at,
        "related_snapshot_articles": archive.snapshot.rows,
        "related_live_up": catalogue.live.problem is None,
        "related_live_lag_seconds": catalogue.live.lag_seconds,
        "related_live_sequence": overlay.sequence,
        "related_live_articles": len(overlay.held),
        "related_live_waiting": len(overlay.waiting),
    }
