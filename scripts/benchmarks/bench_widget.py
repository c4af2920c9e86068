"""Measure the widget in Chromium: its size, its cost on the page, layout shift, and how true its views are.

    python scripts/benchmarks/bench_widget.py [--blocks 1000] [--loads 15] [--seed 1]

The page and the service are of two origins on this machine. Main-thread time is Chromium's own (TaskDuration), with
the widget less without it, medians of loads that take turns. Views are compared with what a sampler of every frame
saw: half of a block in the viewport for a second on end. Needs the dev extra and Chromium: CHROMIUM, or
/usr/bin/chromium.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from index.article import Article
from index.publishing.store import Store
from scripts.tools.browser import SHIFT, Views, chain, launch, page_html, running, views
from service.app import create_app
from service.config import Settings
from service.widget.script import widget

if TYPE_CHECKING:
    pass

SCREEN = {"width": 1280, "height": 900}


def main() -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=1_000, help="blocks in the scripted scroll (%(default)s)")
    parser.add_argument("--loads", type=int, default=15, help="loads of a page with and without (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    articles = [
        Article(id=f"s{at}", url=f"https://courier.example/{at}", headline=f"Story {at} of the ferry", language="en")
        for at in range(3 * options.blocks)
    ]
    print(f"embed.js: {len(widget().gzipped):,} bytes gzipped, {len(widget().plain):,} plain")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, launch(playwright) as browser:
        store, paper = Store(Path(folder) / "store"), Flask("paper")
        chain(store, articles)
        pages: dict[str, str] = {}
        paper.add_url_rule(
            "/<name>", view_func=lambda name: Response(pages[name], content_type="text/html; charset=utf-8")
        )
        with running(paper) as origin, running(_service(store, origin)) as service:
            _print_cost(browser, origin, pages, service, options.loads)
            _print_shift(browser, origin, pages, service)
            pages["scroll"] = page_html(service, options.blocks, unit="reader")
            with _opened(browser, f"{origin}/scroll") as (page, _):
                _print_views(views(page, store.root / "events", random.Random(options.seed)), options.blocks)
    return 0


def _print_views(found: Views, blocks: int) -> None:
    print(
        f"views: {len(found.real)} of {blocks} blocks were in sight for a second, {len(found.reported)} reported, "
        f"{len(found.real - found.reported)} missed, {len(found.reported - found.real)} wrong: {found.error:.2%}"
    )


def _service(store: Store, origin: str) -> Flask:
    return create_app(Settings(store=store.root, live="off", cors_origins=(origin,), search_deadline_ms=1))


@contextmanager
def _opened(browser: Browser, url: str, slower: int = 1) -> Iterator[tuple[Page, CDPSession]]:
    """A page in a context of its own, once nothing more is loaded, and its developer tools."""
    with browser.new_context(viewport=SCREEN) as context, context.new_page() as page:
        devtools = context.new_cdp_session(page)
        devtools.send("Performance.enable")
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        page.goto(url, wait_until="networkidle")
        yield page, devtools


def _print_cost(browser: Browser, origin: str, pages: dict[str, str], service: str, loads: int) -> None:
    """Loads in one tab, whose process has started; both pages have a script of their own."""
    own = "<script>document.title += '.'</script>"
    pages["with"] = page_html(service, 1, before=1, own=own).replace('layout="compact" limit="2"', 'layout="grid"')
    pages["without"] = page_html("", 1, before=1, own=own)
    for slower in (1, 4):
        spent: dict[str, list[float]] = {"with": [], "without": []}
        with _opened(browser, f"{origin}/without", slower) as (page, devtools):
            for name in list(spent) * loads:
                page.goto(f"{origin}/{name}", wait_until="networkidle")
                spent[name].append(_main_thread_ms(devtools))
        found = {name: statistics.median(each) for name, each in spent.items()}
        print(
            f"main thread, processor {slower} x slower: {found['with']:.0f} ms with a block of six, "
            f"{found['without']:.0f} ms without: {found['with'] - found['without']:.0f} ms"
        )


def _main_thread_ms(devtools: CDPSession) -> float:
    """Since the page began to load: the metric begins anew with each."""
    told = devtools.send("Performance.getMetrics")["metrics"]
    return next(1_000 * float(each["value"]) for each in told if each["name"] == "TaskDuration")


def _print_shift(browser: Browser, origin: str, pages: dict[str, str], service: str) -> None:
    for name, before, how in (
        ("below the first screen", 12, "defer"),
        ("in the first screen, script with blocking=render", 1, "defer blocking=render"),
        ("in the first screen", 1, "defer"),
    ):
        pages["shift"] = page_html(service, 2, before=before, how=how)
        with _opened(browser, f"{origin}/shift") as (page, _):
            page.mouse.wheel(0, 400)
            page.wait_for_timeout(1_500)
            print(f"layout shift, block {name}: {page.evaluate(SHIFT):.4f}")


if __name__ == "__main__":
    sys.exit(main())
