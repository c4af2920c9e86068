"""Set up the live store, bring it up to date, or say what is in it.

    python scripts/live_store.py upgrade --live URL
    python scripts/live_store.py show --live URL

URL: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE.
Exit codes: 0 done, 2 usage, or `show` of a store that is not up to date, 74 the database cannot be used.
"""

from __future__ import annotations

import argparse
import os
import sys

from service.live_store.migrate import migrate
from service.live_store.store import LiveStore, LiveStoreUnavailable, OutdatedLiveStore


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options.live)
    except (OutdatedLiveStore, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LiveStoreUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    return 0


def _upgrade(url: str) -> None:
    migrate(url)
    print("the live store is up to date")


def _show(url: str) -> None:
    store = LiveStore(url)
    try:
        for name, count in store.counts().items():
            print(f"{name:<12} {count:>14,}")
    finally:
        store.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, does in (
        ("upgrade", _upgrade, "make its tables, or bring them up to date"),
        ("show", _show, "how much of everything is in it"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("--live", required=True, metavar="URL")
        command.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
