"""Owns the words of an archive: TF-IDF rows kept from the last snapshot or fitted anew, stored and loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.article import Article
from index.clean import RECIPE, full_text
from index.embed.lexical import LexicalModel, fit_lexical, is_current
from index.linkgraph import LinkGraph
from index.neighbours import PairScorer
from index.relatedness import BRIEF_WORDS, Relevance
from index.snapshot import NO_ROW, Snapshot, read_manifest

REFIT_SHARE = 0.10  # refit the lexical model when more than this share of the texts is new to it
# Texts that the lexical model is fitted on at most: counting pairs of words takes some 40 kB a text before the rare
# ones are dropped.
FITTED_ON = 200_000
TERMS = 24  # characteristic words kept an article, for explanations


class Lexical(msgspec.Struct, frozen=True):
    """The lexical model and the TF-IDF rows of this build's articles, and of their headlines alone."""

    model: LexicalModel
    tfidf: Any
    headlines: Any
    refitted: bool


def lexical_rows(articles: Sequence[Article], previous: Path | None) -> Lexical:
    """The last snapshot's model while at most a tenth of the texts is new to it, else a new fit."""
    digests = [text_digest(article) for article in articles]
    known = _known_lexical(previous) if previous else None
    if known is not None:
        model, tfidf, old_rows = known
        fresh = [row for row, digest in enumerate(digests) if digest not in old_rows]
        drift = (len(fresh) + max(0, len(old_rows) - len(articles))) / max(len(articles), 1)
        if drift <= REFIT_SHARE:
            rows = _reused_rows(model, tfidf, old_rows, articles, digests, fresh)
            return Lexical(model, rows, _headlines(model, articles), False)
    model, rows = _fitted(articles)
    return Lexical(model, rows, _headlines(model, articles), True)


def _fitted(articles: Sequence[Article]) -> tuple[LexicalModel, Any]:
    """A model of the articles, of a large archive of a sample evenly drawn, and the TF-IDF rows of all."""
    step = -(-len(articles) // FITTED_ON) or 1
    model, rows = fit_lexical([full_text(article) for article in articles[::step]])
    if step > 1:
        blocks = (articles[start : start + FITTED_ON] for start in range(0, len(articles), FITTED_ON))
        rows = sparse.vstack([model.tfidf([full_text(each) for each in block]) for block in blocks]).tocsr()
    return model, rows


def _headlines(model: LexicalModel, articles: Sequence[Article]) -> Any:
    return model.tfidf([article.headline for article in articles])


def _known_lexical(previous: Path) -> tuple[LexicalModel, Any, dict[str, int]] | None:
    manifest = read_manifest(previous)
    if manifest.models.get("recipe") != RECIPE or not is_current((previous / "lexical.json").read_bytes()):
        return None
    model, tfidf = load_lexical(previous)
    old = msgspec.json.decode((previous / "lexical.digests.json").read_bytes(), type=list[str])
    return model, tfidf, {digest: row for row, digest in enumerate(old)}


def load_lexical(directory: Path) -> tuple[LexicalModel, Any]:
    """The lexical model of a snapshot and its TF-IDF rows (n, v) CSR float32."""
    arrays = {
        name: np.load(directory / name, allow_pickle=False) for name in ("lexical.idf.npy", "lexical.projection.npy")
    }
    model = LexicalModel.from_files((directory / "lexical.json").read_bytes(), arrays)
    return model, _load_rows(directory, "tfidf", len(model.terms))


def load_scorer(snapshot: Snapshot, relevance: Relevance, tfidf: Any, links: LinkGraph | None = None) -> PairScorer:
    """The scorer of a snapshot's pairs; `tfidf` as from `load_lexical`, `links` as `PairScorer` takes them."""
    brief = np.load(snapshot.directory / "brief.npy", allow_pickle=False)
    headlines = _load_rows(snapshot.directory, "headlines", tfidf.shape[1])
    dimension = snapshot.manifest.models["dense_dimension"]
    published_at = np.asarray(snapshot.attributes["published_at"], np.int64)
    return PairScorer(snapshot.vectors, dimension, tfidf, headlines, published_at, brief, relevance, links)


def _load_rows(directory: Path, name: str, terms: int) -> Any:
    data, indices, indptr = (
        np.load(directory / f"{name}.{part}.npy", mmap_mode="r", allow_pickle=False)
        for part in ("data", "indices", "indptr")
    )
    return sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, terms), copy=False)


def _reused_rows(
    model: LexicalModel,
    tfidf: Any,
    old_rows: dict[str, int],
    articles: Sequence[Article],
    digests: Sequence[str],
    fresh: Sequence[int],
) -> Any:
    """TF-IDF rows in this build's order: unchanged texts keep theirs, new ones are transformed."""
    combined = sparse.vstack([tfidf, model.tfidf([full_text(articles[row]) for row in fresh])]).tocsr()
    place = {row: tfidf.shape[0] + at for at, row in enumerate(fresh)}
    order = [place[row] if row in place else old_rows[digest] for row, digest in enumerate(digests)]
    return combined[order].astype(np.float32)


def characteristic_terms(lexical: Lexical) -> tuple[npt.NDArray[np.uint32], list[str]]:
    """Codes (n, 24) of the words with the highest TF-IDF in each article, padded, and the words in use."""
    tfidf, terms = lexical.tfidf, lexical.model.terms
    words = single_words(terms)
    columns = np.full((tfidf.shape[0], TERMS), NO_ROW, np.uint32)
    for row in range(tfidf.shape[0]):
        best = characteristic_columns(tfidf, row, words)
        columns[row, : len(best)] = best
    used = np.unique(columns[columns != NO_ROW])
    codes = np.searchsorted(used, columns).astype(np.uint32)
    codes[columns == NO_ROW] = NO_ROW
    return codes, [terms[column] for column in used]


def characteristic_columns(tfidf: Any, row: int, words: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """At most 24 columns, of the `single_words` with the highest TF-IDF in a row, highest first."""
    span = slice(tfidf.indptr[row], tfidf.indptr[row + 1])
    columns, weights = tfidf.indices[span], tfidf.data[span]
    found = words[columns]
    best = np.argsort(-weights[found], kind="stable")[:TERMS]
    return np.asarray(columns[found][best], np.int32)


def single_words(terms: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(v,) bool: which terms are one word."""
    return np.array([" " not in term for term in terms], bool)


def text_digest(article: Article) -> str:
    return hashlib.blake2b(full_text(article).encode(), digest_size=16).hexdigest()


def brief_articles(articles: Sequence[Article]) -> npt.NDArray[np.bool_]:
    """(n,) bool: which have too few words to be matched by words."""
    return np.array([len(full_text(article).split()) < BRIEF_WORDS for article in articles], bool)
