"""The application factory; wiring only."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from index.store import Store
from service.api.errors import register_errors
from service.api.pages import register_pages
from service.api.routes import register_routes
from service.catalogue import Catalogue
from service.config import Settings
from service.policy import read_policies
from service.search_client import SearchClient

Clock = Callable[[], int]


def create_app(settings: Settings | None = None, clock: Clock | None = None) -> Flask:
    """The WSGI application. `clock` gives epoch seconds; the snapshot is opened with the first request.

    Raises `BadSetting`, `BadPolicies`.
    """
    settings = settings or Settings.from_environment()
    clock = clock or _clock
    policies = read_policies(settings.policies)
    app = Flask("service", static_folder="api/static", template_folder="api/templates")
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.url_map.merge_slashes = False  # IDs may hold two slashes in a row
    catalogue = Catalogue(Store(settings.store), settings.channel)
    search = SearchClient(settings.search_socket, settings.search_deadline_ms, settings.draft_deadline_ms)
    register_routes(app, catalogue, search, policies, settings, clock)
    register_pages(app, catalogue, search, policies, settings, clock)
    register_errors(app, catalogue)
    return app


def _clock() -> int:
    return int(time.time())
