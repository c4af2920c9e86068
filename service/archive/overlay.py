"""Applies live changes to one snapshot: which rows they change, add and hide.

Immutable: `Overlay.changed` returns a new one, and requests that hold the old one are not affected.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from index.article import UNDATED, canonical_url
from index.live.comparison import Comparison
from index.snapshot.attributes import FIRST_LIVE_ROW, FLAG_EVERGREEN, FLAG_WITHDRAWN, NEVER, NO_FACTS, Facts
from index.snapshot.key_table import id_digest
from index.snapshot.manifest import built_in
from index.snapshot.reader import Snapshot
from index.values.urls import other_spellings, page_address
from service.archive.candidates import Candidates
from service.archive.live_candidates import Entering
from service.live_store.changes import Changes, Compared, LiveArticle, SignalSet, Summary

log = logging.getLogger(__name__)

STEPS = 64  # remembered: more than pass within the minute that a list is kept, but for a burst

_NO_CANDIDATES = Candidates(np.zeros(0, np.uint32), np.zeros((0, 3), np.float16))


class Held(NamedTuple):
    """A live article in effect: its row, the sequence of its last change, and its other names."""

    row: int
    sequence: int
    aliases: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # of the pages of its URLs, where they differ from these


class Step(NamedTuple):
    """What one taking in of changes, up to `sequence`, has touched. `rows` is None for anything."""

    sequence: int
    rows: frozenset[int] | None


class Overlay:
    """The changes of a live store up to `sequence`, over `snapshot`. Read by `Archive`.

    `lineage` is one for all that `changed` makes of one another. `steps` are the last of its steps, oldest first.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        manifest = snapshot.manifest
        self.snapshot = snapshot
        self.lineage = object()
        self.sequence = 0
        self.steps: tuple[Step, ...] = (Step(0, None),)
        self.held: dict[str, Held] = {}
        self.facts: dict[int, Facts] = {}  # as readers are to see the rows: `_known`, less what is hidden
        self.teasers: dict[int, bytes] = {}
        self.versions: dict[int, str] = {}
        self.aliases: dict[str, int] = {}
        self.urls: dict[str, int] = {}
        self.addresses: dict[str, int] = {}
        self.erased: set[int] = set()
        self.waiting: set[int] = set()  # rows that the search process has not compared yet
        self.comparisons: dict[int, bytes] = {}
        self.compared_at: dict[int, int] = {}
        self.sketches: dict[int, int] = {}
        self.entering = Entering.nothing()
        self.signals: dict[str, SignalSet] = {}
        self.names = {"section": manifest.sections, "language": manifest.languages,
                      "type": manifest.types, "brand": manifest.brands}  # fmt: skip
        self._known: dict[int, Facts] = {}
        self._hidden: set[int] = set()  # rows whose IDs are aliases of other articles: they have moved there
        self._with_aliases: set[str] = set()
        self._by_digest: dict[str, str] = {}  # IDs of live articles, by which erased ones are found
        self._compared_rows_of_snapshot = False
        self._touched: set[int] = set()

    def changed(self, changes: Changes) -> Overlay:
        """With these changes applied. Applying a change twice is harmless."""
        new = copy.copy(self)
        for name, value in vars(new).items():
            if isinstance(value, dict | set):
                setattr(new, name, value.copy())
        new._touched.clear()
        since = built_in(self.snapshot.manifest.live, changes.installation)
        for article in changes.articles:
            new._apply(article, since)
        if changes.articles:
            new._settle_names()
        new._compare(changes.comparisons)
        for given in changes.signals:
            new.signals[given.article_id] = given
        new.sequence = changes.sequence
        touched = None if new._resolves_otherwise(self, changes) else frozenset(new._touched)
        new.steps = (*self.steps[1 - STEPS :], Step(new.sequence, touched))
        return new

    def untouched(self, rows: Iterable[int], since: int) -> bool:
        """Whether nothing about these rows has changed since a sequence number of the same lineage.

        False also where that is not known: it is long ago, or this overlay is the older one.
        """
        if not self.steps[0].sequence <= since <= self.sequence:
            return False
        later = [step.rows for step in self.steps if step.sequence > since]
        return all(touched is not None and touched.isdisjoint(rows) for touched in later)

    def _resolves_otherwise(self, before: Overlay, changes: Changes) -> bool:
        """Whether signals may mean other rows than before: that can change any list."""
        if changes.signals or len(before.signals) != len(self.signals):
            return True
        if not self.signals or not changes.articles:
            return False
        named = {*self.signals, *(signal.target for given in self.signals.values() for signal in given.signals)}
        urls = {canonical_url(name) for name in named if name is not None and "/" in name}
        urls.update([spelling for url in urls for spelling in other_spellings(url)])
        return (
            self.aliases != before.aliases
            or any(article.id in named for article in changes.articles)
            or any(
                (self.urls.get(url), self.addresses.get(url)) != (before.urls.get(url), before.addresses.get(url))
                for url in urls
            )
        )

    def fact(self, row: int) -> Facts:
        """What readers may know of a row."""
        found = self.facts.get(row)
        return self.snapshot.fact(row) if found is None else found

    def teaser(self, row: int) -> bytes:
        """The ready-made JSON object of a row's teaser, beginning with its id."""
        found = self.teasers.get(row)
        return self.snapshot.teaser(row) if found is None else found

    def sketch(self, row: int) -> int:
        """The 256-bit sketch of a row: see `index.snapshot.simhash`; 0 for a live row that was not compared yet."""
        found = self.sketches.get(row)
        if found is None:
            return self.snapshot.sketch(row) if row < FIRST_LIVE_ROW else 0
        return found

    def own_candidates(self, row: int) -> Candidates:
        """The candidates that were found for the row itself, without those that were compared again since."""
        raw = self.comparisons.get(row)
        if raw is not None:
            found, since = Comparison.from_bytes(raw), self.compared_at[row]
            own = Candidates(found.rows, found.features)
        elif row >= FIRST_LIVE_ROW:
            return _NO_CANDIDATES
        else:
            own, since = Candidates(*self.snapshot.neighbours(row)), 0
            if not self._compared_rows_of_snapshot:
                return own
        compared_at = self.compared_at
        fresh = [place for place, other in enumerate(own.rows.tolist()) if compared_at.get(other, 0) <= since]
        return own if len(fresh) == len(own.rows) else Candidates(own.rows[fresh], own.features[fresh])

    def _apply(self, article: LiveArticle, since: int) -> None:
        if article.state == "erased":
            self._erase(article.id_digest)
            return
        self._undo(article.id)
        if article.state == "withdrawn":
            self._withdraw(article)
        elif article.summary is not None and article.sequence > since:
            self._publish(article, article.summary)

    def _undo(self, article_id: str) -> None:
        """Take back what the article's last state changed; its comparison serves until there is a newer one."""
        held = self.held.pop(article_id, None)
        if held is None:
            return
        for rows, names in ((self.urls, held.urls), (self.addresses, held.addresses)):
            for name in names:
                if rows.get(name) == held.row:
                    del rows[name]
        for changed in (self._known, self.teasers, self.versions):
            changed.pop(held.row, None)
        self.waiting.discard(held.row)
        self._with_aliases.discard(article_id)
        self._settle(held.row)

    def _publish(self, article: LiveArticle, summary: Summary) -> None:
        row = self.snapshot.row_of_live(article.id, article.number)
        named = {url: canonical_url(url) for url in (summary.url, *summary.aliases) if "/" in url}
        urls = {canonical for url, canonical in named.items() if "#" not in url}
        addresses = {*named.values(), *map(page_address, named.values())} - urls
        self._hold(article, Held(row, article.sequence, summary.aliases, tuple(urls), tuple(addresses)))
        self._known[row] = self._facts_of(article, summary, row)
        self.teasers[row] = bytes(summary.teaser)
        self.versions[row] = summary.version
        self.waiting.add(row)
        self._settle(row)

    def _withdraw(self, article: LiveArticle) -> None:
        row = self.snapshot.row_of_live(article.id, article.number)
        summary = article.summary
        self._hold(article, Held(row, article.sequence, summary.aliases if summary else ()))
        self.versions[row] = summary.version if summary else ""
        self._known[row] = self._withdrawn(row, summary)
        self._settle(row)

    def _erase(self, digest: str) -> None:
        row = self.snapshot.row_of_digest(bytes.fromhex(digest))
        article_id = self._by_digest.pop(digest, None)
        if article_id is not None and article_id in self.held:
            row = self.held[article_id].row
            self._undo(article_id)
            self.signals.pop(article_id, None)
        if row is not None:
            self.erased.add(row)
            self._known[row] = self._withdrawn(row, None)
            self._settle(row)

    def _compare(self, compared: tuple[Compared, ...]) -> None:
        fresh: dict[int, Comparison] = {}
        for each in compared:
            held = self.held.get(each.article_id)
            if held is None or each.snapshot_id != self.snapshot.id:
                continue
            try:
                fresh[held.row] = Comparison.from_bytes(each.content)
            except ValueError as error:
                log.error("the comparison of %s cannot be read: %s", each.article_id, error)
                continue
            self.comparisons[held.row] = each.content
            self.compared_at[held.row] = each.sequence
            if each.article_sequence == held.sequence:
                self.waiting.discard(held.row)
        for row, comparison in fresh.items():
            self._touched.update((row, *comparison.into.tolist()))
            self.sketches[row] = int.from_bytes(comparison.sketch, "little")
            if row >= FIRST_LIVE_ROW:
                self._cluster(row, comparison)
            else:
                self._compared_rows_of_snapshot = True
        if fresh:
            self.entering = self.entering.changed(fresh, self.compared_at)

    def _cluster(self, row: int, comparison: Comparison) -> None:
        """A new article belongs to the duplicates, the event and the storyline that its comparison found."""
        if row in self._known:
            clusters = {"canonical": comparison.canonical, "event": comparison.event}
            self._known[row] = self._known[row]._replace(**clusters, storyline=comparison.storyline)
            self._settle(row)

    def _hold(self, article: LiveArticle, held: Held) -> None:
        self.held[article.id] = held
        self._by_digest[id_digest(article.id).hex()] = article.id
        if held.aliases:
            self._with_aliases.add(article.id)
        for url in held.urls:
            self.urls[url] = held.row
        for address in held.addresses:
            self.addresses[address] = held.row

    def _settle_names(self) -> None:
        """Which alias leads where, and which rows it hides, from all live articles: in whatever order they came.

        An article keeps the place of its former ID when it is withdrawn. Of two that claim an alias, or each other's
        ID, the one changed later has it.
        """
        claims: dict[str, tuple[int, str]] = {}
        for article_id in self._with_aliases:
            claim = self.held[article_id].sequence, article_id
            for alias in self.held[article_id].aliases:
                if alias != article_id:
                    claims[alias] = max(claims.get(alias, claim), claim)
        kept = {alias: claim for alias, claim in claims.items() if claims.get(claim[1], (0, ""))[1] != alias
                or claim[0] > claims[claim[1]][0]}  # fmt: skip
        self.aliases = {alias: self.held[article_id].row for alias, (_, article_id) in kept.items()}
        named = {alias: self._row_named(alias) for alias in self.aliases}
        hidden = {row for alias, row in named.items() if row is not None and row != self.aliases[alias]}
        changed, self._hidden = hidden ^ self._hidden, hidden
        self._settle(*changed)

    def _settle(self, *rows: int) -> None:
        """What readers see of these rows follows from what is known of them and from what hides them."""
        self._touched.update(rows)
        for row in rows:
            known = self._known.get(row)
            if row in self._hidden and (known is not None or row < FIRST_LIVE_ROW):
                known = (self.snapshot.fact(row) if known is None else known)._replace(visible_from=NEVER)
            if known is None:
                self.facts.pop(row, None)
            else:
                self.facts[row] = known

    def _facts_of(self, article: LiveArticle, summary: Summary, row: int) -> Facts:
        """The attribute record of a live article. What was past its embargo when it came is visible at once.

        An updated one stays in the clusters of its snapshot row, a new one is alone until it is compared.
        """
        if row < FIRST_LIVE_ROW:
            built = self.snapshot.fact(row)
            clusters = built.canonical, built.event, built.storyline
        elif row in self.comparisons:
            found = Comparison.from_bytes(self.comparisons[row])
            clusters = found.canonical, found.event, found.storyline
        else:
            clusters = row, row, row
        begins = summary.visible_from
        return Facts(
            UNDATED if summary.published_at is None else summary.published_at,
            UNDATED if begins is None or begins <= article.changed_at else begins,
            self._code("section", summary.section),
            self._code("language", summary.language),
            self._code("type", summary.type),
            self._code("brand", summary.brand),
            *clusters,
            FLAG_EVERGREEN if summary.evergreen else 0,
        )

    def _withdrawn(self, row: int, summary: Summary | None) -> Facts:
        alone = NO_FACTS._replace(canonical=row, event=row, storyline=row)
        facts = self.snapshot.fact(row) if row < FIRST_LIVE_ROW else alone
        if summary is not None:  # whose article it was still matters: another brand may not publish it again
            facts = facts._replace(brand=self._code("brand", summary.brand))
        return facts._replace(visible_from=NEVER, flags=facts.flags | FLAG_WITHDRAWN)

    def _row_named(self, article_id: str) -> int | None:
        """The row of an article of exactly this ID, live or in the snapshot."""
        held = self.held.get(article_id)
        return self.snapshot.own_row(article_id) if held is None else held.row

    def _code(self, kind: str, name: str) -> int:
        """The code of a name; those that only live articles have come behind the snapshot's."""
        names = self.names[kind]
        if name not in names:
            self.names[kind] = names = (*names, name)
        return names.index(name)
