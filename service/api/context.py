"""Owns what the routes and pages share: the parts of one installation, and how a request gets its archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from service.archive.manager import Catalogue
from service.archive.view import Archive
from service.auth.authorization import Access
from service.config import Settings
from service.experiments.definitions import Experiments
from service.experiments.event_writer import Recorder
from service.experiments.unit_lists import UnitLists
from service.observability.metrics import Measures
from service.recommend.policy import Policies
from service.recommend.service import RelatedListService
from service.search.client import SearchClient


class Wiring(NamedTuple):
    """The parts of one installation. `clock` gives epoch seconds. `others`: catalogues of experiments' channels."""

    catalogue: Catalogue
    others: Mapping[str, Catalogue]
    search: SearchClient
    lists: RelatedListService
    policies: Policies
    experiments: Experiments
    recorder: Recorder | None
    access: Access
    settings: Settings
    clock: Callable[[], int]
    measures: Measures

    def current(self) -> Archive:
        """What to answer from. Raises `NoSnapshot`."""
        return self._followed(self.catalogue)

    def current_of(self, channel: str) -> Archive:
        """The same of a channel that an experiment names. Raises `NoSnapshot`."""
        return self._followed(self.others[channel])

    def follow(self) -> None:
        """Keep up with the store and the live store, also before anybody asks."""
        for catalogue in (self.catalogue, *self.others.values()):
            catalogue.follow(self.settings.refresh_seconds, self.settings.live_refresh_seconds)

    def unit_lists(self) -> UnitLists:
        """What makes the lists of experiments' units."""
        channel = self.settings.channel
        return UnitLists(self.experiments, self.policies, channel, self.current_of, self.lists, self.recorder)

    def problems(self) -> list[str]:
        """What is wrong while requests are answered, for a person to read."""
        found = self.catalogue.problems()
        found += [f"channel {name}: {each}" for name, other in self.others.items() for each in other.problems()]
        if self.access.keys is not None:
            self.access.keys.get(time.monotonic())  # look at the file, though nobody has come with a key
            if self.access.keys.problem:
                found.append(self.access.keys.problem)
        if self.recorder is not None and self.recorder.problem:
            found.append(self.recorder.problem)
        return found

    def _followed(self, catalogue: Catalogue) -> Archive:
        catalogue.follow(self.settings.refresh_seconds, self.settings.live_refresh_seconds)
        return catalogue.current()
