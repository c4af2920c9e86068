"""Prepares the text of an article for embedding, in passages. Imports no model.

Change `RECIPE` whenever the same article would give other texts: cached vectors are keyed by it. Boilerplate depends
on the archive, not on the recipe: an article that loses a paragraph has another digest.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import Article

RECIPE = 1
PASSAGE_CHARS = 900  # about 200 English word pieces: fits the 256 of all-MiniLM-L6-v2 with room
SHORTEST_TAIL_CHARS = 250  # a shorter last passage joins the one before: it would weigh as much as a full one
MAX_PASSAGES = 64
MIN_REPEATED_CHARS = 40  # shorter lines ("Yes.", "Q:") repeat for good reason

REPEATED_IN = (
    5  # articles, and this share of the publisher's: site-wide boxes are, a column's or an author's note is not
)
REPEATED_SHARE = 0.01  # without it digital.gov lost .006 nDCG@10: such notes tell which articles belong to one series
MOST_BOILERPLATE = 0.5  # of an article's characters: one that consists of repeated text is a copy, and stays whole
BOILERPLATE = "boilerplate.npy"
SKETCH = 1 << 24  # bytes; of thirty million paragraphs one in thirty is counted exactly for nothing

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])")


class Passages(NamedTuple):
    """The passages of a body in reading order, and how many more a huge body had."""

    texts: list[str]
    left_out: int


def head_text(article: Article) -> str:
    """Headline and standfirst, one line each."""
    return _joined((article.headline, article.standfirst))


def full_text(article: Article) -> str:
    """Headline, kicker, standfirst and body, for the lexical model."""
    return _joined((article.headline, article.kicker, article.standfirst, *_paragraphs(article.body)))


def passages(article: Article) -> Passages:
    """The body in pieces of about 900 characters, cut where paragraphs, sentences or words end.

    A body of more than 64 pieces is represented by 64 evenly spaced ones, its first and last among
    them; `left_out` counts the others. An empty body has none.
    """
    pieces = _packed(unit for paragraph in _paragraphs(article.body) for unit in _units(paragraph))
    total = len(pieces)
    if total <= MAX_PASSAGES:
        return Passages(pieces, 0)
    chosen = [pieces[i * (total - 1) // (MAX_PASSAGES - 1)] for i in range(MAX_PASSAGES)]
    return Passages(chosen, total - MAX_PASSAGES)


class Boilerplate(NamedTuple):
    """Digests of what repeats on a publisher's pages: paragraphs of 40 characters in a hundredth of its articles.

    What is embedded and indexed goes without them, never what is stored or shown. An article counts for its brand and
    for its site, and goes without those of both; one that names neither, such as a draft, without those of all.
    """

    digests: frozenset[int]

    @classmethod
    def of(cls, articles: Sequence[Article]) -> Boilerplate:
        """What repeats among the articles. Memory: the sketch, and one entry for each paragraph that repeats."""
        return cls(frozenset(_repeated(articles)))

    @classmethod
    def read(cls, directory: Path) -> Boilerplate:
        """What a snapshot's build found; nothing for snapshots of before that was kept."""
        path = directory / BOILERPLATE
        return cls(frozenset(np.load(path, allow_pickle=False).tolist() if path.exists() else ()))

    def array(self) -> npt.NDArray[np.uint64]:
        """(m,) u64, rising: what `read` reads."""
        return np.array(sorted(self.digests), "<u8")

    def left_out(self, article: Article) -> Article:
        """The article without them: the same object where it has none, or consists of them."""
        if not self.digests:
            return article
        publishers, paragraphs = _publishers(article), _paragraphs(article.body)
        kept = [
            text
            for text in paragraphs
            if not any(_digest(publisher, text) in self.digests for publisher in publishers)
        ]
        if len(kept) == len(paragraphs) or sum(map(len, kept)) < (1 - MOST_BOILERPLATE) * sum(map(len, paragraphs)):
            return article
        return msgspec.structs.replace(article, body="\n\n".join(kept))


def _repeated(articles: Sequence[Article]) -> set[int]:
    """Digests of the paragraphs that repeat: a sketch finds candidates, a second pass counts them exactly."""
    sizes = Counter(publisher for article in articles for publisher in _publishers(article))
    least = {publisher: max(REPEATED_IN, math.ceil(size * REPEATED_SHARE)) for publisher, size in sizes.items()}
    sketch = bytearray(SKETCH)
    for _, _, digest in _long_paragraphs(articles):
        sketch[digest % SKETCH] = min(255, sketch[digest % SKETCH] + 1)
    counts: Counter[tuple[str, int]] = Counter()
    anonymous: dict[int, int] = {}
    for publisher, paragraph, digest in _long_paragraphs(articles):
        if sketch[digest % SKETCH] >= min(255, least[publisher]):
            counts[publisher, digest] += 1
            anonymous[digest] = _digest("", paragraph)
    repeated = {digest for (publisher, digest), count in counts.items() if count >= least[publisher]}
    return repeated | {anonymous[digest] for digest in repeated}


def _long_paragraphs(articles: Iterable[Article]) -> Iterator[tuple[str, str, int]]:
    """Publisher, text and digest of each long paragraph of each article, once for each of its publishers."""
    for article in articles:
        long = {paragraph for paragraph in _paragraphs(article.body) if len(paragraph) >= MIN_REPEATED_CHARS}
        for publisher in _publishers(article):
            yield from ((publisher, paragraph, _digest(publisher, paragraph)) for paragraph in long)


def _digest(publisher: str, paragraph: str) -> int:
    return int.from_bytes(blake2b(f"{publisher}\0{paragraph}".encode(), digest_size=8).digest(), "little")


def _publishers(article: Article) -> tuple[str, ...]:
    """Its brand and its site, or "" where it names neither: an archive may lack the brand that live articles have."""
    try:
        site = urlsplit(article.url).netloc
    except ValueError:
        site = ""
    return tuple(filter(None, (article.brand, site))) or ("",)


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def embedded_texts(article: Article) -> list[str]:
    """What the dense model sees of an article: its head, then its passages."""
    return [head_text(article), *passages(article).texts]


def _paragraphs(body: str) -> list[str]:
    """Lines with single spaces; of a repeated paragraph only the first is kept."""
    seen: set[str] = set()
    kept = []
    for line in body.split("\n"):
        paragraph = " ".join(line.split())
        if not paragraph or paragraph in seen:
            continue
        if len(paragraph) >= MIN_REPEATED_CHARS:
            seen.add(paragraph)
        kept.append(paragraph)
    return kept


def _units(paragraph: str) -> Iterator[str]:
    """Pieces of at most 900 characters: the paragraph, else its sentences, else runs of words."""
    if len(paragraph) <= PASSAGE_CHARS:
        yield paragraph
        return
    for sentence in _sentences(paragraph):
        yield from _word_runs(sentence)


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        if sentence := paragraph[start : end.end()].strip():
            yield sentence
        start = end.end()
    if rest := paragraph[start:].strip():
        yield rest


def _word_runs(sentence: str) -> Iterator[str]:
    while len(sentence) > PASSAGE_CHARS:
        cut = sentence.rfind(" ", PASSAGE_CHARS // 2, PASSAGE_CHARS)
        cut = cut if cut > 0 else PASSAGE_CHARS  # a script without spaces, or a very long word
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence


def _packed(units: Iterable[str]) -> list[str]:
    """Consecutive units joined up to 900 characters; a short last piece joins the one before."""
    pieces: list[list[str]] = []
    size = 0
    for unit in units:
        if not pieces or size + 1 + len(unit) > PASSAGE_CHARS:
            pieces.append([])
            size = 0
        pieces[-1].append(unit)
        size += len(unit) + 1
    if len(pieces) > 1 and size < SHORTEST_TAIL_CHARS:
        tail = pieces.pop()
        pieces[-1].extend(tail)
    return ["\n".join(piece) for piece in pieces]
