"""Saves the live store's withdrawals, erasures and signals in a file, for a start while the store is away.

Without them a restarted worker would show what must not be seen. Newly published articles come back with the live
store.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from index.snapshot.key_table import id_digest
from service.live_store.changes import Changes, LiveArticle, SignalSet

log = logging.getLogger(__name__)


A = TypeVar("A")
B = TypeVar("B")


def without(
    digests: Collection[str], articles: dict[str, A], signals: dict[str, B]
) -> tuple[dict[str, A], dict[str, B]]:
    """Both, by ID, less the IDs that have these digests (`index.snapshot.key_table.id_digest`, in hex)."""
    gone = {each for each in (*articles, *signals) if id_digest(each).hex() in digests}
    return (
        {each: article for each, article in articles.items() if each not in gone},
        {each: given for each, given in signals.items() if each not in gone},
    )


class LastKnown:
    """The file at `path`. Workers of a machine write the same; each write is whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""

    def keep(self, installation: str, articles: Iterable[LiveArticle], signals: Iterable[SignalSet]) -> None:
        """Keep what matters of these, where it has changed; a store that cannot be written to is said in the log."""
        gone = tuple(article for article in articles if article.state != "published")
        raw = msgspec.json.encode(Changes(installation, 0, gone, tuple(signals)))
        if raw == self._written:
            return
        writer = f"{os.uname().nodename}.{os.getpid()}.{threading.get_ident()}"  # a process follows for each channel
        temporary = self._path.with_name(f".{self._path.name}.{writer}")
        try:
            temporary.write_bytes(raw)
            temporary.replace(self._path)
        except OSError as error:
            log.warning("withdrawals cannot be kept for a start without the live store: %s", error)
            return
        self._written = raw

    def forget(self, digest: str) -> None:
        """Leave out what is known of an article that was erased, by the digest of its ID."""
        if (known := self.read()) is not None:
            articles = {article.id or article.id_digest: article for article in known.articles}
            articles, signals = without({digest}, articles, {signal.article_id: signal for signal in known.signals})
            self.keep(known.installation, articles.values(), signals.values())

    def read(self) -> Changes | None:
        """What was kept; None where nothing was, or it cannot be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Changes)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.error("what was kept of the live store cannot be read: %s", error)
            return None
