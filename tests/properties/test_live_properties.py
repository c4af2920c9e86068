"""Publish, withdraw, compare, rebuild and roll back in any order: nothing is lost, and nothing comes back."""

from __future__ import annotations

import gc
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from newsroom import Newsroom, catalogue_of, record, story

from index.publishing.previous import held_by_all
from service.recommend.pipeline import related
from service.recommend.policy import read_policies
from service.recommend.query import Query

TOPICS = ("ferry river crossing timetable", "council budget tax levy")
IDS = [*(f"old/{n}" for n in range(6)), *(f"new/{n}" for n in range(4))]
ALL, POLICY = Query(limit=20, no_fallback=True), read_policies(None)["related"]
ARCHIVE = [story(f"old/{n}", TOPICS[n % 2], 10 + 10 * n, headline=f"old/{n} as imported") for n in range(6)]


class LiveNewsroom(RuleBasedStateMachine):
    """The service against a dictionary: ID -> the headline that readers see, None for withdrawn."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.newsroom = Newsroom(Path(self.folder.name))
        self.seen: dict[str, str | None] = {article.id: article.headline for article in ARCHIVE}
        self.excluded: set[str] = set()
        self.revision = 0

    @initialize()
    def first_snapshot(self) -> None:
        self.newsroom.rebuild(ARCHIVE)

    @rule(identifier=st.sampled_from(IDS), topic=st.sampled_from(TOPICS))
    def publish(self, identifier: str, topic: str) -> None:
        self.revision += 1
        headline = f"{identifier} {topic} {self.revision}"
        assert self.newsroom.put(record(identifier, topic, headline=headline)).status_code in (200, 201)
        self.seen[identifier] = headline

    @rule(identifier=st.sampled_from(IDS))
    def withdraw(self, identifier: str) -> None:
        assert self.newsroom.delete(identifier).status_code == 200
        self.seen[identifier] = None

    @rule(identifier=st.sampled_from(IDS), excluded=st.booleans())
    def exclude(self, identifier: str, excluded: bool) -> None:
        given: list[dict[str, Any]] = [{"kind": "exclude"}] if excluded else []
        assert self.newsroom.signals(identifier, *given).status_code in (200, 201)
        (self.excluded.add if excluded else self.excluded.discard)(identifier)

    @rule()
    def compare(self) -> None:
        self.newsroom.compare()
        catalogue_of(self.newsroom.client).catch_up()

    @rule(keep=st.integers(1, 3), sources_too=st.booleans(), back=st.booleans())
    def rebuild(self, keep: int, sources_too: bool, back: bool) -> None:
        """Sources say what they always said; of articles that readers know otherwise they know nothing newer."""
        records = [article for article in ARCHIVE if self.seen[article.id] == article.headline] if sources_too else []
        live = self.newsroom.live
        self.newsroom.now += 1
        self.newsroom.rebuild(records, live=live.all_rows(), keep=keep, force=True)
        live.truncate(held_by_all(self.newsroom.store, live.all_rows().installation))
        if back and len(self.newsroom.store.snapshot_ids()) > 1:
            self.newsroom.store.roll_back("default")
        catalogue_of(self.newsroom.client).refresh()

    @rule()
    def restart(self) -> None:
        self.newsroom.client = self.newsroom.worker()

    @invariant()
    def readers_see_what_the_newsroom_wants(self) -> None:
        for identifier in IDS:
            answer = self.newsroom.client.get("/v1/article", query_string={"id": identifier})
            found = answer.get_json()
            if identifier not in self.seen:
                assert answer.status_code == 404
            elif self.seen[identifier] is None:
                assert found["state"] == "withdrawn"
            else:
                assert found["teaser"]["headline"] == self.seen[identifier]

    @invariant()
    def lists_show_what_readers_may_see(self) -> None:
        for identifier in [each for each, headline in self.seen.items() if headline is not None]:
            items = self.newsroom.list_of(identifier, fallback="recent")["items"]
            shown = {each["teaser"]["id"]: each["teaser"]["headline"] for each in items}
            assert len(shown) == len(items)
            assert not shown.keys() & (self.excluded | {identifier})
            assert all(self.seen[each] == headline for each, headline in shown.items())

    @invariant()
    def a_kept_list_is_what_would_be_made_now(self) -> None:
        """Lists that a change does not touch outlive it (no other invariant would notice one that should not)."""
        archive = catalogue_of(self.newsroom.client).current()
        for identifier in [each for each, headline in self.seen.items() if headline is not None]:
            kept = self.newsroom.list_of(identifier)
            row = archive.row_of_id(identifier)
            assert row is not None
            made = related(archive, row, ALL, POLICY, self.newsroom.now)
            assert kept == json.loads(made.body)

    def teardown(self) -> None:
        self.newsroom.close()
        del self.newsroom
        gc.collect()  # hundreds of newsrooms in one process: their mapped files must not add up
        self.folder.cleanup()


def _machine(examples: int) -> Any:
    case = LiveNewsroom.TestCase
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=slow,
        derandomize="CI" in os.environ,
    )
    return case


TestLiveNewsroom = _machine(12)


def test_lists_follow_changes_that_touch_them_and_outlive_the_others() -> None:
    newsroom = LiveNewsroom()
    newsroom.first_snapshot()

    def check() -> None:
        newsroom.a_kept_list_is_what_would_be_made_now()

    room = newsroom.newsroom
    check()
    newsroom.publish("new/1", TOPICS[0])
    check()
    newsroom.compare()  # now it enters older lists
    check()
    assert room.signals("old/1", {"kind": "pin", "target": "new/2", "position": 1}).status_code == 201
    check()
    newsroom.publish("new/2", TOPICS[0])  # the pinned story comes to be
    assert room.ids("old/1")[0] == "new/2"
    check()
    room.signals("old/1", {"kind": "pin", "target": "new/1", "position": 1})
    check()
    newsroom.withdraw("old/4")
    newsroom.compare()
    check()
    newsroom.publish("old/2", TOPICS[1])  # it changes its subject
    check()
    newsroom.compare()
    check()
    newsroom.teardown()


def test_a_change_leaves_lists_of_other_subjects_as_they_are() -> None:
    newsroom = LiveNewsroom()
    newsroom.first_snapshot()
    overlay = catalogue_of(newsroom.newsroom.client).current().overlay
    newsroom.publish("new/1", TOPICS[0])
    newsroom.compare()
    catalogue_of(newsroom.newsroom.client).catch_up()
    archive = catalogue_of(newsroom.newsroom.client).current()
    rows = [archive.row_of_id(f"old/{number}") or 0 for number in (0, 1)]
    assert [archive.overlay.untouched([row], overlay.sequence) for row in rows] == [False, True]
    newsroom.teardown()


@pytest.mark.parametrize("comparing", [False, True])
def test_what_only_the_live_store_has_outlives_a_roll_back(comparing: bool) -> None:
    newsroom = LiveNewsroom()
    newsroom.first_snapshot()
    newsroom.publish("new/1", TOPICS[0])
    newsroom.publish("old/1", TOPICS[1])
    newsroom.withdraw("old/2")
    for back in (True, False, True):
        newsroom.publish("new/1", TOPICS[1])
        if comparing:
            newsroom.compare()
        newsroom.rebuild(keep=3, sources_too=True, back=back)
        newsroom.readers_see_what_the_newsroom_wants()
        newsroom.lists_show_what_readers_may_see()
    newsroom.rebuild(keep=1, sources_too=False, back=False)
    newsroom.readers_see_what_the_newsroom_wants()
    assert newsroom.newsroom.live.all_rows().published == []  # every snapshot holds them by now
    assert newsroom.newsroom.live.all_rows().withdrawn == ["old/2"]
    newsroom.teardown()


@pytest.mark.proof
@pytest.mark.timeout(7_200)
class TestLiveNewsroomAtLength(_machine(12)):  # type: ignore[misc]
    """The same, much longer."""

    settings = settings(
        max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )
