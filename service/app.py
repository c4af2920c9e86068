"""The application factory; wiring only."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from index.publishing.store import Store
from service.api.context import Wiring
from service.api.errors import register_errors
from service.api.fast_path import FastPath
from service.api.front import Front
from service.api.related import Lists
from service.api.routes import register_routes
from service.archive.brands import read_brands
from service.archive.follower import Following
from service.archive.manager import Catalogue
from service.archive.safety_cache import LastKnown
from service.auth.api_keys import CurrentKeys
from service.auth.authorization import Access
from service.config import Settings
from service.console.routes import register_console
from service.demo.pages import register_pages
from service.experiments.definitions import read_experiments
from service.experiments.event_writer import recorder_of
from service.http.headers import register_headers
from service.live_store.store import LiveStore
from service.observability.access_log import RequestLog
from service.observability.logging import is_text
from service.observability.metrics import Measures
from service.observability.middleware import Watching
from service.observability.sharing import tallies_of
from service.recommend.policy import read_policies
from service.recommend.popular import popular_of
from service.recommend.service import RelatedListService
from service.search.client import SearchClient
from service.widget.routes import EmbedEndpoints, register_embed

Clock = Callable[[], int]


def create_app(settings: Settings | None = None, clock: Clock | None = None) -> Flask:
    """The WSGI application. `clock` gives epoch seconds; the snapshot is opened with the first request.

    Raises `BadSetting`, `BadPolicies`, `BadKeys`, `BadBrands`, `BadExperiments`.
    """
    settings = settings or Settings.from_environment()
    clock = clock or _clock
    policies = read_policies(settings.policies)
    keys = CurrentKeys(settings.keys) if settings.keys is not None else None
    live = LiveStore(settings.live_url) if settings.live_url is not None else None
    experiments = read_experiments(settings.experiments, policies)
    brands, store = read_brands(settings.brands), Store(settings.store)

    def catalogue(channel: str) -> Catalogue:
        return Catalogue(store, channel, Following(live, brands, LastKnown(settings.last_known)))

    app = Flask("service", static_folder="demo/static", template_folder="demo/templates")
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.url_map.merge_slashes = False  # IDs may hold two slashes in a row
    search = SearchClient(settings.socket, settings.search_deadline_ms, settings.draft_deadline_ms)
    wiring = Wiring(
        catalogue=catalogue(settings.channel),
        others={name: catalogue(name) for name in experiments.channels() if name != settings.channel},
        search=search,
        lists=RelatedListService(search, popular_of(settings)),
        policies=policies,
        experiments=experiments,
        recorder=recorder_of(settings),
        access=Access(keys, settings.reads == "key", clock),
        settings=settings,
        clock=clock,
        measures=Measures(tallies_of(settings), settings.worker),
    )
    app.extensions["catalogue"] = wiring.catalogue
    app.extensions["wiring"] = wiring
    register_headers(app, frozenset(settings.cors_origins))  # first: what is registered last looks at an answer first
    lists = Lists(wiring)
    embedded = EmbedEndpoints(wiring).operations()
    documented = register_routes(app, wiring, lists, embedded)
    register_embed(app, wiring, embedded)
    register_pages(app, wiring, documented)
    register_console(app, wiring)
    register_errors(app, wiring.catalogue)
    log = RequestLog(settings.log_level, is_text(settings.log_format), settings.process)
    fast_path = None if settings.reads == "key" else FastPath(app.wsgi_app, lists, wiring)
    app.extensions["watching"] = app.wsgi_app = Watching(  # type: ignore[method-assign]
        fast_path or app.wsgi_app, wiring.measures, log
    )
    app.extensions["front"] = Front(app.wsgi_app, fast_path, wiring.access.has_key)
    return app


def _clock() -> int:
    return int(time.time())
