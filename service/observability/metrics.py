"""Owns what is measured: every metric's name, labels and meaning, and the counting of one process.

Names follow Prometheus: base units, `_total` for what only grows, times as epoch seconds. A label never holds what a
reader sent, so that the number of series is bounded by the installation.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Literal, NamedTuple

from service.observability.metric_store import Series, Tallies

BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)  # seconds, inclusive
REQUESTS = "related_request_duration_seconds"


class Metric(NamedTuple):
    """A metric, and the names of its labels. A gauge is of one worker, unless it has no label `worker`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


_WORKER, _CHANNEL = ("worker",), ("worker", "channel")

METRICS = (
    Metric(REQUESTS, "histogram", "Time to make an answer, from a thread's taking it; policy of lists.",
           ("method", "route", "policy")),
    Metric("related_lists_total", "counter", "Lists answered: ranked (similar or pinned stories alone), filled "
           "(a fallback tier helped), empty.", ("policy", "result")),
    Metric("related_degraded_lists_total", "counter", "Lists that said they were degraded, by why.", ("reason",)),
    Metric("related_problems_total", "counter", "Errors answered, by code and status.", ("code", "status")),
    Metric("related_events_accepted_total", "counter", "Views and clicks taken in."),
    Metric("related_events_refused_total", "counter", "Views and clicks refused, by why.", ("reason",)),
    Metric("related_event_log_lines_total", "counter", "Lines that a worker has written to the event log.",
           _WORKER),
    Metric("related_process_starts_total", "counter", "Starts of a process by serve.py.", ("process",)),
    Metric("related_process_up", "gauge", "Whether a process of serve.py runs.", ("process",)),
    Metric("related_search_up", "gauge", "Whether the search process answered the worker that was scraped."),
    Metric("related_worker_seen_timestamp_seconds", "gauge", "When a worker last told its gauges.", _WORKER),
    Metric("related_worker_faults", "gauge", "What is wrong while a worker answers, as in /readyz.", _WORKER),
    Metric("related_store_free_bytes", "gauge", "Free space where the snapshots are.", _WORKER),
    Metric("related_snapshot_serving", "gauge", "Whether a snapshot serves.", _CHANNEL),
    Metric("related_snapshot_degraded", "gauge", "Whether the snapshot that serves is not the one that should.",
           _CHANNEL),
    Metric("related_snapshot_built_timestamp_seconds", "gauge", "When the snapshot that serves was built.", _CHANNEL),
    Metric("related_snapshot_articles", "gauge", "Articles of the snapshot that serves.", _CHANNEL),
    Metric("related_snapshot_coverage_ratio", "gauge", "Share of published articles with a full list of related "
           "stories, when the snapshot was built.", _CHANNEL),
    Metric("related_newest_article_timestamp_seconds", "gauge", "When the newest article that readers may see was "
           "published.", _CHANNEL),
    Metric("related_live_up", "gauge", "Whether the live store answers; 1 without one.", _CHANNEL),
    Metric("related_live_lag_seconds", "gauge", "How long ago the live store answered; 0 without one.", _CHANNEL),
    Metric("related_live_sequence", "gauge", "The last change that lists take account of.", _CHANNEL),
    Metric("related_live_articles", "gauge", "Live articles over the snapshot, withdrawn ones among them.", _CHANNEL),
    Metric("related_live_waiting", "gauge", "Live articles that wait to be embedded and compared.", _CHANNEL),
    Metric("related_live_waiting_limit", "gauge", "Waiting articles beyond which more are refused.", _WORKER),
    Metric("related_events_up", "gauge", "Whether lists and events can be written down; 1 where none are to be.",
           _WORKER),
)  # fmt: skip

_BY_NAME = {metric.name: metric for metric in METRICS}


class Measures:
    """Counts in the numbers of one process. Safe to share between threads."""

    def __init__(self, tallies: Tallies, worker: int = 0) -> None:
        self.tallies = tallies
        self.worker = str(worker)
        self._places: dict[Series, int] = {}

    def count(self, name: str, *labels: str, amount: float = 1.0) -> None:
        """Add to a counter."""
        self.tallies.add(self._place((name, *labels)), amount)

    def tell(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge; NaN for none."""
        self.tallies.set(self._place((name, *labels)), value)

    def took(self, seconds: float, method: str, route: str, policy: str) -> None:
        """Count a request by its time."""
        place = self._place((REQUESTS, method, route, policy))
        self.tallies.observe(place, bisect_left(BUCKETS, seconds), seconds)

    def _place(self, series: Series) -> int:
        place = self._places.get(series)
        if place is None:
            metric = _BY_NAME[series[0]]
            assert len(metric.labels) == len(series) - 1, series  # noqa: S101 - a mistake of ours, seen by any test
            width = len(BUCKETS) + 2 if metric.kind == "histogram" else 1
            place = self._places[series] = self.tallies.place(series, width)
        return place
