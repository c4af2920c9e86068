"""Owns the plots of a report: SVG to stand inside a page, whose colours and fonts are the page's own.

Each is drawn twice, for a wide page and for a phone: a drawing that shrinks has letters that nobody can read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from service.evaluation.experiments.result import Effects, Interval, MetricEffect
from service.evaluation.experiments.verdict import METRIC_NAMES, signed_percent

INCH = 72.0  # points; SVG is drawn at one point a pixel
WIDTHS = {"wide": 840.0, "narrow": 350.0}
ROW = 46.0
PANEL = 210.0
ROUNDING = 1e-9  # a tick nearer to zero is zero
LEAST_LIFT = -1.0  # nothing is more than 100% less
STEADY = 4.0  # a band this many times wider than the last one may leave the frame
INK, SOFT, LINE, ACCENT = "#010101", "#020202", "#030303", "#040404"  # stand for the page's
_COLOURS = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", ACCENT: "var(--accent)"}
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 12.0,
    "font.family": "DejaVu Sans",  # what matplotlib measures with; the page's font replaces it
    "text.color": SOFT,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": 13.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
}


class Plot(NamedTuple):
    """A drawing: `svgs` for each width, and what it shows, for those who don't see it."""

    svgs: Mapping[str, str]
    alt: str


class _Point(NamedTuple):
    """`x` is a date's number."""

    x: float
    value: float
    interval: Interval


def forest(effects: Effects) -> Plot | None:
    """The adjusted lift of every metric and variant, with its always-valid interval; None without any."""
    rows = [
        metric for metric in effects.metrics if metric.adjusted.lift is not None and metric.adjusted.lift_interval
    ]
    if not rows:
        return None
    height = ROW * len(rows) + 34
    alt = "Lift by metric. " + " ".join(_told(row) for row in rows)
    return _drawn("forest", height, alt, lambda figure: _draw_forest(figure, rows))


def sequential(effects: Effects) -> Plot | None:
    """The lift of the primary metric so far by day, in its always-valid band; None before a second day."""
    panels: dict[str, list[_Point]] = {}
    for look in effects.looks:
        panels.setdefault(look.variant, []).append(_Point(date2num(look.day), look.lift, look.interval))
    return _panels("sequential", "Lift so far by day.", panels, _draw_band)


def by_day(effects: Effects) -> Plot | None:
    """The lift of each day's lists alone; None before a second day."""
    panels: dict[str, list[_Point]] = {}
    for day in effects.days:
        panels.setdefault(day.variant, []).append(_Point(date2num(day.day), day.lift, day.interval))
    return _panels("days", "Lift of each day alone.", panels, _draw_points)


def _told(effect: MetricEffect) -> str:
    lift, interval = effect.adjusted.lift, effect.adjusted.lift_interval
    if lift is None or interval is None:
        return ""
    return (
        f"{METRIC_NAMES[effect.metric]}, {effect.variant}: {signed_percent(lift)}, "
        f"{signed_percent(interval[0])} to {signed_percent(interval[1])}."
    )


def _draw_forest(figure: Figure, rows: Sequence[MetricEffect]) -> None:
    axes = figure.add_axes((0.02, 26 / _height(figure), 0.96, 1 - 26 / _height(figure)))
    for at, effect in enumerate(rows):
        lift, (low, high) = effect.adjusted.lift or 0.0, effect.adjusted.lift_interval or (0.0, 0.0)
        colour = ACCENT if effect.role == "primary" else SOFT
        axes.plot((low, high), (-at, -at), color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot((lift,), (-at,), "o", color=colour, markersize=8)
        over = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "annotation_clip": False}
        name = f"{METRIC_NAMES[effect.metric]} · {effect.variant}"
        axes.annotate(name, (0, -at), xytext=(0, 11), color=INK, **over)
        value = signed_percent(lift)
        if _width(figure) >= WIDTHS["wide"]:  # on a phone it would run into the name
            value += f"  ({signed_percent(low)} to {signed_percent(high)})"
        axes.annotate(value, (1, -at), xytext=(0, 11), ha="right", color=SOFT, **over)
    axes.axvline(0, color=LINE, linewidth=1, zorder=0)
    axes.set_ylim(-len(rows) + 0.55, 0.75)
    axes.set_yticks([])
    axes.set_xlim(left=max(axes.get_xlim()[0], LEAST_LIFT))
    _percent_axis(axes, "x")


def _draw_band(axes: Axes, points: Sequence[_Point]) -> None:
    x, low, high = ([point.x for point in points], *zip(*(point.interval for point in points), strict=True))
    axes.fill_between(x, low, high, color=ACCENT, alpha=0.16, linewidth=0)
    axes.plot(x, low, color=ACCENT, linewidth=0.8, alpha=0.7)
    axes.plot(x, high, color=ACCENT, linewidth=0.8, alpha=0.7)
    axes.plot(x, [point.value for point in points], color=ACCENT, linewidth=2, marker="o", markersize=3.5)


def _draw_points(axes: Axes, points: Sequence[_Point]) -> None:
    for point in points:
        axes.plot((point.x, point.x), point.interval, color=SOFT, linewidth=2, alpha=0.7, solid_capstyle="butt")
    axes.plot([point.x for point in points], [point.value for point in points], "o", color=ACCENT, markersize=5.5)


def _panels(
    name: str, alt: str, panels: Mapping[str, Sequence[_Point]], draw: Callable[[Axes, Sequence[_Point]], None]
) -> Plot | None:
    """One panel a variant, below each other, on one scale."""
    shown = {variant: points for variant, points in panels.items() if len(points) > 1}
    if not shown:
        return None
    reach = _reach([point for points in shown.values() for point in points], {v: p[-1] for v, p in shown.items()})

    def drawing(figure: Figure) -> None:
        for at, (variant, points) in enumerate(shown.items()):
            axes = _panel(figure, at, len(shown), reach)
            if len(shown) > 1:
                axes.set_title(variant)
            draw(axes, points)

    said = [f"{variant}, {len(points)} days, the last {_said(points[-1])}." for variant, points in shown.items()]
    return _drawn(name, PANEL * len(shown), " ".join([alt, *said]), drawing)


def _said(point: _Point) -> str:
    return (
        f"{signed_percent(point.value)}, {signed_percent(point.interval[0])} to {signed_percent(point.interval[1])}"
    )


def _reach(points: Sequence[_Point], last: Mapping[str, _Point]) -> Interval:
    """The scale: all points, and those intervals that are not far wider than the last ones."""
    widest = STEADY * max(high - low for _, _, (low, high) in last.values())
    steady = [point for point in points if point.interval[1] - point.interval[0] <= widest]
    ends = [0.0, *(end for point in steady for end in point.interval)]
    room = 0.06 * (max(ends) - min(ends)) or 0.01
    return max(min(ends) - room, LEAST_LIFT), max(ends) + room


def _panel(figure: Figure, at: int, of: int, reach: Interval) -> Axes:
    total = _height(figure)
    width = _width(figure)
    left, bottom = 52 / width, (total - PANEL * (at + 1) + 30) / total
    axes = figure.add_axes((left, bottom, 1 - left - 16 / width, (PANEL - (58 if of > 1 else 40)) / total))
    axes.axhline(0, color=SOFT, linewidth=1, zorder=0)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylim(reach)
    locator = AutoDateLocator(minticks=2, maxticks=4 if width < 500 else 8, interval_multiples=False)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter("%-d %b"))
    _percent_axis(axes, "y")
    return axes


def _percent_axis(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _: object) -> str:
    return f"{100 * value:+.3g}%".replace("-", "−") if abs(value) > ROUNDING else "0"


def _width(figure: Figure) -> float:
    return float(figure.get_size_inches()[0] * INCH)


def _height(figure: Figure) -> float:
    return float(figure.get_size_inches()[1] * INCH)


def _drawn(name: str, height: float, alt: str, draw: Callable[[Figure], None]) -> Plot:
    svgs = {}
    for size, width in WIDTHS.items():
        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"{name}-{size}"}):
            figure = Figure((width / INCH, height / INCH), layout="none")
            figure.patch.set_alpha(0)
            draw(figure)
            for axes in figure.axes:
                axes.patch.set_alpha(0)
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        svgs[size] = _for_page(file.getvalue(), f"{name}-{size}", alt)
    return Plot(svgs, alt)


def _for_page(svg: str, name: str, alt: str) -> str:
    """The drawing without what only a file needs, with the page's colours and font, and IDs of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: (?:[\d.]+ )?([\d.]+)px [^;\"]+", r"font-size: \1px", svg)
    for sentinel, colour in _COLOURS.items():
        svg = svg.replace(sentinel, colour)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    viewbox = re.search(r'viewBox="[^"]+"', svg)
    attributes = f'class="plot" {viewbox[0] if viewbox else ""} role="img" aria-label="{escape(alt)}"'
    return re.sub(r"<svg[^>]*>", f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>', svg, count=1)
