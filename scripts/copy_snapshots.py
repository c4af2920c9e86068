"""Copy what a channel serves between stores: from where it is built to each machine that serves.

    python scripts/copy_snapshots.py push --store var/store --to s3://bucket/stories
    python scripts/copy_snapshots.py pull --from s3://bucket/stories --store /srv/stories --follow 10

URLs are fsspec's: a folder that machines share, s3://, gs://, https:// (to pull), ...; each kind needs its package. A
pull resumes, checks every byte, then switches; what is served stays until then. With --follow it goes on until it is
told to end, and says what goes wrong without ending.

Exit codes: 0 copied, or nothing new, 1 a snapshot is damaged, 2 usage or nothing to copy, 74 I/O failure,
75 another command writes to the store. In every case but 0 what was served is served.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from tqdm import tqdm

from index.publishing.remote import Remote
from index.publishing.replication import pull, push
from index.publishing.store import Store, StoreLocked, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        remote = Remote(options.url)
        if options.keep < 1:
            raise ValueError("--keep must be 1 or more")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.follow is None:
        return _copy(remote, options)
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    while not told.is_set():
        _copy(remote, options)
        told.wait(options.follow)
    return 0


def _copy(remote: Remote, options: argparse.Namespace) -> int:
    try:
        copied = _copied(remote, options)
    except DamagedSnapshot as error:
        print(f"damaged: {error}", file=sys.stderr)
        return 1
    except UnknownSnapshot as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except StoreLocked as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL
    except OSError as error:
        print(f"error: {error}; what was served still is", file=sys.stderr)
        return os.EX_IOERR
    if copied is not None:
        print(f"{options.channel} serves {copied}", flush=True)
    elif options.follow is None:
        print(f"{options.channel} has nothing new")
    return 0


def _copied(remote: Remote, options: argparse.Namespace) -> str | None:
    """Copy under a progress bar; the snapshot that is served since, None when nothing was new."""
    with tqdm(unit="B", unit_scale=True, disable=options.quiet, leave=False) as bar:

        def progress(snapshot_id: str, done: int, total: int) -> None:
            bar.set_description(snapshot_id, refresh=False)
            bar.total = total
            bar.update(done - bar.n)

        copied: str | None = options.copy(Store(options.store), remote, options.channel, options.keep, progress)
    return copied


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    pulling = commands.add_parser("pull", help="bring it here and serve it")
    pulling.add_argument("--from", dest="url", required=True, metavar="URL", help="the store elsewhere")
    pulling.add_argument("--follow", type=float, metavar="SECONDS", help="look again so often, until told to end")
    pulling.set_defaults(copy=lambda store, remote, *more: pull(remote, store, *more))
    pushing = commands.add_parser("push", help="bring it there and have it served")
    pushing.add_argument("--to", dest="url", required=True, metavar="URL", help="the store elsewhere")
    pushing.set_defaults(copy=push, follow=None)
    for command in (pulling, pushing):
        add = command.add_argument
        add("--store", type=Path, required=True, metavar="DIR", help="the directory of snapshots here")
        add("--channel", default="default", help="what to copy (default: %(default)s)")
        add(
            "--keep",
            type=int,
            default=3,
            metavar="N",
            help="snapshots of a channel kept where it is copied to (3)",
        )
        add("--quiet", action="store_true", help="no progress bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
