"""Answers a unit with its own list, of the variant assigned to it, and logs the exposure."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import combinations
from statistics import fmean
from typing import Any, NamedTuple

import msgspec

from index.article import UNDATED
from index.snapshot.reader import id_in
from index.snapshot.simhash import COSINES
from service.archive.manager import NoSnapshot
from service.archive.view import Archive
from service.experiments.assignment import assign
from service.experiments.definitions import INTERLEAVED, Experiment, Experiments, Variant
from service.experiments.event_log import EventLogUnavailable
from service.experiments.event_schema import Exposure, LoggedItem, line
from service.experiments.event_writer import Recorder
from service.experiments.exploration import explored
from service.experiments.team_draft import Team, team_draft
from service.experiments.tokens import ListToken
from service.recommend.policy import Policies, Policy
from service.recommend.query import Query
from service.recommend.ranking import DAY
from service.recommend.response import ListMetadata, RelatedList, Selection, Shown, new_list_id, serialize
from service.recommend.service import RelatedListService

FIXED = 2  # an exploring policy leaves so many stories at the top as they are


class Chosen(NamedTuple):
    """What a reader gets: the policy and channel of a variant, or two policies interleaved."""

    policy: Policy
    channel: str
    other: Policy | None = None
    experiment: str | None = None
    variant: str | None = None
    override: bool = False


class UnitLists:
    """Makes lists for units. `archives` gives what a channel serves now; it raises `NoSnapshot`."""

    def __init__(
        self,
        experiments: Experiments,
        policies: Policies,
        channel: str,
        archives: Callable[[str], Archive],
        lists: RelatedListService,
        recorder: Recorder | None,
        draw: random.Random | None = None,
    ) -> None:
        self._experiments = experiments
        self._policies = policies
        self._channel = channel
        self._archives = archives
        self._lists = lists
        self._recorder = recorder
        self._draw = draw or random.Random()  # noqa: S311 - no secret: a coin of an experiment

    def of(self, archive: Archive, row: int, query: Query, asked: Policy | None, now: int) -> RelatedList:
        """The list for `query.unit` under a visible row of the default channel's archive.

        `asked`: the policy that the request names; then no experiment. A list that could not be written down has no
        token: what becomes of it counts nowhere.
        """
        begin = time.perf_counter()
        chosen = self._chosen(query, asked, now)
        degraded: tuple[str, ...] = ()
        if chosen.channel != self._channel:
            archive, row, degraded = self._in_channel(chosen.channel, archive, row, now)
        selection, teams = self._selected(archive, row, query, chosen, now)
        selection = selection.also_degraded(degraded)
        propensities: tuple[float, ...] | None = None
        pinned = any(story.source == "pinned" for story in selection.shown)
        if chosen.policy.explore and chosen.other is None and not pinned:  # of a mixed list nobody knows the chances
            selection, propensities = self._explored(selection, query, chosen.policy, now)
        metadata = ListMetadata(new_list_id(), chosen.experiment, chosen.variant)
        if self._recorder is None:
            return serialize(selection, query, now, metadata)
        try:
            token = self._token(self._recorder, selection, query, metadata, now)
            signed = self._recorder.tokens.signed(token)
            answer = serialize(selection, query, now, metadata._replace(token=signed))
            took_ms = (time.perf_counter() - begin) * 1_000
            exposure = self._exposure(selection, query, chosen, token, teams, propensities, took_ms)
            self._recorder.write([line(exposure)])
        except EventLogUnavailable:
            return serialize(selection, query, now, metadata)
        return answer

    def _chosen(self, query: Query, asked: Policy | None, now: int) -> Chosen:
        if asked is not None or query.unit is None:
            return Chosen(asked or self._policies.usual, self._channel)
        unit = query.unit
        running = self._experiments.active(query.block, datetime.fromtimestamp(now, UTC).date())
        for experiment in sorted(
            running, key=lambda candidate: unit not in candidate.overrides
        ):  # an override goes first
            assigned = assign(experiment, unit)
            if assigned is not None:
                return self._of_variant(experiment, assigned.variant, assigned.override)
        return Chosen(self._policies.usual, self._channel)

    def _of_variant(self, experiment: Experiment, variant: Variant, override: bool) -> Chosen:
        channel = variant.channel or self._channel
        if experiment.mode == "interleave":
            control, treatment = (self._policies[variant_.policy] for variant_ in experiment.variants)
            return Chosen(control, channel, treatment, experiment.key, INTERLEAVED, override)
        return Chosen(self._policies[variant.policy], channel, None, experiment.key, variant.key, override)

    def _in_channel(self, channel: str, archive: Archive, row: int, now: int) -> tuple[Archive, int, tuple[str, ...]]:
        """The same article in another channel; where that has no such article, the default one serves and says so."""
        identifier = archive.own_id(row)
        try:
            other = self._archives(channel)
        except NoSnapshot:
            return archive, row, ("channel_unavailable",)
        other_row = None if identifier is None else other.row_of_id(identifier)
        if other_row is None or other.fact(other_row).visible_from > now:
            return archive, row, ("not_in_channel",)
        return other, other_row, ()

    def _selected(
        self, archive: Archive, row: int, query: Query, chosen: Chosen, now: int
    ) -> tuple[Selection, Mapping[int, Team]]:
        """The stories; and by row, which of two interleaved policies each counts for."""
        mine = self._lists.select(archive, row, query, chosen.policy, now)
        if chosen.other is None:
            return mine, {}
        theirs = self._lists.select(archive, row, query, chosen.other, now)
        ours, others = _by_event(mine), _by_event(theirs)
        pinned = [(at, story) for at, story in enumerate(mine.shown) if story.source == "pinned"]
        drafted = team_draft(list(ours), list(others), query.limit - len(pinned), self._draw.random)
        shown = [(others | ours if team != "b" else others)[event] for event, team in drafted]
        teams = {story.row: team for story, (_, team) in zip(shown, drafted, strict=True) if team is not None}
        for at, story in pinned:  # of no team: both policies show it there
            shown.insert(at, story)
        return mine._replace(shown=shown).also_degraded(theirs.degraded), teams

    def _explored(
        self, selection: Selection, query: Query, policy: Policy, now: int
    ) -> tuple[Selection, tuple[float, ...]]:
        wider = msgspec.structs.replace(query, limit=2 * query.limit)
        events = {selection.archive.fact(story.row).event for story in selection.shown}
        more = self._lists.select(selection.archive, selection.row, wider, policy, now)
        pool = [
            story for story in more.shown if story.story and selection.archive.fact(story.row).event not in events
        ]
        shown, propensities = explored(selection.shown, pool, policy.explore, FIXED, self._draw.random)
        return selection._replace(shown=shown).also_degraded(more.degraded), tuple(propensities)

    def _token(
        self, recorder: Recorder, selection: Selection, query: Query, metadata: ListMetadata, now: int
    ) -> ListToken:
        return ListToken(
            list_id=metadata.list_id,
            article_id=id_in(selection.archive.teaser(selection.row)),
            block=query.block,
            policy=selection.policy.name,
            experiment=metadata.experiment,
            variant=metadata.variant,
            served_at=float(now),
            expires_at=now + recorder.token_seconds,
            items=tuple(id_in(selection.archive.teaser(story.row)) for story in selection.shown),
        )

    def _exposure(
        self,
        selection: Selection,
        query: Query,
        chosen: Chosen,
        token: ListToken,
        teams: Mapping[int, Team],
        propensities: tuple[float, ...] | None,
        took_ms: float,
    ) -> Exposure:
        archive, sections = selection.archive, selection.archive.names["section"]
        items = tuple(
            LoggedItem(
                id=identifier,
                source=story.source,
                score=None if story.story is None else round(story.story.score, 4),
                team=teams.get(story.row),
                section=sections[archive.fact(story.row).section],
            )
            for identifier, story in zip(token.items, selection.shown, strict=True)
        )
        return Exposure(
            at=token.served_at,
            list_id=token.list_id,
            unit=query.unit or "",
            article_id=token.article_id,
            block=token.block,
            policy=token.policy,
            experiment=token.experiment,
            variant=token.variant,
            override=chosen.override,
            channel=archive.manifest.channel,
            snapshot_id=archive.id,
            expires_at=token.expires_at,
            fallback_used=selection.fallback_used,
            degraded=selection.degraded,
            took_ms=round(took_ms, 3),
            items=items,
            propensities=propensities,
            **_measures(selection, token.served_at),
        )


def _measures(selection: Selection, now: float) -> dict[str, Any]:
    """What guardrails watch of a list: see `Exposure`."""
    archive, rows = selection.archive, [story.row for story in selection.shown]
    facts = [archive.fact(row) for row in rows]
    ages = [(now - story.published_at) / DAY for story in facts if story.published_at != UNDATED]
    sketches = [archive.sketch(row) for row in rows]
    unlike = [1 - COSINES[(one ^ other).bit_count()] for one, other in combinations(sketches, 2)]
    same_section = [story.section == selection.source.section for story in facts]
    return {
        "same_section": round(fmean(same_section), 4) if rows else None,
        "age_days": round(fmean(ages), 3) if ages else None,
        "diversity": round(fmean(unlike), 4) if unlike else None,
        "duplicates": len(facts) - len({story.event for story in facts}) if rows else None,
    }


def _by_event(selection: Selection) -> dict[int, Shown]:
    """The stories that are not pinned by event, in order: two stories of one event are one story to a reader."""
    return {selection.archive.fact(story.row).event: story for story in selection.shown if story.source != "pinned"}
