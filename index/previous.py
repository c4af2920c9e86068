"""Owns what a snapshot hands on to the next build of its channel."""

from __future__ import annotations

from functools import cached_property

from index.article import Article
from index.quality import Table, table_of
from index.records import read_articles
from index.snapshot import DamagedSnapshot, Snapshot, built_in, read_manifest, verify_all
from index.store import Store


class Previous:
    """A channel's live snapshot, as far as the next build needs it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.directory = snapshot.directory

    @cached_property
    def articles(self) -> list[Article]:
        """The articles that it was built from, in row order."""
        return list(read_articles(self.directory))

    @cached_property
    def table(self) -> Table:
        """Its candidate table."""
        return table_of(self.snapshot, [article.id for article in self.articles])

    def cluster_ids(self, name: str) -> dict[str, int]:
        """Article ID -> stable ID of its cluster; `name` is one of `index.snapshot.CLUSTERS`."""
        ids = self.snapshot.cluster_ids[name].tolist()
        return dict(zip((article.id for article in self.articles), ids, strict=True))


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
