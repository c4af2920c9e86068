"""Owns what can go wrong with the live store, in terms of whoever asks it."""

from __future__ import annotations


class LiveStoreUnavailable(Exception):
    """The database did not do as it was asked: away, locked, full, broken. Says why, never with its password."""


class OutdatedLiveStore(Exception):
    """The live store's tables are not there, or not those of this code; names the command that makes them so."""

    def __init__(self, url: str, found: str | None, needed: str) -> None:
        state = "is not set up" if found is None else f"has schema {found} and this code needs {needed}"
        super().__init__(f"the live store {state}; run: python scripts/live_store.py upgrade --live '{url}'")


class VersionConflict(Exception):
    """The article, or its set of signals, is not in the version that the writer expected."""

    def __init__(self, article_id: str, current: str | None) -> None:
        super().__init__(f"{article_id} has version {current}" if current else f"{article_id} has no version yet")
        self.article_id = article_id
        self.current = current


class ArticleErased(Exception):
    """The article was erased for good: neither it nor signals on it are taken again."""

    def __init__(self, article_id: str) -> None:
        super().__init__(f"{article_id} was erased for good")
        self.article_id = article_id
