"""Provides the archive as of one moment: a snapshot with the live changes over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from heapq import merge

import numpy as np

from index.article import UNDATED, canonical_url
from index.live.comparison import Comparison
from index.snapshot.attributes import FIRST_LIVE_ROW
from index.snapshot.manifest import Manifest
from index.snapshot.reader import Snapshot, id_in
from index.values.urls import other_spellings
from service.archive.brands import ONE_NEWSROOM, Brands
from service.archive.candidates import Candidates
from service.archive.overlay import Overlay
from service.archive.signals import Signals
from service.live_store.changes import Changes


class Archive:
    """Reads like a snapshot, live articles included. Rows from `FIRST_LIVE_ROW` on are of no snapshot.

    Safe to share between threads. A request asks for one and holds on to it, so an answer never mixes two states.
    """

    def __init__(self, snapshot: Snapshot, overlay: Overlay | None = None, brands: Brands = ONE_NEWSROOM) -> None:
        self._brands = brands
        self.snapshot = snapshot
        self.overlay = overlay = Overlay(snapshot) if overlay is None else overlay
        self.id = snapshot.id
        self.names = overlay.names
        # What no live change touches is read without a detour.
        self.fact = overlay.fact if overlay.facts else snapshot.fact
        self.teaser: Callable[[int], bytes] = overlay.teaser if overlay.teasers else snapshot.teaser
        self.sketch: Callable[[int], int] = overlay.sketch if overlay.sketches else snapshot.sketch
        self.signals = Signals(overlay.signals, self.row_named)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the snapshot."""
        return self.snapshot.manifest

    @property
    def rows(self) -> int:
        """How many articles the snapshot has."""
        return self.snapshot.rows

    @property
    def sequence(self) -> int:
        """The sequence number of the live store up to which changes are taken in."""
        return self.overlay.sequence

    @property
    def live_count(self) -> int:
        """How many live articles are in effect."""
        return len(self.overlay.held)

    @property
    def waiting_count(self) -> int:
        """How many live articles the search process has not compared yet."""
        return len(self.overlay.waiting)

    def is_live(self, row: int) -> bool:
        """Whether a live change says what readers see of a row."""
        return row in self.overlay.facts

    def is_waiting(self, row: int) -> bool:
        """Whether the search process has yet to compare the row's last version."""
        return row in self.overlay.waiting

    def event_id(self, row: int) -> int | None:
        """The stable ID of a row's event; None for a new one, which gets its ID with the next snapshot."""
        return self._cluster_id("events", self.fact(row).event)

    def storyline_id(self, row: int) -> int | None:
        """The same of its storyline."""
        return self._cluster_id("storylines", self.fact(row).storyline)

    def rows_of_storyline(self, storyline: int) -> list[int]:
        """The rows of a storyline, live ones included, in no order."""
        built = np.flatnonzero(self.snapshot.attributes["storyline"] == storyline).tolist()
        return [row for row in {*built, *self.overlay.facts} if self.fact(row).storyline == storyline]

    def after(self, changes: Changes) -> Archive:
        """The archive with further live changes."""
        return Archive(self.snapshot, self.overlay.changed(changes), self._brands)

    def row_of_id(self, identifier: str) -> int | None:
        """The row of an article ID or a declared alias; None when unknown or erased."""
        overlay = self.overlay
        row = overlay.aliases.get(identifier)
        if row is None and identifier in overlay.held:
            row = overlay.held[identifier].row
        row = self.snapshot.row_of_id(identifier) if row is None else row
        return None if row in overlay.erased else row

    def row_named(self, name: str) -> int | None:
        """The row of an article ID, a declared alias or an article's URL; None when unknown or erased."""
        row = self.row_of_id(name)
        return self.row_of_url(name) if row is None and "/" in name else row

    def signals_under_former_names(self, row: int, own_id: str) -> list[str]:
        """The other names of a row's article under which signals were given, before it had this ID."""
        return [name for name in self.overlay.signals if name != own_id and self.row_named(name) == row]

    def own_id(self, row: int) -> str | None:
        """The ID of a row's article, None where only its withdrawal is known."""
        teaser = self.overlay.teasers.get(row)
        if teaser is None:
            return self.snapshot.id_of(row) if row < FIRST_LIVE_ROW else None
        return id_in(teaser)

    def row_of_url(self, url: str) -> int | None:
        """The row of an article's URL, in any spelling of `index.values.urls`; None when unknown or erased.

        An article of exactly this URL comes before those of other spellings.
        """
        canonical = canonical_url(url)
        row = self._row_of_spelling(canonical)
        if row is None:
            rows = map(self._row_of_spelling, other_spellings(canonical))
            row = next((other for other in rows if other is not None), None)
        return None if row in self.overlay.erased else row

    def _row_of_spelling(self, canonical: str) -> int | None:
        overlay = self.overlay
        row = overlay.urls.get(canonical)
        row = self.snapshot.row_of_url(canonical) if row is None else row
        return overlay.addresses.get(canonical) if row is None else row

    def version(self, row: int) -> str | None:
        """The ETag of a row's article; None where only its withdrawal is known."""
        held = self.overlay.versions.get(row)
        return self.snapshot.version(row) if held is None and row < FIRST_LIVE_ROW else held or None

    def candidates(self, row: int) -> Candidates:
        """The row's candidates: of the candidate table, and live articles where they belong among them.

        By falling relevance, of equals the higher row first: exactly as if each pair had been in the table.
        """
        own = self.overlay.own_candidates(row)
        entering = self.overlay.entering.of(row)
        if entering is None:
            return own
        rows = np.concatenate([own.rows, entering.rows])
        features = np.concatenate([own.features, entering.features])
        order = np.lexsort((-rows.astype(np.int64), -features[:, 0]))
        return Candidates(rows[order], features[order])

    def _cluster_id(self, kind: str, row: int) -> int | None:
        return int(self.snapshot.cluster_ids[kind][row]) if row < FIRST_LIVE_ROW else None

    def known_only(self, candidates: Candidates) -> Candidates:
        """Without live rows that this archive has not heard of yet: the search process may be ahead of it."""
        facts = self.overlay.facts
        known = [at for at, row in enumerate(candidates.rows.tolist()) if row < FIRST_LIVE_ROW or row in facts]
        return Candidates(candidates.rows[known], candidates.features[known])

    def brands_shown_by(self, brand: str) -> frozenset[int] | None:
        """Codes of the brands whose stories an article of a brand shows; None for all."""
        shown, names = self._brands.shown(brand), self.names["brand"]
        return None if shown is None else frozenset(names.index(name) for name in shown if name in names)

    def compared(self, row: int) -> bool:
        """Whether the row's candidates are known: not yet for an article that came a moment ago."""
        return row < FIRST_LIVE_ROW or row in self.overlay.comparisons

    def shared_terms(self, row: int, other: int) -> list[str]:
        """Characteristic terms that two rows have in common, most characteristic of `row` first."""
        theirs = set(self._terms(other))
        return [term for term in self._terms(row) if term in theirs]

    def _terms(self, row: int) -> list[str]:
        raw = self.overlay.comparisons.get(row)
        if raw is None:
            return self.snapshot.terms(row) if row < FIRST_LIVE_ROW else []
        return list(Comparison.from_bytes(raw).terms)

    def newest_rows(self, most: int, section: int | None = None, dated: bool = True) -> Iterator[int]:
        """Rows by date, newest first: live ones, the newest `most` of the snapshot; undated too unless `dated`."""
        first = max(0, self.snapshot.rows - most)
        rows = np.arange(first, self.snapshot.rows)
        if section is not None:
            rows = rows[self.snapshot.attributes["section"][first:] == section]
        live = (row for row in self._newest_live if section is None or self.fact(row).section == section)
        both = merge(live, rows[::-1].tolist(), key=lambda row: -self.fact(row).published_at)
        return (row for row in both if self.fact(row).published_at != UNDATED) if dated else both

    @cached_property
    def _newest_live(self) -> list[int]:
        """The rows of live articles that the snapshot does not have, newest first."""
        rows = [row for row in self.overlay.facts if row >= FIRST_LIVE_ROW]
        return sorted(rows, key=lambda row: (-self.fact(row).published_at, -row))
