"""Brings live changes into a rebuild: articles published, withdrawn and erased since the last snapshot."""

from __future__ import annotations

import msgspec

from index.article import Article
from index.ingest.article_log import Spool
from index.ingest.id_clashes import clash
from index.snapshot.key_table import id_digest
from index.snapshot.manifest import LiveMark, built_in
from index.sources import Rejection


class LiveRows(msgspec.Struct, frozen=True):
    """A live store as of one moment. `published`: (sequence of the last change, article).

    `withdrawn`: IDs. `erased`: digests of IDs (`index.snapshot.key_table.id_digest`), in hex.
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


def bring_live(spool: Spool, live: LiveRows, mark: LiveMark | None) -> list[Rejection]:
    """Make the articles what the live store says of them; `mark`: what the snapshot they come from holds already.

    What was published since replaces what sources say; a withdrawal counts whatever they say; the erased are gone.
    Returns rejections of the articles whose ID a live article of another site has taken.
    """
    since, rejections = built_in(mark, live.installation), list[Rejection]()
    for sequence, article in live.published:
        if sequence > since:
            if article.id in spool.places:
                rejection = clash(article, spool.article(article.id), may_have_moved=True)
                if rejection:
                    rejections.append(rejection)
                    spool.drop(article.id)
            spool.add(article)
    for article_id in live.withdrawn:
        if article_id in spool.places:
            spool.withdraw(article_id)
    if live.erased:
        for article_id in [known for known in spool.places if id_digest(known).hex() in live.erased]:
            spool.drop(article_id)
    return rejections
