"""Stores a build's articles before they have rows: on disk in order of arrival, with an in-memory index.

Memory per article: an ID, an offset in a file and two timestamps.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Container, Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article, canonical_url
from index.ingest.addresses import addresses, former_addresses, with_aliases

NO_AGE = -(2**63)


class _Named(msgspec.Struct):
    """An article as far as it is named by addresses."""

    url: str = ""
    aliases: tuple[str, ...] = ()


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
        self._former: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many articles were added: the next one's place."""
        return len(self._ages)

    def add(self, article: Article) -> None:
        """Keep the article, in place of the one of its ID if there is one, whose addresses still lead to it."""
        place = self.count
        replaced = self.article(article.id) if article.id in self.places else None
        self._begins.append(self._begins[-1] + self._file.write(msgspec.json.encode(article)))
        self._published.append(UNDATED if article.published_at is None else article.published_at)
        self._ages.append(age(article))
        self._withdrawn.append(article.status == "withdrawn")
        if article.aliases:
            self._aliases[place] = article.aliases
        if replaced is not None:
            self._aliases.pop(self.places[article.id], None)
        self.places[article.id] = place
        if replaced is not None:
            self.keep_addresses(article.id, replaced)

    def keep_addresses(self, article_id: str, older: Article) -> None:
        """Let the addresses of an older version, or of an article that has moved, lead to the one that is there."""
        former = former_addresses(self.article(article_id), older, self._former.pop(article_id, ()))
        if former:
            self._former[article_id] = former

    def release_addresses(self) -> None:
        """Keep no former address that another article has by now, as its URL, its ID or a declared alias."""
        former = {canonical_url(address) for kept in self._former.values() for address in kept}
        if not former:
            return
        self._file.flush()
        decode = msgspec.json.Decoder(_Named).decode
        taken: dict[str, set[str]] = {}
        for article_id, place in self.places.items():
            named = decode(self._line(place))
            for address in addresses(named.url, named.aliases) & former:
                taken.setdefault(address, set()).add(article_id)
        for article_id, kept in self._former.items():
            self._former[article_id] = tuple(
                address
                for address in kept
                if address not in self.places and not taken.get(canonical_url(address), set()) - {article_id}
            )

    def drop(self, article_id: str) -> None:
        """Keep nothing of the article of an ID that is there."""
        self._aliases.pop(self.places.pop(article_id), None)
        self._former.pop(article_id, None)

    def withdraw(self, article_id: str) -> None:
        """Keep the article of an ID that is there, as one that is withdrawn."""
        self._withdrawn[self.places[article_id]] = True

    def article(self, article_id: str) -> Article:
        """The article of an ID that is there, as it was added: published, without former addresses."""
        self._file.flush()
        return msgspec.json.decode(self._line(self.places[article_id]), type=Article)

    def with_former_addresses(self, article_id: str) -> Article:
        """The article of an ID that is there, as it was added, with the addresses that earlier versions had."""
        return with_aliases(self.article(article_id), self._former.get(article_id, ()))

    def remove_aliases(self, article_id: str, removed: Container[str]) -> None:
        """Keep the article of an ID that is there without some of its aliases."""
        article = self.article(article_id)
        aliases = tuple(alias for alias in article.aliases if alias not in removed)
        status = "withdrawn" if self.is_withdrawn(article_id) else article.status
        self.add(msgspec.structs.replace(article, aliases=aliases, status=status))

    def age_of(self, article_id: str) -> int:
        """The `age` of the article of an ID that is there."""
        return self._ages[self.places[article_id]]

    def is_withdrawn(self, article_id: str) -> bool:
        """Whether the article of an ID that is there is withdrawn."""
        return bool(self._withdrawn[self.places[article_id]])

    def aliases(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The ID and the aliases of each article that has any."""
        if self._aliases:
            yield from (
                (article_id, self._aliases[place])
                for article_id, place in self.places.items()
                if place in self._aliases
            )

    def aliases_of(self, article_id: str) -> tuple[str, ...]:
        """The aliases of the article of an ID that is there."""
        return self._aliases.get(self.places[article_id], ())

    def in_order(self) -> list[str]:
        """The IDs by date of publication, undated ones first, and of one date by ID."""
        ids = sorted(self.places)
        return [ids[at] for at in np.argsort(self.published_at(ids), kind="stable").tolist()]

    def published_at(self, ids: list[str]) -> npt.NDArray[np.int64]:
        """(n,): when the articles of these IDs were published, epoch seconds or `UNDATED`."""
        return np.fromiter((self._published[self.places[article_id]] for article_id in ids), np.int64, len(ids))

    def withdrawn(self, ids: list[str]) -> npt.NDArray[np.bool_]:
        """(n,): which of the articles of these IDs are withdrawn."""
        return np.fromiter((self._withdrawn[self.places[article_id]] for article_id in ids), bool, len(ids))

    def lines(self, ids: list[str]) -> Iterator[bytes]:
        """The articles of these IDs as JSON, in this order."""
        self._file.flush()
        decode = msgspec.json.Decoder(Article).decode
        for article_id in ids:
            place = self.places[article_id]
            line, former = self._line(place), self._former.get(article_id, ())
            if self._withdrawn[place] or former:
                article = with_aliases(decode(line), former)
                status = "withdrawn" if self._withdrawn[place] else article.status
                line = msgspec.json.encode(msgspec.structs.replace(article, status=status))
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
