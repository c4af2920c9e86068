"""Owns what a report says of its formulas, in words, and where they are from."""

from __future__ import annotations

import platform
from importlib.metadata import version

from service.evaluation.experiments.result import Method

METHODS = (
    Method(
        name="Sample ratio",
        words="Pearson’s chi-square test of the readers in each variant against their weights; below 0.001 readers "
        "are missing, and no effect is shown.",
        source="Fabijan et al., 2019, “Diagnosing sample ratio mismatch”.",
    ),
    Method(
        name="Clicks per list",
        words="Different stories clicked, summed over readers, by lists, summed over readers. The reader is what "
        "counts as one; the variance is the delta method’s: (s_yy − 2 R s_xy + R² s_xx) / (n x̄²).",
        source="Deng, Knoblich and Lu, 2018, “Applying the delta method in metric analytics”.",
    ),
    Method(
        name="Lift",
        words="Difference by the control’s figure. Its interval is Fieller’s: the lifts L that |R_t − (1 + L) R_c| ≤ "
        "z √(V_t + (1 + L)² V_c) admits. It leaves out zero exactly where that of the difference does, and ends at "
        "−100%; there is none where the clicks are too few for any bound.",
        source="Fieller, 1954, “Some problems in interval estimation”.",
    ),
    Method(
        name="Adjusted (CUPED)",
        words="Less what the readers’ lists and clicks of the 14 days before the test foretold, by the coefficient "
        "theta = cov(Y, X) / var(X) over all variants.",
        source="Deng, Xu, Kohavi and Walker, 2013.",
    ),
    Method(
        name="Always valid",
        words="An asymptotic confidence sequence: it holds at all looks at once. With several variants each interval "
        "is at 1 − 0.05 / variants, the p of the primary metric after Holm; Holm’s is the sharper: it may decide "
        "where an interval still touches zero.",
        source="Waudby-Smith et al., arXiv 2103.06476; Holm, 1979.",
    ),
    Method(
        name="Secondary metrics and segments",
        words="p after Benjamini and Hochberg: of those at most 0.05, about one in twenty is chance.",
        source="Benjamini and Hochberg, 1995.",
    ),
    Method(
        name="Guardrails",
        words="Non-inferiority: safe if the 95% interval of the difference is within the margin, harmed if it is "
        "beyond it. A variant passes if all are safe. Shares by the delta method, never surer than the rule of "
        "three; coverage: different stories shown to groups of readers of one size; response times: quantiles, "
        "their error clustered by reader.",
        source="Berger, 1982; Liu et al., 2019, “Large scale online experimentation with quantile metrics”.",
    ),
    Method(
        name="Interleaving",
        words="Team draft; clicks on stories that competed, one policy’s less the other’s a list, clustered by "
        "reader.",
        source="Radlinski, Kurup and Joachims, 2008.",
    ),
)


def versions() -> dict[str, str]:
    """Of what computed the figures."""
    packages = ("related-stories", "numpy", "scipy", "duckdb", "matplotlib")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
