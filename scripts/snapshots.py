"""List, verify, compare and switch snapshots.

    python scripts/snapshots.py --store DIR list
    python scripts/snapshots.py --store DIR activate ID | rollback | verify [ID] | diff OLD NEW

Exit codes: 0 done, 1 a snapshot is damaged, 2 usage or unknown snapshot, 74 I/O failure, 75 locked.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from index.publishing.store import Store, StoreLocked, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot, read_manifest, verify_all
from index.snapshot.reader import Snapshot


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(Store(options.store), options)
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
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    return 0


def _list(store: Store, _: argparse.Namespace) -> None:
    channels = {name: store.active_id(name) for name in store.channel_names()}
    for snapshot_id in store.snapshot_ids():
        serving = ", ".join(name for name, active in channels.items() if active == snapshot_id)
        try:
            manifest = read_manifest(store.directory(snapshot_id))
            counts = manifest.counts
            facts = f"{counts['articles']:>9,} articles  {counts['rejected']:>5} rejected  for {manifest.channel}"
        except DamagedSnapshot as error:
            facts = f"DAMAGED: {error.reason}"
        print(f"{snapshot_id}  {facts}{'  <- serves ' + serving if serving else ''}")


def _activate(store: Store, options: argparse.Namespace) -> None:
    with store.lock():
        store.activate(options.id, options.channel)
    print(f"{options.channel} serves {options.id}")


def _rollback(store: Store, options: argparse.Namespace) -> None:
    with store.lock():
        print(f"{options.channel} serves {store.roll_back(options.channel)}")


def _verify(store: Store, options: argparse.Namespace) -> None:
    damaged: list[DamagedSnapshot] = []
    for snapshot_id in [options.id] if options.id else store.snapshot_ids():
        try:
            manifest = verify_all(store.directory(snapshot_id))
            Snapshot.open(store.directory(snapshot_id))
            print(f"{snapshot_id}  {len(manifest.files)} files, every byte as written")
        except DamagedSnapshot as error:
            damaged.append(error)
    for error in damaged[:-1]:
        print(f"damaged: {error}", file=sys.stderr)
    if damaged:
        raise damaged[-1]


def _diff(store: Store, options: argparse.Namespace) -> None:
    """Articles that came and went, models that changed, how much the lists moved."""
    old, new = (Snapshot.open(store.directory(name)) for name in (options.old, options.new))
    old_rows, new_rows = _rows_by_id(old), _rows_by_id(new)
    both = sorted(old_rows.keys() & new_rows.keys())
    print(f"articles: {len(old_rows)} -> {len(new_rows)}")
    print(f"  added {len(new_rows.keys() - old_rows.keys())}, removed {len(old_rows.keys() - new_rows.keys())}")
    for name in sorted(old.manifest.models.keys() | new.manifest.models.keys()):
        before, after = old.manifest.models.get(name), new.manifest.models.get(name)
        if before != after:
            print(f"  {name}: {before} -> {after}")
    overlaps = [_overlap(old, old_rows[each], new, new_rows[each]) for each in both]
    if overlaps:
        same = sum(overlap == 1 for overlap in overlaps)
        print(f"first ten candidates: mean overlap {np.mean(overlaps):.3f}, unchanged for {same} of {len(both)}")


def _rows_by_id(snapshot: Snapshot) -> dict[str, int]:
    import msgspec

    return {msgspec.json.decode(snapshot.teaser(row))["id"]: row for row in range(snapshot.rows)}


def _overlap(old: Snapshot, old_row: int, new: Snapshot, new_row: int) -> float:
    before, after = (_first_ten(old, old_row), _first_ten(new, new_row))
    return len(before & after) / max(len(before), len(after), 1) if before or after else 1.0


def _first_ten(snapshot: Snapshot, row: int) -> set[bytes]:
    rows, _ = snapshot.neighbours(row)
    return {snapshot.teaser(int(other)) for other in rows[:10]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, metavar="DIR")
    parser.add_argument("--channel", default="default")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="snapshots, oldest first, and who serves them").set_defaults(run=_list)
    activate = commands.add_parser("activate", help="serve this snapshot")
    activate.add_argument("id")
    activate.set_defaults(run=_activate)
    commands.add_parser("rollback", help="serve the one before").set_defaults(run=_rollback)
    verify = commands.add_parser("verify", help="read every byte against the manifest")
    verify.add_argument("id", nargs="?")
    verify.set_defaults(run=_verify)
    diff = commands.add_parser("diff", help="what changed between two snapshots")
    diff.add_argument("old")
    diff.add_argument("new")
    diff.set_defaults(run=_diff)
    return parser


if __name__ == "__main__":
    sys.exit(main())
