"""Pure: what readers would have clicked under another policy, from the log of one that explored.

A row is one choice: in a context (for lists: one position of one list) the log showed an item, with a known
probability, and the reader clicked it or did not. Positions are taken one by one, as the item-position model has it:
a click depends on the item and its position, not on the neighbours. *Source*: Li et al., "Offline evaluation of
ranking policies with click models", 2018.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from service.evaluation.experiments.cluster_robust import Array, Mean, clustered_error, clustered_mean, with_error

LEAST_ESS = 100.0  # rows: below it, a handful of clicks decides, and no interval says so
CAP = 10.0  # no choice counts for more than so many, in the clipped estimate
TOLERANCE = 1e-9
BEYOND_CHANCE = 5.0  # standard errors


class CannotEvaluate(Exception):
    """The log does not tell what the target would do."""


class DeterministicLog(CannotEvaluate):
    """Nothing was left to chance when the lists were made, or it was not written down."""

    def __init__(self) -> None:
        super().__init__(
            "no propensity in the log is below 1: only an exploring policy's log tells of another policy"
        )


class MissingSupport(CannotEvaluate):
    """The target shows what the log never could. `rows`: in so many contexts; `share`: of its choices (0-1)."""

    def __init__(self, rows: int, share: float) -> None:
        super().__init__(f"in {rows} contexts the target shows what the log never could: {share:.1%} of its choices")
        self.rows, self.share = rows, share


class TooLittleOverlap(CannotEvaluate):
    """Log and target differ too much. `ess`: the number of rows that the weighted ones are worth."""

    def __init__(self, ess: float) -> None:
        super().__init__(f"the effective sample size is {ess:.0f}, {LEAST_ESS:.0f} is the least: log longer")
        self.ess = ess


class WrongWeights(CannotEvaluate):
    """The weights do not average 1, which is beyond chance: propensities are wrong, or support is missing unseen."""

    def __init__(self, mean: float) -> None:
        super().__init__(
            f"the weights average {mean:.3f}, not 1: wrong propensities, or the log cannot show the target"
        )
        self.mean = mean


class Choices(msgspec.Struct, frozen=True):
    """Logged choices, (n,) each.

    `reward` (a click: 1); `propensity` (0-1] with which the log showed the item in this context, NaN if unknown;
    `target` (0-1): the target's probability of the same; `unsupported` (0-1): the target's probability of items that
    the log could not have shown in this context; `units`: whose choices belong together, of any sortable kind.
    """

    reward: Array
    propensity: Array
    target: Array
    unsupported: Array
    units: npt.NDArray[Any]


class Model(msgspec.Struct, frozen=True):
    """A reward model's (n,) expectations: for the item `shown`, and for what the target shows in the context."""

    shown: Array
    target: Array


class Evaluation(msgspec.Struct, frozen=True):
    """Estimates of the target's mean reward a choice, `logged` being that of the log itself.

    `ips`, `clipped` (weights up to `CAP`: less variance, and too low), `snips`, and with a model `dm` and `dr`. The
    interval of `dm` knows nothing of the model's own error. `mean_weight` is 1 but for chance.
    """

    rows: int
    ess: float
    mean_weight: float
    logged: Mean
    ips: Mean
    clipped: Mean
    snips: Mean
    dm: Mean | None
    dr: Mean | None


def evaluate(choices: Choices, model: Model | None = None) -> Evaluation:
    """All estimates. Raises a `CannotEvaluate`; ValueError for a propensity not in (0, 1].

    *Source*: IPS: Horvitz and Thompson, 1952; clipped: Ionides, 2008; SNIPS: Swaminathan and Joachims, 2015;
    DR: Dudik, Langford and Li, 2011.
    """
    weights = supported_weights(choices)
    units, reward = choices.units, choices.reward
    return Evaluation(
        rows=len(reward),
        ess=effective_sample_size(weights),
        mean_weight=float(weights.mean()),
        logged=clustered_mean(reward, units),
        ips=clustered_mean(weights * reward, units),
        clipped=clustered_mean(np.minimum(weights, CAP) * reward, units),
        snips=_self_normalised(weights, reward, units),
        dm=clustered_mean(model.target, units) if model else None,
        dr=clustered_mean(model.target + weights * (reward - model.shown), units) if model else None,
    )


def supported_weights(choices: Choices) -> Array:
    """(n,) target over logged probability. Raises as `evaluate`."""
    propensity, unsupported = choices.propensity, choices.unsupported
    if not (propensity < 1).any():  # NaN is not below 1 either
        raise DeterministicLog
    if (unsupported > TOLERANCE).any():
        raise MissingSupport(int((unsupported > TOLERANCE).sum()), float(unsupported.mean()))
    if not ((propensity > 0) & (propensity <= 1)).all():
        raise ValueError("a propensity is unknown or not in (0, 1]")
    weights = choices.target / propensity
    if (ess := effective_sample_size(weights)) < LEAST_ESS:
        raise TooLittleOverlap(ess)
    mean = clustered_mean(weights, choices.units)
    if abs(mean.value - 1) > BEYOND_CHANCE * mean.standard_error + TOLERANCE:
        raise WrongWeights(mean.value)
    return weights


def effective_sample_size(weights: Array) -> float:
    """How many rows of equal weight are worth as much; 0 if none has any. *Source*: Kish, 1965."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _self_normalised(weights: Array, reward: Array, units: npt.NDArray[Any]) -> Mean:
    """The weighted mean, its error linearised."""
    value = float((weights * reward).sum() / weights.sum())
    return with_error(value, clustered_error(weights * (reward - value) / weights.mean(), units))
