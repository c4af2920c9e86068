"""Reads what the next build of a channel needs of its last snapshot."""

from __future__ import annotations

from functools import cached_property

import msgspec

from index.publishing.quality import CUT, Table, table_of
from index.publishing.store import Store
from index.snapshot.article_store import Records
from index.snapshot.manifest import DamagedSnapshot, built_in, read_manifest, verify_all
from index.snapshot.reader import Snapshot


class Previous:
    """A channel's live snapshot, as far as the next build needs it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.directory = snapshot.directory

    @cached_property
    def articles(self) -> Records:
        """The articles that it was built from, in row order."""
        return Records(self.directory)

    @cached_property
    def ids(self) -> list[str]:
        """Their IDs."""
        return [article.id for article in self.articles]

    @cached_property
    def table(self) -> Table:
        """Its candidate table, as far as the gate reads it: the best of each row."""
        table = table_of(self.snapshot, self.ids)
        return msgspec.structs.replace(table, rows=table.rows[:, :CUT], relevance=table.relevance[:, :CUT])

    def cluster_ids(self, name: str) -> dict[str, int]:
        """Article ID -> stable ID of its cluster; `name` is one of `index.snapshot.attributes.CLUSTERS`."""
        ids = self.snapshot.cluster_ids[name].tolist()
        return dict(zip(self.ids, ids, strict=True))


def live_snapshot(store: Store, channel: str) -> Previous | None:
    """The channel's live snapshot, verified whole; a damaged one, or of another format, counts as none."""
    active = store.active_id(channel)
    if active is None:
        return None
    try:
        verify_all(store.directory(active))
        return Previous(Snapshot.open(store.directory(active)))
    except DamagedSnapshot:
        return None


def held_by_all(store: Store, installation: str) -> int:
    """The sequence up to which every snapshot in the store holds the articles of a live store; 0 for one without."""
    return min((_mark(store, snapshot_id, installation) for snapshot_id in store.snapshot_ids()), default=0)


def _mark(store: Store, snapshot_id: str, installation: str) -> int:
    try:
        return built_in(read_manifest(store.directory(snapshot_id)).live, installation)
    except DamagedSnapshot:
        return 0
