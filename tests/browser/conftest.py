"""Shared by browser tests: Chromium, the sample newsroom really served, a paper of another origin, axe, pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from constants import ROOT
from flask import Flask, Response, send_from_directory
from hashing_embedder import HashingEmbedder
from newsroom import write_keys
from playwright.sync_api import Browser, Page, sync_playwright

from index.article import Article, article_from_record
from index.build import rebuild
from index.publishing.store import Store
from scripts.tools.browser import CHROMIUM, launch, running
from service.app import create_app
from service.config import Settings
from service.live_store.migrate import migrate

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

PageAt = Callable[..., Page]
Serve = Callable[..., "Served"]


class Served(NamedTuple):
    """A running service: where it answers, its settings, its store. `settings.keys` holds the keys of `newsroom`."""

    url: str
    settings: Settings
    store: Store


MEDIA = ROOT / "scripts" / "sample" / "media"
PAPER_CSS = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d1c1a; }
@media (prefers-color-scheme: dark) { :root { --paper: #171614; --ink: #ece8e0; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.5 Georgia, "Noto Serif", serif; }
main { max-width: 1120px; margin: 0 auto; padding: 20px; } article { max-width: 680px; }
a { color: inherit; } .tall { min-height: 3000px; }
"""


class Paper:
    """A publisher's site, of another origin than the service: pages by path."""

    def __init__(self) -> None:
        self.url = ""
        self.app = Flask("paper")
        self._pages: dict[str, Response] = {}
        self.app.add_url_rule("/<path:name>", view_func=lambda name: self._pages.get(name) or Response("", 404))
        self.app.add_url_rule("/media/<name>", "media", lambda name: send_from_directory(MEDIA, name))
        self._pages["paper.css"] = Response(PAPER_CSS, content_type="text/css")

    def publish(self, name: str, html: str, policy: str | None = None) -> str:
        """Put a page there, under a content security policy or none; returns its address."""
        headers = {} if policy is None else {"Content-Security-Policy": policy}
        self._pages[name] = Response(html, headers=headers, content_type="text/html; charset=utf-8")
        return f"{self.url}/{name}"

    def article(self, name: str, service: str, blocks: str, body: str = "", head: str = "", lang: str = "en") -> str:
        """Publish an article with blocks under it, under a policy that lets in the service and nothing inline."""
        html = f"""<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>The ferry</title>
            <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
            <link rel="stylesheet" href="/paper.css">{head}<script src="{service}/embed.js" defer></script>
            <main><article><h1>The ferry</h1>{body}</article>{blocks}</main></html>"""
        allowed = (
            f"script-src {service}; connect-src {service}; img-src 'self' {service} https: data:; style-src 'self'"
        )
        return self.publish(name, html, f"default-src 'none'; {allowed}; require-trusted-types-for 'script'")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without it a test is skipped by name, and fails in CI."""
    if not CHROMIUM.exists():
        message = f"no Chromium at {CHROMIUM} (set CHROMIUM)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        found = launch(playwright)
        yield found
        found.close()


@pytest.fixture
def page_at(browser: Browser) -> Iterator[PageAt]:
    """Makes pages of a width in px and a colour scheme, light or dark; an error that a page does not catch fails."""
    errors: list[str] = []
    with ExitStack() as contexts:

        def make(width: int = 1280, scheme: str = "light", height: int = 900, **options: Any) -> Page:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce", **options
            )
            contexts.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: errors.append(str(error)))
            return page

        yield make
    assert errors == []


@pytest.fixture(scope="session")
def paper() -> Iterator[Paper]:
    """A publisher's site."""
    paper = Paper()
    with running(paper.app) as paper.url:
        yield paper


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory, paper: Paper) -> Iterator[Serve]:
    """Serves a store to the paper's pages, with the settings it is given, until the tests end."""
    with ExitStack() as servers:

        def start(store: Store, **settings: Any) -> Served:
            keys = write_keys(tmp_path_factory.mktemp("keys") / "keys.toml")
            asked = {
                "keys": keys,
                "cors_origins": (paper.url,),
                "search_socket": keys.parent / "nobody.sock",
            } | settings
            chosen = Settings(store=store.root, **asked)
            migrate(chosen.live_url or "")
            app = create_app(chosen)
            servers.callback(app.extensions["catalogue"].live.store.close)
            return Served(servers.enter_context(running(app)), chosen, store)

        yield start


@pytest.fixture(scope="session")
def newsroom_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The sample newsroom as of now, indexed without a model."""
    store = Store(tmp_path_factory.mktemp("browser") / "store")
    rebuild(_sample(int(time.time())), store, HashingEmbedder(), int(time.time()))
    return store


@pytest.fixture(scope="session")
def served(serve: Serve, newsroom_store: Store) -> Served:
    """The sample newsroom, served with its pictures and a keys file."""
    return serve(newsroom_store, media_dir=MEDIA, title="The Wendmouth Courier")


@pytest.fixture(scope="session")
def axe() -> Callable[[Page], list[str]]:
    """What axe-core finds wrong on a page, shadow trees included: the rule, why, and where."""
    source = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")

    def violations(page: Page) -> list[str]:
        page.evaluate(f"() => {{ {source} }}")
        found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        return [
            f"{each['id']}: {each['help']}: {node['target']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    return violations


@pytest.fixture(scope="session")
def screenshot() -> Callable[[Page, str], None]:
    """Writes a picture of the whole page to the folder SCREENSHOTS; without one, nothing."""
    folder = os.environ.get("SCREENSHOTS")

    def take(page: Page, name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return take


def _sample(now: int) -> list[Article]:
    from scripts.sample.newsroom import sample_articles

    return [article_from_record(record) for record in sample_articles(now)]
