"""Adds the options of commands that may fetch; they fetch only with --fetch."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from index.article import Article
from index.sources import Rejection, Tally

Fetch = Callable[[str, Tally], Iterator[Article | Rejection]]


class UnusableFetching(Exception):
    """Options of fetching that cannot be used, or an address where fetching is off."""


def add_fetch_options(parser: argparse.ArgumentParser, state: str = "--state") -> None:
    """`state`: what the option for the state file is called."""
    group = parser.add_argument_group("fetching").add_argument
    group("--fetch", action="store_true", help="let sources be addresses, and ask the network for them")
    group(state, dest="fetched", type=Path, metavar="FILE", help="keeps what was fetched: resumes, asks for changes")
    group("--pause", type=float, default=1.0, metavar="SECONDS", help="between requests to a host (%(default)s)")
    group("--most-pages", type=int, default=10_000, metavar="N", help="of an address (default: %(default)s)")
    group(
        "--fetch-from",
        action="append",
        default=[],
        metavar="NETWORK",
        help="an intranet that may be asked, at any port, such as 10.1.0.0/16; repeatable",
    )


def is_address(source: str) -> bool:
    """Whether it is for fetching, not a path."""
    return source.lower().startswith(("http://", "https://"))


def fetching(options: argparse.Namespace, opened: ExitStack, fresh_seconds: float = 3_600) -> Fetch:
    """What reads an address, and raises `UnusableFetching` if fetching is off; pages that were fetched so lately are
    not asked for again. Closed with `opened`. Raises `UnusableFetching`."""
    if not options.fetch:
        return _off
    from index.fetching.kept import Kept
    from index.fetching.pages import fetched_records
    from index.fetching.reach import Reach, networks
    from index.fetching.request import Requests
    from index.fetching.visitor import Visitor

    try:
        requests = Requests(Reach(networks(options.fetch_from)))
        kept = Kept(options.fetched)
    except ValueError as error:
        raise UnusableFetching(f"--fetch-from: {error}") from error
    except sqlite3.Error as error:
        raise UnusableFetching(f"{options.fetched} cannot keep what was fetched: {error}") from error
    opened.callback(kept.close)
    visitor = Visitor(requests, kept, max(options.pause, 0))
    return lambda url, tally: fetched_records(url, visitor, tally, options.most_pages, fresh_seconds)


def _off(url: str, _: Tally) -> Iterator[Article | Rejection]:
    raise UnusableFetching(f"{url} is an address, and fetching is off: --fetch lets this command ask the network")
