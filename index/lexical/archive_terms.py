"""Computes the TF-IDF rows of an archive: reuses the last snapshot's fitted model or fits a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.article import Article
from index.lexical.scoring_data import HEADLINES, TFIDF, open_term_rows
from index.lexical.sparse_rows import TermRows, rounded
from index.lexical.tfidf_lsa import LexicalModel, fit_lexical, is_current
from index.snapshot.attributes import NO_ROW
from index.snapshot.manifest import DamagedSnapshot, read_manifest
from index.storage.arrays import new_array, parts
from index.storage.files import save_array
from index.storage.lazy import Each
from index.text.digests import DIGESTS, Digests, count_distinct, read_digests, rows_of
from index.text.passages import RECIPE, full_text

REFIT_SHARE = 0.10  # refit the lexical model when more than this share of the texts came after it was fitted
# Refit, too, when more than this share of all texts came after the fit and has no known term, as in a new language. A
# text that has no term when the model is fitted does not count: another fit would leave it as it is.
REFIT_EMPTY_SHARE = 0.01
# Texts that the lexical model is fitted on at most: counting pairs of words takes some 40 kB a text before the rare
# ones are dropped.
FITTED_ON = 200_000
FIT, FIT_TEXTS = "lexical.fitted.npy", "lexical_texts"  # the file and the manifest's entry that hold a `Fit`
TERMS = 24  # characteristic words kept an article, for explanations


class Fit(NamedTuple):
    """The archive that the lexical model was fitted to.

    `held` (n,): whether a row's text was in it, also where the model was fitted on a sample; `texts`: how many
    different texts it held.
    """

    held: npt.NDArray[np.bool_]
    texts: int


class Lexical(msgspec.Struct, frozen=True):
    """The lexical model and the TF-IDF rows of this build's articles, and of their headlines alone."""

    model: LexicalModel
    tfidf: TermRows
    headlines: TermRows
    fit: Fit
    refitted: bool


def lexical_rows(articles: Sequence[Article], digests: Digests, previous: Path | None, folder: Path) -> Lexical:
    """The last snapshot's model while at most a tenth of the texts came after it was fitted and nearly all have a
    known term; else a new fit, of a large archive on a sample evenly drawn.

    `digests`: of `articles`, as from `read_texts`. `folder`: of the new snapshot, where all is left in its files.
    """
    known = _known_lexical(previous) if previous else None
    if known is not None:
        model, old_rows, old_headlines, old_digests, old_fit = known
        places = rows_of(digests, old_digests)
        fit = _fit_of(places, old_fit)
        drift = (int((~fit.held).sum()) + max(0, fit.texts - len(articles))) / max(len(articles), 1)
        if drift <= REFIT_SHARE:
            reused = _reused_rows(model, old_rows, articles, places)
            rows = TermRows.written(folder, TFIDF, reused, len(model.terms))
            empty = (np.diff(rows.begins) == 0) & ~fit.held
            if empty.sum() <= REFIT_EMPTY_SHARE * len(articles):
                # The first line of a full text is its headline: where the text is the same, the headline is.
                reused = _reused_rows(model, old_headlines, articles, places, _headline)
                headlines = TermRows.written(folder, HEADLINES, reused, len(model.terms))
                return _saved(Lexical(model, rows, headlines, fit, refitted=False), folder)
    step = -(-len(articles) // FITTED_ON) or 1
    model, fitted = fit_lexical(Each(lambda row: full_text(articles[row]), range(0, len(articles), step)))
    blocks = [fitted] if step == 1 else (model.tfidf(_full_texts(articles[part])) for part in parts(len(articles)))
    fit = Fit(np.ones(len(articles), bool), count_distinct(digests))
    rows = TermRows.written(folder, TFIDF, blocks, len(model.terms))
    of_headlines = (model.tfidf(list(map(_headline, articles[part]))) for part in parts(len(articles)))
    headlines = TermRows.written(folder, HEADLINES, of_headlines, len(model.terms))
    return _saved(Lexical(model, rows, headlines, fit, refitted=True), folder)


def _saved(lexical: Lexical, folder: Path) -> Lexical:
    """Writes the model and its fit beside the rows."""
    arrays, files = lexical.model.to_files()
    for name, array in {**arrays, FIT: lexical.fit.held}.items():
        save_array(folder / name, array)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return lexical


def _fit_of(places: npt.NDArray[np.int64], old: Fit) -> Fit:
    """The fit as today's rows see it; `places` (n,): the earlier row of the same text, -1 for none."""
    held = places >= 0
    held[held] = old.held[places[held]]
    return Fit(held, old.texts)


def _headline(article: Article) -> str:
    return article.headline


def _full_texts(articles: Iterable[Article]) -> list[str]:
    return [full_text(article) for article in articles]


def _known_lexical(previous: Path) -> tuple[LexicalModel, Any, Any, Digests, Fit] | None:
    """Model, TF-IDF rows of texts and of headlines, digests of the texts and fit of a snapshot; None where the model
    must be fitted anew.
    """
    models = read_manifest(previous).models
    if models.get("recipe") != RECIPE or not is_current((previous / "lexical.json").read_bytes()):
        return None
    if FIT_TEXTS not in models:  # written by a version that did not record what the model was fitted on
        return None
    try:
        fit = Fit(np.load(previous / FIT, allow_pickle=False), models[FIT_TEXTS])
        model, rows = load_lexical(previous)
        headlines = open_term_rows(previous, HEADLINES, len(model.terms))
        return model, rows, headlines, read_digests(previous / DIGESTS), fit
    except DamagedSnapshot:
        return None


def load_lexical(directory: Path) -> tuple[LexicalModel, Any]:
    """The lexical model of a snapshot and its TF-IDF rows (n, v), as from `open_term_rows`.

    Raises `DamagedSnapshot`.
    """
    model = load_lexical_model(directory)
    return model, open_term_rows(directory, TFIDF, len(model.terms))


def load_lexical_model(directory: Path) -> LexicalModel:
    """The lexical model of a snapshot."""
    arrays = {
        name: np.load(directory / name, allow_pickle=False) for name in ("lexical.idf.npy", "lexical.projection.npy")
    }
    return LexicalModel.from_files((directory / "lexical.json").read_bytes(), arrays)


def _reused_rows(
    model: LexicalModel,
    old: Any,
    articles: Sequence[Article],
    places: npt.NDArray[np.int64],
    text: Callable[[Article], str] = full_text,
) -> Iterator[Any]:
    """TF-IDF rows in this build's order: unchanged ones are those of `old` at `places`; those of -1 are of `text`."""
    for part in parts(len(articles)):
        kept = places[part] >= 0
        fresh = (articles[row] for row in (np.flatnonzero(~kept) + part.start).tolist())
        combined = sparse.vstack([old[places[part][kept]], model.tfidf(list(map(text, fresh)))]).tocsr()
        yield rounded(combined[np.where(kept, np.cumsum(kept) - 1, kept.sum() + np.cumsum(~kept) - 1)])


def characteristic_terms(lexical: Lexical, folder: Path) -> tuple[npt.NDArray[np.uint32], list[str]]:
    """Codes (n, 24) of the words with the highest TF-IDF in each article, padded, and the words in use.

    The codes are the file `terms.npy` of `folder`.
    """
    tfidf, terms = lexical.tfidf, lexical.model.terms
    words = single_words(terms)
    term_columns = np.asarray(new_array(folder / "terms.npy", (tfidf.shape[0], TERMS), "<u4"))
    used = np.zeros(len(terms), bool)
    for part in parts(len(term_columns)):
        rows = tfidf[part]
        for at in range(rows.shape[0]):
            best = characteristic_columns(rows, at, words)
            term_columns[part.start + at, : len(best)], term_columns[part.start + at, len(best) :] = best, NO_ROW
            used[best] = True
    codes = np.cumsum(used) - 1
    for part in parts(len(term_columns)):
        there = term_columns[part] != NO_ROW
        term_columns[part][there] = codes[term_columns[part][there]]
    return term_columns, [terms[column] for column in np.flatnonzero(used).tolist()]


def characteristic_columns(tfidf: Any, row: int, words: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """At most 24 columns, of the `single_words` with the highest TF-IDF in a row of CSR rows, highest first."""
    span = slice(tfidf.indptr[row], tfidf.indptr[row + 1])
    columns, weights = tfidf.indices[span], tfidf.data[span]
    chosen = words[columns]
    best = np.argsort(-weights[chosen], kind="stable")[:TERMS]
    return np.asarray(columns[chosen][best], np.int32)


def single_words(terms: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(v,) bool: which terms are one word."""
    return np.array([" " not in term for term in terms], bool)
