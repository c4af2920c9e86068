"""Owns how a `Report` is told: a text for a terminal, a page of one file."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from service.evaluation.experiments.plots import by_day, forest, sequential
from service.evaluation.experiments.result import Figures, GuardrailEffect, Interval, MetricEffect, Report
from service.evaluation.experiments.verdict import GUARDRAIL_NAMES, METRIC_NAMES, signed_percent
from service.evaluation.page import page

ROLES = {"primary": "primary, Holm", "secondary": "secondary, Benjamini-Hochberg"}
SHIPPING = {"pass": "may ship", "wait": "not yet", "blocked": "must not ship"}
SEGMENTS = {"block": "Place on the page", "part": "Part of the site", "readers": "Readers"}
MILLISECONDS = ("latency_p95_ms", "latency_p99_ms")
SHARES = ("empty_lists", "fallback_lists", "same_section")


def as_text(report: Report) -> str:
    """The verdict and the main figures for a terminal."""
    lines = [report.verdict, *report.faults, *report.warnings, ""]
    if report.sample_ratio is not None:
        lines.append(f"sample ratio: p {is_p(report.sample_ratio.p_value)}")
    lines += [f"  {arm.key}: {arm.units:,} readers, expected {arm.expected:,.0f}" for arm in report.arms]
    for metric in report.effects.metrics if report.effects else ():
        effect, p, name = metric.adjusted, is_p(metric.p_corrected), METRIC_NAMES[metric.metric]
        lines.append(
            f"{name}, {metric.variant}: {number(effect.control)} → {number(effect.treatment)}, "
            f"lift {lift(effect.lift)} ({lifts(effect.lift_interval)}), p {p} ({ROLES[metric.role]})"
        )
    for none in report.effects.untold if report.effects else ():
        lines.append(f"{METRIC_NAMES[none.what]}, {none.variant}: cannot be told, {none.reason}")
    for guardrail in report.effects.guardrails if report.effects else ():
        lines.append(
            f"guardrail {guardrail.name}, {guardrail.variant}: {guardrail.verdict}, "
            f"{guardrail_figure(guardrail, guardrail.difference, sign=True)}"
        )
    return "\n".join(lines)


def as_html(report: Report) -> str:
    """The same as a page that needs no network, in the reader's light or dark, ready to print."""
    effects = report.effects
    return page(
        Path(__file__).with_name("report.html"),
        report=report,
        effects=effects,
        plots={}
        if effects is None
        else {"forest": forest(effects), "looks": sequential(effects), "days": by_day(effects)},
        guardrails=[]
        if effects is None
        else [(v, list(guardrails)) for v, guardrails in groupby(effects.guardrails, _variant)],
        metric_names=METRIC_NAMES,
        guardrail_names=GUARDRAIL_NAMES,
        segment_names=SEGMENTS,
        shipping=SHIPPING,
        estimates=estimates,
        lift=lift,
        lifts=lifts,
        number=number,
        p_value=p_value,
        is_p=is_p,
        share=share,
        guardrail_figure=guardrail_figure,
        guardrail_interval=guardrail_interval,
    )


def number(value: float | None) -> str:
    """Four significant digits, or a dash for what could not be measured."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def share(value: float) -> str:
    """0.0412 as 4.12%."""
    return f"{value:.2%}"


def lift(value: float | None) -> str:
    """0.0412 as +4.1%."""
    return "–" if value is None else signed_percent(value)


def lifts(interval: Interval | None) -> str:
    """An interval of lifts: +1.2% to +7.1%."""
    if interval is None:
        return "too few clicks to tell"
    return f"{signed_percent(interval[0])} to {signed_percent(interval[1])}"


def estimates(effect: MetricEffect) -> list[tuple[str, Figures]]:
    """The rows of a metric: adjusted and plain, or one where what was known of the readers changes nothing shown."""
    rows = [("adjusted (CUPED)", effect.adjusted), ("plain", effect.plain)]
    return rows if len({_shown(figures) for _, figures in rows}) == 2 else [("plain", effect.plain)]


def _shown(figures: Figures) -> tuple[str, ...]:
    """An estimate as the page has it."""
    return (
        lift(figures.lift),
        lifts(figures.lift_interval),
        number(figures.control),
        number(figures.treatment),
        lifts(figures.fixed_lift_interval),
        p_value(figures.fixed_p_value),
    )


def p_value(value: float) -> str:
    """Four decimals; what is below says so."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def is_p(value: float) -> str:
    """The same after the letter p: = 0.0123, < 0.0001."""
    return p_value(value) if value < 0.0001 else f"= {p_value(value)}"


def guardrail_figure(guardrail: GuardrailEffect, value: float | None, sign: bool = False) -> str:
    """A difference, or the margin, in the guardrail's own unit."""
    if value is None:
        return "–"
    plus = "+" if sign else ""
    if guardrail.relative:
        text = f"{value:{plus}.1%}"
    elif guardrail.name in SHARES:
        text = f"{100 * value:{plus}.2f} points"
    elif guardrail.name in MILLISECONDS:
        text = f"{value:{plus}.2f} ms"
    else:
        text = f"{value:{plus}.1f} days" if guardrail.name == "age_days" else f"{value:{plus}.4f}"
    return text.replace("-", "−")


def guardrail_interval(guardrail: GuardrailEffect) -> str:
    """The interval of the difference, in the guardrail's own unit."""
    if guardrail.interval is None:
        return "–"
    low, high = (guardrail_figure(guardrail, end, sign=True) for end in guardrail.interval)
    return f"{low.removesuffix(' points').removesuffix(' ms').removesuffix(' days')} to {high}"


def _variant(guardrail: GuardrailEffect) -> str:
    return guardrail.variant
