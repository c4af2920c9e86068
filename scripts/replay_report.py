"""Ask the event log, without readers, where another policy would have put what was clicked.

    python scripts/replay_report.py --events DIR --store STORE --policy NAME [--experiment KEY] [--json OUT.json]

Takes every logged list with a click, of readers who are no programs, makes the policy's list of the same length under
the same article as of the same moment, from the snapshot that the channel serves now, and compares where the clicked
stories stand. With --experiment, only that experiment's lists; pins and other live changes are not replayed.

Exit codes: 0 replayed, 1 there is no list to replay, 2 usage or unreadable input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import msgspec

from index.publishing.store import Store, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from service.archive.view import Archive
from service.config import Settings
from service.evaluation.experiments.cluster_robust import Mean
from service.evaluation.experiments.events import open_events
from service.evaluation.experiments.events_experiment import BOT_CLICKS, BOT_EXPOSURES
from service.evaluation.experiments.replay import LoggedList, Replay, replay
from service.recommend.pipeline import ArticleNotFound, ArticleWithdrawn, select, visible_row
from service.recommend.policy import Policy, read_policies
from service.recommend.query import Query

CLICKED_LISTS = """
with busy as (from bots(null, null, $bot_lists, $bot_clicks)),
clicked as (select list_id, list(clicked_id) as stories from clicks group by list_id)
select received_at, article_id, unit, story_ids, stories
from exposures join clicked using (list_id) anti join busy using (unit)
where experiment = $experiment or $experiment is null
order by list_id
"""
CAVEATS = """\
Readers were shown the logged order, and click what stands high: it starts with an advantage, so a loss may be none.
Stories that the log did not show count as not clicked. The snapshot is today's, not that of the day.
Only an experiment tells which policy readers prefer."""


class Unusable(Exception):
    """An option that cannot be used; the message says why."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy does with the clicked stories. `lists_gone`: clicked lists under articles that the snapshot does
    not show at their time, which are not replayed; `clicked_gone`: clicked stories of the others that it lacks, which
    no list can hold.
    """

    policy: str
    experiment: str | None
    snapshot_id: str
    lists_gone: int
    clicked_gone: int
    replay: Replay


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        archive, policy = _archive(options.store, options.channel), _policy(options.policy)
        found = replayed(clicked_lists(options.events, options.experiment), archive, policy, options.experiment)
    except (Unusable, DamagedSnapshot, UnknownSnapshot, OSError, ValueError, duckdb.Error) as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    print(as_text(found))
    return 0 if found.replay.lists else 1


def clicked_lists(events: Path, experiment: str | None) -> list[LoggedList]:
    """The lists with a click on one of their stories, bots' left out."""
    parameters = {"experiment": experiment, "bot_lists": BOT_EXPOSURES, "bot_clicks": BOT_CLICKS}
    with open_events(events) as log:
        if not log.segments:
            raise Unusable(f"no event log in {events}")
        rows = log.rows(CLICKED_LISTS, **parameters)
    lists = (
        LoggedList(int(at), article, unit, tuple(stories), frozenset(clicked) & frozenset(stories))
        for at, article, unit, stories, clicked in rows
    )
    return [list_ for list_ in lists if list_.clicked]


def replayed(lists: Sequence[LoggedList], archive: Archive, policy: Policy, experiment: str | None) -> Replayed:
    """The policy's lists in place of the logged ones."""
    there = [list_ for list_ in lists if _row(archive, list_) is not None]
    return Replayed(
        policy=policy.name,
        experiment=experiment,
        snapshot_id=archive.id,
        lists_gone=len(lists) - len(there),
        clicked_gone=sum(archive.row_of_id(story) is None for each in there for story in each.clicked),
        replay=replay(there, lambda logged: policy_list(archive, policy, logged)),
    )


def policy_list(archive: Archive, policy: Policy, logged: LoggedList) -> list[str]:
    """The IDs of the policy's stories in place of a logged list; none where its article was not to be seen."""
    row = _row(archive, logged)
    if row is None:
        return []
    shown = select(archive, row, Query(limit=len(logged.items)), policy, _minute(logged.at)).shown
    return [str(archive.own_id(each.row)) for each in shown]


def as_text(found: Replayed) -> str:
    """The figures, and what they do not say."""
    made = found.replay
    if not made.lists:
        return (
            f"nothing to replay: no clicked list under an article of the snapshot ({found.lists_gone:,} under others)"
        )
    lines = {
        "lists with a click": f"{made.lists:,}, and {found.lists_gone:,} under articles that the snapshot lacks",
        "MRR as logged": _figure(made.logged.within(0, 1)),
        f"MRR under {found.policy}": _figure(made.anew.within(0, 1)),
        "gain": f"{_figure(made.gain.within(-1, 1))}  p {made.gain.p_value:.4f}",
        "clicked stories kept": f"{made.kept:.1%}; {found.clicked_gone:,} are no more in the snapshot",
        "new stories never shown": f"{made.never_shown:.1%}, of which the log says nothing",
    }
    return "\n".join([*(f"{name:24} {value}" for name, value in lines.items()), CAVEATS])


def _figure(mean: Mean) -> str:
    return f"{mean.value:.4f}  [{mean.low:.4f}, {mean.high:.4f}]"


def _row(archive: Archive, logged: LoggedList) -> int | None:
    """The row of the list's article, None where readers could not see it then."""
    try:
        return visible_row(archive, archive.row_of_id(logged.article_id), logged.article_id, _minute(logged.at))
    except (ArticleNotFound, ArticleWithdrawn):
        return None


def _minute(at: int) -> int:
    """As requests see the time."""
    return at - at % 60


def _archive(root: Path, channel: str) -> Archive:
    store = Store(root)
    active = store.active_id(channel)
    if active is None:
        raise Unusable(f"no snapshot of channel {channel} in {root}; make one: scripts/rebuild_index.py")
    return Archive(Snapshot.open(store.directory(active)))


def _policy(name: str) -> Policy:
    policies = read_policies(Settings.from_environment().policies)
    if name not in policies.by_name:
        raise Unusable(f"unknown policy {name!r}; known are {', '.join(policies.by_name)}")
    return policies[name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--events", type=Path, required=True, metavar="DIR", help="the event log")
    add("--store", type=Path, required=True, help="the store of the snapshots")
    add("--channel", default="default", help="whose snapshot the new lists are made from (%(default)s)")
    add("--policy", required=True, metavar="NAME", help="the policy to ask about")
    add("--experiment", metavar="KEY", help="only the lists of this experiment")
    add("--json", type=Path, metavar="FILE", help="write every figure here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
