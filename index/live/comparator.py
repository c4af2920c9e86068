"""Compares articles that came or changed after a snapshot with the snapshot and with each other.

Leaves out, as the build does, what repeats on the pages of an article's publisher. Only the search process imports
this module: it needs a model, faiss and scikit-learn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.article import Article
from index.clustering.assignment import Clusters, Members, Others, joined
from index.clustering.events import above_background
from index.clustering.stories import default_stories
from index.lexical.archive_terms import characteristic_columns, single_words
from index.lexical.tfidf_lsa import unit_rows
from index.live.comparison import Comparison
from index.live.pair_comparison import Mask, Met, Near, Part
from index.live.query_features import ArticleEmbedder, Prepared, prepared
from index.live.segment import Growing, Segment
from index.live.snapshot_searcher import Searcher
from index.relevance.model import Baseline, baseline_of
from index.relevance.pair_features import DEPTH, RECENT_DAYS, Probe, Rows
from index.snapshot.attributes import FIRST_LIVE_ROW
from index.snapshot.simhash import planes_of, sketch_rows
from index.text.passages import Boilerplate, full_text
from index.text.truecase import surface_forms

ENTER_DEPTH = 2_000  # articles of each part whose lists a new one may enter: the nearest by vector
DAY = 86_400
_BLOCK = 8_192

FloatArray = npt.NDArray[np.float32]
Admits = Callable[[Article, int], bool]


class ModelMismatch(Exception):
    """The dense model at hand is not the one that the snapshot's vectors come from: they cannot be compared."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"the search process holds the model {found}, the snapshot was built with {wanted}")


class _State(NamedTuple):
    """What there is as of one moment. `present` (n,) bool: the snapshot's rows whose articles are as they were."""

    live: Segment
    present: Mask


class Arrivals:
    """The articles that came or changed since a snapshot. Safe for threads: one may compare while others search."""

    def __init__(self, searcher: Searcher, embedder: ArticleEmbedder) -> None:
        """Raises `ModelMismatch`."""
        models = searcher.snapshot.manifest.models
        if embedder.fingerprint != models["dense"]:
            raise ModelMismatch(embedder.fingerprint, models["dense"])
        self._searcher = searcher
        self._embedder = embedder
        self._growing = Growing(
            searcher.snapshot.vectors.shape[1],
            models["dense_dimension"],
            len(searcher.lexical.terms),
            searcher.relevance,
            searcher.links,
        )
        self._replaced: dict[int, frozenset[int]] = {}  # by row of a live article: the snapshot's rows it stands for
        self._gone: set[int] = set()
        self._one_at_a_time = threading.Lock()
        self._boilerplate = Boilerplate.read(searcher.snapshot.directory)
        self._planes = planes_of(searcher.snapshot.directory, searcher.snapshot.vectors.shape[1])
        self._stories = default_stories()
        self._state = _State(self._growing.segment(), searcher.published)

    def compare(self, article: Article, number: int) -> Comparison:
        """Compare a published article with all there is and keep it, instead of its older version, for later ones.

        `number`: its number in the live store. Raises `BadVectors`, OSError.
        """
        article = self._boilerplate.left_out(article)
        new = self._prepared(article)
        with self._one_at_a_time:
            row, replaced = self._rows_of(article, number)
            met = self._met(new, row, replaced)
            baseline, clusters = met.baseline(), self._clusters(row, article, met, replaced)
            self._keep(row, article, new, baseline, clusters, replaced)
        return self._comparison(article, new, met, baseline, clusters)

    def hold(self, article: Article, number: int, known: Comparison) -> None:
        """Keep an article whose comparison with this snapshot is `known`. Raises as `compare`."""
        article = self._boilerplate.left_out(article)
        new = self._prepared(article)
        with self._one_at_a_time:
            row, replaced = self._rows_of(article, number)
            baseline = self._baseline(new, *self._others(row, replaced))
            self._keep(row, article, new, baseline, (known.canonical, known.event, known.storyline), replaced)
        self._forms.update((form.lower(), form) for form in known.terms if form.lower() not in self._forms)

    def forget(self, row: int) -> None:
        """Leave out a withdrawn article, of the snapshot or not."""
        with self._one_at_a_time:
            self._growing.drop(row)
            self._replaced.pop(row, None)
            self._gone |= {row} if row < FIRST_LIVE_ROW else set()
            self._settle()

    def similar(
        self, draft: Article, now: int, k: int, allowed: Mask, admits: Admits
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        """The k articles most related to a draft that counts as published `now`: rows uint32, features (k, 3).

        Features as in the candidate table, best relevance first. `allowed` (n,) bool: which rows of the snapshot
        may be found; `admits`: whether a live article may, asked with its canonical row.
        """
        draft = self._boilerplate.left_out(draft)
        new = prepared(draft, self._embedder.draft(draft), self._searcher.lexical, now)
        state = self._state
        baseline = self._baseline(new, state.present, state.live.present)
        return self._most_related(new.vector, new.probe, baseline, k, state.present & allowed, admits, state.live)

    def similar_rows(
        self, row: int, k: int, allowed: Mask, admits: Admits
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        """As `similar`, to an article of the snapshot or live; never a duplicate of it.

        Raises KeyError for a live row that was not compared yet.
        """
        live, present = self._state
        part, place = self._part_of(row, live)
        canonical = int(part.clusters[place, 0])
        allowed = present & allowed & (self._searcher.clusters[:, 0] != canonical)
        return self._most_related(
            part.vector(place), part.scorer.probe(place), Baseline(*part.baselines[place]), k, allowed,
            lambda article, theirs: theirs != canonical and admits(article, theirs), live,
        )  # fmt: skip

    def _prepared(self, article: Article) -> Prepared:
        return prepared(article, self._embedder.article(article), self._searcher.lexical, article.published_at)

    def _part_of(self, row: int, live: Segment) -> tuple[Part, int]:
        place = live.place_of(row)
        if place is not None:
            return live, place
        if row >= FIRST_LIVE_ROW:
            raise KeyError(row)
        return self._searcher, row

    def _rows_of(self, article: Article, number: int) -> tuple[int, frozenset[int]]:
        """The article's row, and the snapshot's rows that it stands for: its own, and those of former IDs."""
        snapshot = self._searcher.snapshot
        rows_by_name = {name: snapshot.row_of_id(name) for name in (article.id, *article.aliases)}
        rows = {name: row for name, row in rows_by_name.items() if row is not None and snapshot.id_of(row) == name}
        return rows.get(article.id, FIRST_LIVE_ROW + number), frozenset(rows.values())

    def _others(self, row: int, replaced: frozenset[int]) -> tuple[Mask, Mask]:
        """Which rows of the snapshot, and which live places, are other articles than that of a row."""
        live, present = self._state
        present = present.copy()
        present[list(replaced)] = False
        return present, live.present & (live.rows != row)

    def _met(self, new: Prepared, row: int, replaced: frozenset[int]) -> Met:
        searcher, live = self._searcher, self._state.live
        present, others = self._others(row, replaced)
        near = searcher.nearest(new.vector, present, ENTER_DEPTH)
        recent = searcher.nearest(new.vector, present & (searcher.published_at >= self._recent_from), ENTER_DEPTH)
        more = ~np.isin(recent.places, near.places)
        places = np.concatenate([near.places, recent.places[more]])
        near = Near(places, np.concatenate([near.cosines, recent.cosines[more]]))
        row_in_links = row if row < FIRST_LIVE_ROW else -1
        met = Met.of(searcher, near, new, row_in_links, live=False)
        return met.and_those_of(
            Met.of(live, live.nearest(new.vector, others, ENTER_DEPTH), new, row_in_links, live=True)
        )

    def _baseline(self, new: Prepared, present: Mask, others: Mask) -> Baseline:
        """As `Met.baseline`, without comparing with more than that takes."""
        features, cosines = [], []
        part: Part
        for part, mask in ((self._searcher, present), (self._state.live, others)):
            near = part.nearest(new.vector, mask, DEPTH)
            features.append(part.scorer.pair_features(new.probe, near.places))
            cosines.append(near.cosines)
        nearest = np.argsort(-np.concatenate(cosines), kind="stable")[:DEPTH]
        return baseline_of(np.concatenate(features)[nearest])

    def _clusters(self, row: int, article: Article, met: Met, replaced: frozenset[int]) -> Clusters:
        """The snapshot's for a row of it; else those it joins, unless others have joined it: then what it had."""
        if row < FIRST_LIVE_ROW:
            return _clusters_at(self._searcher, row)
        live, _ = self._state
        place = live.place_of(row)
        if place is not None and (live.clusters[live.present & (live.rows != row)] == row).any():
            return _clusters_at(live, place)
        dense = above_background(met.features[:, 0], self._mean_dense)
        others = Others(met.rows, met.published_at, met.clusters, dense, met.features[:, 1])
        members = self._members(np.unique(met.clusters[:, 2]), *self._others(row, replaced))
        return joined(
            row, article, others, members, lambda at: self._article_of(int(met.rows[at]), live), self._stories
        )

    def _members(self, storylines: Rows, present: Mask, others: Mask) -> Members:
        """The articles of some storylines, among `present` rows of the snapshot and live places `others`."""
        live, built = self._state.live, self._searcher.clusters
        wanted = np.zeros(len(built), bool)
        wanted[storylines[storylines < len(built)]] = True
        rows = np.flatnonzero(wanted[built[:, 2]] & present)
        places = np.flatnonzero(others & np.isin(live.clusters[:, 2], storylines))
        return Members(
            np.concatenate([rows, live.rows[places]]), np.concatenate([built[rows], live.clusters[places]])
        )

    def _article_of(self, row: int, live: Segment) -> Article:
        place = live.place_of(row)
        return self._boilerplate.left_out(self._searcher.records[row]) if place is None else live.articles[place]

    def _keep(
        self,
        row: int,
        article: Article,
        new: Prepared,
        baseline: Baseline,
        clusters: Clusters,
        replaced: frozenset[int],
    ) -> None:
        self._growing.put(row, article, new, baseline, clusters)
        self._replaced[row] = replaced
        self._gone -= {row}
        self._settle()

    def _settle(self) -> None:
        present = self._searcher.published.copy()
        present[list(self._gone.union(*self._replaced.values()))] = False
        self._state = _State(self._growing.segment(), present)

    def _comparison(
        self, article: Article, new: Prepared, met: Met, baseline: Baseline, clusters: Clusters
    ) -> Comparison:
        rated = self._searcher.scorer.rated
        scored = rated(met.features, baseline, met.brief)
        from_their_side = rated(met.back, Baseline(*met.baselines.T), met.brief)
        own = met.own(scored, clusters[0], self._recent_from)
        into = met.into(from_their_side, clusters[0])
        return Comparison(
            met.rows[own].astype(np.uint32),
            scored[own].astype(np.float16),
            met.rows[into].astype(np.uint32),
            from_their_side[into].astype(np.float16),
            sketch_rows(new.vector[None], self._planes).tobytes(),
            self._terms(article, new),
            *clusters,
        )

    def _terms(self, article: Article, new: Prepared) -> tuple[str, ...]:
        """Written as the snapshot writes them, so that they are found in common; else as the article does."""
        lexical = self._searcher.lexical
        terms = [lexical.terms[column] for column in characteristic_columns(new.text, 0, self._words).tolist()]
        forms = surface_forms([full_text(article)], terms)
        return tuple(self._forms.setdefault(term, form) for term, form in zip(terms, forms, strict=True))

    def _most_related(
        self,
        vector: FloatArray,
        probe: Probe,
        baseline: Baseline,
        k: int,
        allowed: Mask,
        admits: Admits,
        live: Segment,
    ) -> tuple[npt.NDArray[np.uint32], FloatArray]:
        rows: list[Rows] = []
        scored: list[FloatArray] = []
        part: Part
        for part, mask in ((self._searcher, allowed), (live, _admitted(live, admits))):
            places = part.nearest(vector, mask, max(k, DEPTH)).places
            rows.append(part.rows[places])
            scored.append(part.scorer.score(probe, places, baseline)[0])
        both, features = np.concatenate(rows), np.concatenate(scored)
        order = np.lexsort((-both, -features[:, 0]))[:k]
        return both[order].astype(np.uint32), features[order]

    @cached_property
    def _recent_from(self) -> int:
        return self._searcher.snapshot.manifest.built_at - RECENT_DAYS * DAY

    @cached_property
    def _words(self) -> Mask:
        return single_words(self._searcher.lexical.terms)

    @cached_property
    def _forms(self) -> dict[str, str]:
        """How words are written, by lower case."""
        raw = (self._searcher.snapshot.directory / "terms.txt").read_text("utf-8")
        return {form.lower(): form for form in raw.split("\n")}

    @cached_property
    def _mean_dense(self) -> FloatArray:
        """(1, d): the mean of the snapshot's dense rows, of which what is usual between two of them follows."""
        dense = self._searcher.snapshot.vectors[:, : self._searcher.snapshot.manifest.models["dense_dimension"]]
        sums = [
            unit_rows(np.asarray(dense[start : start + _BLOCK], np.float32)).sum(
                axis=0, dtype=np.float64, keepdims=True
            )
            for start in range(0, len(dense), _BLOCK)
        ]
        return np.asarray(sum(sums, np.zeros((1, dense.shape[1]))) / max(len(dense), 1))


def _clusters_at(part: Part, place: int) -> Clusters:
    canonical, event, storyline = part.clusters[place].tolist()
    return canonical, event, storyline


def _admitted(live: Segment, admits: Admits) -> Mask:
    """(places,) bool: the live articles that may be found."""
    admitted = np.zeros(len(live.rows), bool)
    for place in np.flatnonzero(live.present).tolist():
        admitted[place] = admits(live.articles[place], int(live.clusters[place, 0]))
    return admitted
