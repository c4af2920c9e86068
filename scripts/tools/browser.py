"""Shows widgets in headless Chromium: a page, a service with a chain of stories, and what a reader sees."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from playwright.sync_api import Browser, Page, Playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from index.article import Article
from index.publishing.store import Store
from index.snapshot.attributes import NO_ROW
from index.snapshot.writer import Contents, write_snapshot

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
HOUR = 3_600
CANDIDATES = 50
PARAGRAPH = "<p>" + "The ferry was towed ashore on Monday. " * 12 + "</p>"
SHIFT = """() => new Promise(done => {
    let total = 0;
    new PerformanceObserver(list => { for (const each of list.getEntries()) total += each.value; })
        .observe({type: 'layout-shift', buffered: true});
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(total))));
})"""
SAMPLER = """() => {
    const since = new Map();
    window.seen = new Set();
    const sample = now => {
        for (const block of document.querySelectorAll('related-stories')) {
            const section = block.shadowRoot.querySelector('section:not([aria-busy])');
            if (!section) continue;
            const {top, bottom, height} = section.getBoundingClientRect();
            const visible = Math.min(bottom, innerHeight) - Math.max(top, 0);
            if (visible < Math.min(height, innerHeight) / 2) since.delete(block);
            else if (!since.has(block)) since.set(block, now);
            else if (now - since.get(block) >= 1000) seen.add(block.getAttribute('article'));
        }
        requestAnimationFrame(sample);
    };
    requestAnimationFrame(sample);
}"""


class Views(NamedTuple):
    """Articles whose blocks were in the viewport for a second, and those that a view was reported of."""

    real: frozenset[str]
    reported: frozenset[str]

    @property
    def error(self) -> float:
        """Wrong and missing views as a share of the real ones."""
        return len(self.real ^ self.reported) / len(self.real)


@contextmanager
def running(app: WSGIApplication) -> Iterator[str]:
    """The application on a free loopback port until the block ends; gives its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    """Answers without a line in the log for each."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None: ...


def launch(playwright: Playwright) -> Browser:
    """Chromium without a window."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


def chain(store: Store, articles: Sequence[Article]) -> None:
    """Publish a snapshot in which the stories of each article are the fifty that follow it, the nearest first.

    The articles are dated six hours apart, the last one now; they are taken as they are, unvalidated.
    """
    now, count = int(time.time()), len(articles)
    dated = [_dated(each, now - (count - at) * 6 * HOUR) for at, each in enumerate(articles)]
    following = np.arange(count)[:, None] + np.arange(1, CANDIDATES + 1)
    features = np.zeros((count, CANDIDATES, 3), np.float32)
    features[:, :, 0] = np.linspace(0.9, 0.5, CANDIDATES)
    own = np.arange(count, dtype=np.uint32)
    contents = Contents(
        articles=dated,
        vectors=np.random.default_rng(1).normal(size=(count, 64)).astype(np.float32),
        neighbour_rows=np.where(following < count, following, NO_ROW).astype(np.uint32),
        neighbour_features=features,
        terms=np.zeros((count, 1), np.uint32),
        term_texts=["word"],
        canonical=own,
        event=own,
        storyline=own,
        models={},
        counts={},
    )
    partial = store.begin("chain")
    write_snapshot(partial, contents, "chain", now, "bench")
    store.publish(partial, "default")


def _dated(article: Article, published_at: int) -> Article:
    fields = {name: getattr(article, name) for name in article.__struct_fields__}
    return Article(**fields | {"published_at": published_at})


def views(page: Page, events: Path, draw: random.Random) -> Views:
    """Scroll from the top to the end as a reader does, and compare what was seen with the event log."""
    page.evaluate(SAMPLER)
    while page.evaluate("scrollY + innerHeight < document.documentElement.scrollHeight - 1"):
        page.mouse.wheel(0, draw.randint(150, 900))
        page.wait_for_timeout(draw.randint(100, 1_900))
    page.wait_for_timeout(2_000)
    return Views(
        frozenset(page.evaluate("[...seen]")), frozenset(each["article_id"] for each in logged(events, "view"))
    )


def logged(events: Path, kind: str) -> list[dict[str, Any]]:
    """The event log's lines of a kind."""
    lines = (line for path in sorted(events.glob("*.jsonl")) for line in path.read_bytes().splitlines())
    return [each for line in lines if (each := msgspec.json.decode(line))["kind"] == kind]


def page_html(service: str, blocks: int, unit: str = "", before: int = 8, how: str = "defer", own: str = "") -> str:
    """An article of some paragraphs, the widget's script and so many blocks, each followed by a paragraph."""
    given = f'unit="{unit}"' if unit else ""
    drawn = "".join(
        f'<related-stories article="s{3 * at}" layout="compact" limit="2" {given}></related-stories>{PARAGRAPH}'
        for at in range(blocks)
    )
    script = f'<script src="{service}/embed.js" {how}></script>' if service else ""
    style = "<style>body { max-width: 42rem; margin: auto; font: 17px/1.5 serif; }</style>"
    head = (
        f'<!doctype html><html lang="en"><title>The ferry</title><link rel="icon" href="data:,">{style}{own}{script}'
    )
    return f"{head}{PARAGRAPH * before}{drawn}</html>"
