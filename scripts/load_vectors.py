"""Load the vectors of a store's snapshots into PostgreSQL with pgvector, where RELATED_NEAREST lets them be searched.

    python scripts/load_vectors.py --store DIR --engine postgresql://USER:PASSWORD@HOST/DATABASE

Loads what each channel serves, keeps what was loaded of the other snapshots in the store, and drops the rest, except
what other stores have loaded into the same database (in a store that was copied, delete `store.id` first). Killed, it
goes on where it ended. Until a new snapshot is loaded the search process is away for it, declared: to leave no gap,
rebuild to another channel, load, then let snapshots.py activate it.
Exit codes: 0 loaded, 1 a snapshot is damaged, 2 usage, 74 the database cannot be used, 75 another one is loading.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from pathlib import Path

import psycopg
from rebuild_index import Bars

from index.publishing.store import Store, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from service.search.pgvector import engine_url, told
from service.search.pgvector_tables import TablesLocked, claim, drop_others, load, writing

STORE_ID = "store.id"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    bars = Bars(quiet=options.quiet)
    try:
        url = engine_url(options.engine)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            load_store(connection, Store(options.store), options.memory_mb, bars)
    except DamagedSnapshot as error:
        print(f"damaged: {error}", file=sys.stderr)
        return 1
    except UnknownSnapshot as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except psycopg.ProgrammingError as error:
        print(f"error: {told(error, url)}", file=sys.stderr)
        return 2
    except TablesLocked as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL
    except (psycopg.Error, OSError) as error:
        print(f"error: {told(error, url)}", file=sys.stderr)
        return os.EX_IOERR
    finally:
        bars.close()
    return 0


def load_store(connection: psycopg.Connection, store: Store, memory_mb: int, bars: Bars) -> None:
    """Do all of it. Raises `DamagedSnapshot`, `UnknownSnapshot`, `TablesLocked`, psycopg.Error."""
    served = {store.active_id(channel) for channel in store.channel_names()} - {None}
    with writing(connection):
        store_id = id_of(store)
        claim(connection, store_id, store.snapshot_ids())
        for snapshot_id in sorted(map(str, served), reverse=True):  # the newest is wanted first
            started = time.monotonic()
            snapshot = Snapshot.open(store.directory(snapshot_id))
            loaded = load(connection, snapshot, memory_mb, bars, store_id)
            bars.close()
            print(f"{snapshot_id}: {snapshot.rows:,} vectors "
                  + (f"loaded in {time.monotonic() - started:.1f} s" if loaded else "are there"))  # fmt: skip
        for snapshot_id in drop_others(connection, store_id, store.snapshot_ids()):
            print(f"{snapshot_id}: dropped, it is not in the store any more")


def id_of(store: Store) -> str:
    """What this store is called in the database, where others may load, too: a file in it, made when first needed."""
    path = store.root / STORE_ID
    if not path.exists():
        made = store.root / f".{STORE_ID}.{os.getpid()}"
        made.write_text(f"{uuid.uuid4()}\n")
        made.replace(path)
    return path.read_text().strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="the directory of snapshots")
    parser.add_argument("--engine", required=True, metavar="URL", help="postgresql://USER:PASSWORD@HOST/DATABASE")
    parser.add_argument(
        "--memory-mb", type=int, default=1_024, metavar="N",
        help="of PostgreSQL, to build a graph in: 2 kB an article at 640 dimensions (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


if __name__ == "__main__":
    sys.exit(main())
