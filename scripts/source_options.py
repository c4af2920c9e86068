"""The options that name sources and the prefixes of their IDs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

from index.article import InvalidArticle
from index.ingest.id_prefix import usable_prefix


class Source(NamedTuple):
    """A source as it was given: a path or an address, and what is put before its IDs."""

    name: str
    prefix: str


def add_sources_option(parser: argparse.ArgumentParser, help: str, *, required: bool = False) -> None:
    """Add a repeatable --source, collected as `Source`s, and the --id-prefix of those that come after it."""
    add = parser.add_argument
    add("--source", action=_Collect, default=[], required=required, metavar="PATH", help=f"{help}; repeatable")
    add_prefix_option(parser, "put before the IDs of each --source after this option; repeatable, '' ends it")


def add_prefix_option(
    parser: argparse.ArgumentParser, help: str = "put before the IDs that the source gives"
) -> None:
    """Add --id-prefix."""
    parser.add_argument("--id-prefix", type=_prefix, default="", metavar="TEXT", help=help)


def parse_sources(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command with `add_sources_option`; ends it for a prefix that no source follows."""
    options = parser.parse_args(arguments)
    if options.id_prefix and (not options.source or options.source[-1].prefix != options.id_prefix):
        parser.error(f"--id-prefix {options.id_prefix} must stand before the --source that it is for")
    return options


def _prefix(text: str) -> str:
    try:
        return usable_prefix(text)
    except InvalidArticle as error:
        raise argparse.ArgumentTypeError(str(error)) from error


class _Collect(argparse.Action):
    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _option: str | None = None
    ) -> None:
        given = Source(str(values), namespace.id_prefix)
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), given])
