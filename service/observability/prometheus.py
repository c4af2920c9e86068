"""Pure: series in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from service.observability.metric_store import Read
from service.observability.metrics import BUCKETS, METRICS, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(series: Read) -> str:
    """All metrics that have a series, each with its help; a gauge that is NaN has none."""
    lines: list[str] = []
    for metric in METRICS:
        matching = sorted((key[1:], values) for key, values in series.items() if key[0] == metric.name)
        samples = [line for labels, values in matching for line in _lines(metric, labels, values)]
        if samples:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}", *samples]
    return "\n".join(lines) + "\n"


def _lines(metric: Metric, labels: Sequence[str], values: Sequence[float]) -> Iterator[str]:
    named = list(zip(metric.labels, labels, strict=True))
    if metric.kind != "histogram":
        if not math.isnan(values[0]):
            yield _line(metric.name, named, values[0])
        return
    total, *counts = values
    reached = list(accumulate(counts))
    for limit, count in zip((*(f"{bucket:g}" for bucket in BUCKETS), "+Inf"), reached, strict=True):
        yield _line(f"{metric.name}_bucket", [*named, ("le", limit)], count)
    yield _line(f"{metric.name}_sum", named, total)
    yield _line(f"{metric.name}_count", named, reached[-1])


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    pairs = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels)
    return f"{name}{{{pairs}}} {value:.15g}" if pairs else f"{name} {value:.15g}"
