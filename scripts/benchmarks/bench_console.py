"""How soon the console's pages can be used, in Chromium over loopback, on an archive of 100,000 articles.

    python scripts/benchmarks/bench_console.py [--rows 100000] [--loads 15]

The service runs on granian as scripts/serve.py starts it, without a search process; the archive is synthetic (see
scripts/benchmarks/bench_lookup.py). Of each page: medians of loads that take turns, from asking until it can be used
(domInteractive), and until the server had answered. Needs the dev extra and Chromium: CHROMIUM, or /usr/bin/chromium.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from scripts.benchmarks.bench_events import GRANIAN, prepare
from scripts.benchmarks.bench_live_lookup import machine
from scripts.tools.browser import launch
from scripts.tools.server_process import free_port, running

KEY = "rs_editor"
ARTICLE = "section7/article-number-77"
PAGES = {
    "an article with its block": f"article?id={ARTICLE}",
    "the newest articles": "",
    "a search, found among the newest": "?q=number",
    "a search, found nowhere": "?q=zeppelin",
    "two lists compared": f"compare?id={ARTICLE}",
    "storylines": "storylines",
    "a storyline": f"storyline?id={ARTICLE}",
    "health": "health",
}
TIMES = "() => { const t = performance.getEntriesByType('navigation')[0]; return [t.domInteractive, t.responseEnd]; }"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--loads", type=int, default=15, help="of each page (default: %(default)s)")
    options = parser.parse_args()
    print(f"{machine()}; {options.rows:,} articles", flush=True)
    times: dict[str, list[list[float]]] = defaultdict(list)
    with served(options.rows) as url, sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        sign_in(page, url)
        for _ in range(options.loads + 1):
            for name, path in PAGES.items():
                page.goto(f"{url}/console/{path}")
                times[name].append(page.evaluate(TIMES))
        print(f"Chromium {browser.version}")
        browser.close()
    for name, loads in times.items():
        interactive, answered = (statistics.median(each) for each in zip(*loads[1:], strict=True))
        slowest = max(load[0] for load in loads[1:])
        print(f"{name:34} {interactive:6.0f} ms (slowest {slowest:.0f}); answered after {answered:.0f} ms")


@contextmanager
def served(rows: int) -> Iterator[str]:
    """A synthetic archive, served with a key for the console until the block ends; gives the address."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, rows)
        keys = folder / "keys.toml"
        keys.write_text(f'[editor]\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\nscopes = ["editor"]\n')
        keys.chmod(0o600)
        port = free_port()
        os.environ |= {
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "RELATED_STORE": str(folder / "store"),
            "RELATED_KEYS": str(keys),
        }
        with running(GRANIAN.format(port=port).split(), port, folder):
            yield f"http://127.0.0.1:{port}"


def sign_in(page: Page, url: str) -> None:
    """As an editor does."""
    page.goto(f"{url}/console/")
    page.get_by_label("Your key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/console/")


if __name__ == "__main__":
    main()
