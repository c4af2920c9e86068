"""Owns what the routes and pages share: the parts of one installation, and how a request gets its archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from service.api.access import Access
from service.archive import Archive
from service.catalogue import Catalogue
from service.config import Settings
from service.policy import Policies
from service.search_client import SearchClient


class Wiring(NamedTuple):
    """The parts of one installation. `clock` gives epoch seconds."""

    catalogue: Catalogue
    search: SearchClient
    policies: Policies
    access: Access
    settings: Settings
    clock: Callable[[], int]

    def current(self) -> Archive:
        """What to answer from. Raises `NoSnapshot`."""
        self.catalogue.follow(self.settings.refresh_seconds, self.settings.live_refresh_seconds)
        return self.catalogue.current()
