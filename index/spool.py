"""Owns the articles of a build before they have rows: on disk in the order they came, in memory what decides on them.

Of 10 million articles that is 2 to 3 GB: an ID, a place in a file and two moments each.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article

NO_AGE = -(2**63)


class Spool:
    """`places`: where the article of each ID is. An article that another one replaced stays on disk, unread."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._path = path
        self._begins = array("q", [0])
        self._published = array("q")
        self._ages = array("q")
        self._withdrawn = bytearray()
        self._aliases: dict[int, tuple[str, ...]] = {}
        self.places: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many articles were added: the next one's place."""
        return len(self._ages)

    def add(self, article: Article) -> None:
        """Keep the article, in place of the one of its ID if there is one."""
        place = self.count
        self._begins.append(self._begins[-1] + self._file.write(msgspec.json.encode(article)))
        self._published.append(UNDATED if article.published_at is None else article.published_at)
        self._ages.append(age(article))
        self._withdrawn.append(article.status == "withdrawn")
        if article.aliases:
            self._aliases[place] = article.aliases
        if (replaced := self.places.get(article.id)) is not None:
            self._aliases.pop(replaced, None)
        self.places[article.id] = place

    def withdraw(self, article_id: str) -> None:
        """Keep the article of an ID that is there, as one that is withdrawn."""
        self._withdrawn[self.places[article_id]] = True

    def article(self, article_id: str) -> Article:
        """The article of an ID that is there, as it was added."""
        self._file.flush()
        return msgspec.json.decode(self._line(self.places[article_id]), type=Article)

    def age_of(self, article_id: str) -> int:
        """The `age` of the article of an ID that is there."""
        return self._ages[self.places[article_id]]

    def is_withdrawn(self, article_id: str) -> bool:
        """Whether the article of an ID that is there is withdrawn."""
        return bool(self._withdrawn[self.places[article_id]])

    def aliases(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The ID and the aliases of each article that has any."""
        if self._aliases:
            yield from ((each, self._aliases[place]) for each, place in self.places.items() if place in self._aliases)

    def aliases_of(self, article_id: str) -> tuple[str, ...]:
        """The aliases of the article of an ID that is there."""
        return self._aliases.get(self.places[article_id], ())

    def in_order(self) -> list[str]:
        """The IDs by date of publication, undated ones first, and of one date by ID."""
        ids = sorted(self.places)
        return [ids[at] for at in np.argsort(self.published_at(ids), kind="stable").tolist()]

    def published_at(self, ids: list[str]) -> npt.NDArray[np.int64]:
        """(n,): when the articles of these IDs were published, epoch seconds or `UNDATED`."""
        return np.fromiter((self._published[self.places[each]] for each in ids), np.int64, len(ids))

    def withdrawn(self, ids: list[str]) -> npt.NDArray[np.bool_]:
        """(n,): which of the articles of these IDs are withdrawn."""
        return np.fromiter((self._withdrawn[self.places[each]] for each in ids), bool, len(ids))

    def lines(self, ids: list[str]) -> Iterator[bytes]:
        """The articles of these IDs as JSON, in this order."""
        self._file.flush()
        decode = msgspec.json.Decoder(Article).decode
        for place in map(self.places.__getitem__, ids):
            line = self._line(place)
            if self._withdrawn[place]:
                line = msgspec.json.encode(msgspec.structs.replace(decode(line), status="withdrawn"))
            yield line

    def _line(self, place: int) -> bytes:
        start, end = self._begins[place : place + 2]
        return os.pread(self._file.fileno(), end - start, start)

    def close(self) -> None:
        """Remove what is on disk."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def age(article: Article) -> int:
    """When the article was updated, else published: of two versions the higher one is the newer."""
    moment = article.updated_at if article.updated_at is not None else article.published_at
    return NO_AGE if moment is None else moment
