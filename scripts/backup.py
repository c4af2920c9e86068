"""Back up an installation while it serves; check a backup; put one back.

    python scripts/backup.py create --backups DIR --store var/store --live URL [--events DIR]
    python scripts/backup.py verify BACKUP
    python scripts/backup.py restore BACKUP --store NEW --live URL [--events DIR]

A backup is a folder in DIR: all snapshots and channels, the live store as a SQLite file whatever its database, and
the event log with the secret of its tokens. Snapshots and live store are of one moment: no rebuild runs meanwhile,
writers are not held up. A snapshot that an earlier backup in DIR holds takes no more room. Not in it: settings, keys,
the embedding cache (the next rebuild embeds anew; `cp -r STORE/cache` saves that). `restore` fills what is new or
empty, with the service stopped. Exit codes: 0 done, 1 damaged, 2 usage, 74 I/O failure, 75 a rebuild is at work.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from index.publishing.store import Store, StoreLocked
from index.snapshot.manifest import DamagedSnapshot
from service.backups import DamagedBackup, InUse, create, restore, verify
from service.live_store.copying import NotEmpty
from service.live_store.store import LiveStoreUnavailable, OutdatedLiveStore


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (DamagedBackup, DamagedSnapshot) as error:
        print(f"damaged: {error}", file=sys.stderr)
        return 1
    except (InUse, NotEmpty, OutdatedLiveStore, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except StoreLocked as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL
    except (LiveStoreUnavailable, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    return 0


def _create(options: argparse.Namespace) -> None:
    backup = create(options.backups, Store(options.store), options.live, options.events)
    print(f"{backup} holds {len(Store(backup).snapshot_ids())} snapshots")


def _verify(options: argparse.Namespace) -> None:
    contents = verify(options.backup)
    print(f"{options.backup}: {len(contents.snapshots)} snapshots, {len(contents.files)} other files, as written")


def _restore(options: argparse.Namespace) -> None:
    restore(options.backup, Store(options.store), options.live, options.events)
    print(f"{options.store} is as it was; start the service")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = commands.add_parser("create", help="back up, while it serves")
    made.add_argument("--backups", type=Path, required=True, metavar="DIR", help="where backups lie, on another disk")
    checked = commands.add_parser("verify", help="read every byte of a backup")
    back = commands.add_parser("restore", help="put a backup back, with the service stopped")
    for command in (checked, back):
        command.add_argument("backup", type=Path, metavar="BACKUP")
    for command in (made, back):
        command.add_argument("--store", type=Path, required=True, metavar="DIR", help="the directory of snapshots")
        command.add_argument("--live", metavar="URL", help="the live store (default: not among it)")
        command.add_argument("--events", type=Path, metavar="DIR", help="the event log (default: not among it)")
    for command, run in ((made, _create), (checked, _verify), (back, _restore)):
        command.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
