"""What readers would have clicked under other lists, from the log of a policy that explored.

    python scripts/ope_report.py EVENTS --policy NAME [--lists LISTS.jsonl] [--json OUT.json]
    python scripts/ope_report.py --open-bandit DIRECTORY [--json OUT.json]

EVENTS: the directory of the event log. Evaluated is the policy's own list without exploring, or the lists in LISTS,
one a line: {"article_id": "...", "items": ["...", ...]}; articles that are not among them are left out. A figure is
clicks a place: a story at a position of a list that was answered. A list can be evaluated as far as the log could
show it: --lists is refused where it puts a story at a position at which the log never had it. With --open-bandit,
the figures that these estimators give on the Open Bandit Dataset (https://research.zozo.com/data.html).

Exit codes: 0 evaluated, 1 refused: the log does not tell, 2 usage or unreadable input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from service.evaluation.experiments.cluster_robust import Array, Mean
from service.evaluation.experiments.events import open_events
from service.evaluation.experiments.events_experiment import BOT_CLICKS, BOT_EXPOSURES
from service.evaluation.experiments.off_policy import (
    CannotEvaluate,
    Choices,
    DeterministicLog,
    Evaluation,
    Model,
    evaluate,
)

CAMPAIGNS = ("men", "women", "all")
PRIOR_SHOWN = 20  # what a reward model's cell is taken to have been shown before, at the usual rate
OPEN_BANDIT_PRIOR_CLICKS = 0.09  # the usual rate there, .0045, times 20
OWN = 0.5  # a story with a higher propensity is the list's own: an exploring policy exchanges less than half

PLACES = """
with busy as (from bots(null, null, $bot_lists, $bot_clicks)),
places as (
    select list_id, unit, article_id, unnest(story_ids) as item, unnest(propensities) as propensity,
        generate_subscripts(story_ids, 1) - 1 as position
    from exposures anti join busy using (unit)
    where policy = $policy and propensities is not null
)
select places.unit, places.article_id, item, places.position, propensity,
    (clicks.list_id is not null)::double as reward
from places left join clicks on places.list_id = clicks.list_id and places.item = clicks.clicked_id
order by places.list_id, places.position
"""

Rows = Mapping[str, Any]  # a column's name -> (n,)


class TargetList(msgspec.Struct):
    article_id: str
    items: list[str]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        found = dict(_evaluations(options))
    except CannotEvaluate as refused:
        print(f"{type(refused).__name__}: {refused}", file=sys.stderr)
        return 1
    except (OSError, ValueError, duckdb.Error) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n\n".join(_as_text(name, each) for name, each in found.items()))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    log = parser.add_mutually_exclusive_group(required=True)
    log.add_argument("events", nargs="?", type=Path, help="directory of the event log")
    log.add_argument("--open-bandit", type=Path, help="directory of the Open Bandit logs")
    parser.add_argument("--policy", default="related", help="the policy that explored (default: related)")
    parser.add_argument("--lists", type=Path, help="the lists to evaluate, JSON Lines")
    parser.add_argument("--json", type=Path, help="write every figure here")
    return parser


def _evaluations(options: argparse.Namespace) -> Iterator[tuple[str, Evaluation]]:
    if options.open_bandit:
        yield from ((campaign, open_bandit(options.open_bandit, campaign)) for campaign in CAMPAIGNS)
        return
    rows = logged_places(options.events, options.policy)
    if options.lists:
        yield str(options.lists), evaluate_lists(rows, _read_lists(options.lists))
    else:
        yield f"{options.policy} without exploring", evaluate_unexplored(rows)


def logged_places(events: Path, policy: str) -> Rows:
    """Every place of the policy's lists that have propensities. Raises `DeterministicLog` if there is none."""
    parameters = {"policy": policy, "bot_lists": BOT_EXPOSURES, "bot_clicks": BOT_CLICKS}
    with open_events(events) as log:
        if not log.segments:
            raise FileNotFoundError(f"no event log in {events}")
        rows = log.connection.execute(PLACES, parameters).fetchnumpy()
    if not len(rows["position"]):
        raise DeterministicLog
    return rows


def evaluate_unexplored(rows: Rows) -> Evaluation:
    """The policy's own lists: what stands there when nothing is exchanged, which the log can always show."""
    own = rows["propensity"] > OWN
    shown = [*zip(rows["position"].tolist(), own.tolist(), strict=True)]
    target = [(position, True) for position, _ in shown]
    return _evaluated(rows, shown, target, np.zeros(len(shown)))


def evaluate_lists(rows: Rows, lists: Mapping[str, list[str]]) -> Evaluation:
    """The given lists by article ID, at the positions that they and the log have. Raises ValueError if none is."""
    logged = zip(rows["article_id"], rows["position"].tolist(), strict=True)
    known = np.array([position < len(lists.get(article, ())) for article, position in logged])
    if not known.any():
        raise ValueError("the log has none of the articles of the given lists")
    rows = {name: column[known] for name, column in rows.items()}
    places = [*zip(rows["article_id"], rows["position"].tolist(), strict=True)]
    shown, target = (
        [*zip(places, rows["item"], strict=True)],
        [(place, lists[place[0]][place[1]]) for place in places],
    )
    possible = set(shown)
    return _evaluated(rows, shown, target, np.array([each not in possible for each in target], float))


def _evaluated(rows: Rows, shown: list[Any], target: list[Any], unsupported: Array) -> Evaluation:
    """A target that shows one thing in each context: the estimates, with each action's smoothed rate as a model."""
    agrees = np.array([one == other for one, other in zip(shown, target, strict=True)], float)
    choices = Choices(rows["reward"], rows["propensity"], agrees, unsupported, rows["unit"])
    numbers = {action: number for number, action in enumerate(dict.fromkeys([*shown, *target]))}
    of, to = (np.array([numbers[action] for action in actions]) for actions in (shown, target))
    clicks, times = np.bincount(of, rows["reward"], len(numbers)), np.bincount(of, minlength=len(numbers))
    rates = (clicks + PRIOR_SHOWN * rows["reward"].mean()) / (times + PRIOR_SHOWN)
    return evaluate(choices, Model(rates[of], rates[to]))


def _read_lists(path: Path) -> dict[str, list[str]]:
    lines = msgspec.json.Decoder(TargetList).decode_lines(path.read_bytes())
    return {line.article_id: line.items for line in lines}


def open_bandit(directory: Path, campaign: str) -> Evaluation:
    """What the log of random items tells of the other log's policy: that log's frequency of items by position."""
    item, position, reward, propensity = _open_bandit_log(directory / f"random_{campaign}.csv.gz")
    other_item, other_position, _, _ = _open_bandit_log(directory / f"bts_{campaign}.csv.gz")
    size = (max(item.max(), other_item.max()) + 1, position.max() + 1)
    target = _counts(size, other_item, other_position)
    target /= np.maximum(target.sum(axis=0), 1)
    rates = (_counts(size, item, position, reward) + OPEN_BANDIT_PRIOR_CLICKS) / (
        _counts(size, item, position) + PRIOR_SHOWN
    )
    everywhere = np.zeros(len(item))  # any item may stand anywhere in the random log
    choices = Choices(reward, propensity, target[item, position], everywhere, np.arange(len(item)))
    return evaluate(choices, Model(rates[item, position], (target * rates).sum(axis=0)[position]))


def _open_bandit_log(path: Path) -> tuple[Any, Any, Array, Array]:
    columns = "select item_id, position, click::double as click, propensity_score from read_csv($path)"
    with duckdb.connect() as database:
        rows = database.execute(columns, {"path": str(path)}).fetchnumpy()
    return rows["item_id"], rows["position"], rows["click"], rows["propensity_score"]


def _counts(size: tuple[int, int], item: Any, position: Any, weights: Array | float = 1.0) -> Array:
    counts = np.zeros(size)
    np.add.at(counts, (item, position), weights)
    return counts


def _as_text(name: str, found: Evaluation) -> str:
    figures = {
        "clicked as logged": found.logged,
        "IPS": found.ips,
        "IPS, clipped": found.clipped,
        "SNIPS": found.snips,
        "DM": found.dm,
        "DR": found.dr,
    }
    head = f"{name}: {found.rows} choices, effective sample size {found.ess:.0f}, mean weight {found.mean_weight:.3f}"
    return "\n".join([head, *(_line(label, figure) for label, figure in figures.items() if figure)])


def _line(label: str, figure: Mean) -> str:
    shown = figure.within(0, 1)  # a choice has at most one click
    return f"  {label:18} {shown.value:.6f}  [{shown.low:.6f}, {shown.high:.6f}]"


if __name__ == "__main__":
    sys.exit(main())
