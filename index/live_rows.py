"""Owns how live articles enter a rebuild: what was published, withdrawn and erased since the last snapshot."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from index.article import Article
from index.snapshot import LiveMark, built_in, id_digest


class LiveRows(msgspec.Struct, frozen=True):
    """A live store as of one moment. `published`: (sequence of the last change, article).

    `withdrawn`: IDs. `erased`: digests of IDs (`index.snapshot.id_digest`), in hex.
    """

    installation: str
    sequence: int
    published: list[tuple[int, Article]]
    withdrawn: list[str]
    erased: frozenset[str]

    @property
    def mark(self) -> LiveMark:
        """What the manifest says of a snapshot that holds these."""
        return LiveMark(self.installation, self.sequence)


def with_live(articles: Mapping[str, Article], live: LiveRows, mark: LiveMark | None) -> dict[str, Article]:
    """The articles by ID, as the live store would have them; `mark`: what the snapshot they come from holds already.

    What was published since replaces what sources say; a withdrawal counts whatever they say; the erased are gone.
    """
    since = built_in(mark, live.installation)
    found = dict(articles)
    found.update((article.id, article) for sequence, article in live.published if sequence > since)
    for article_id in live.withdrawn:
        if article_id in found:
            found[article_id] = msgspec.structs.replace(found[article_id], status="withdrawn")
    if live.erased:
        return {each: article for each, article in found.items() if id_digest(each).hex() not in live.erased}
    return found
