"""Computes a digest of each full text, by which the next build recognises it, and whether the text is brief."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.article import Article
from index.relevance.model import BRIEF_WORDS
from index.storage.arrays import parts
from index.storage.lazy import Each
from index.text.passages import full_text
from index.values.word_count import count_words

DIGESTS, DIGEST_BYTES = "lexical.digests.json", 16

Digests = npt.NDArray[np.uint8]  # (n, 16)


def read_texts(articles: Sequence[Article]) -> tuple[Digests, npt.NDArray[np.bool_]]:
    """Digests (n, 16) uint8 of the full texts, and (n,) bool: which are too brief to be matched by words."""
    digests = np.empty((len(articles), DIGEST_BYTES), np.uint8)
    brief = np.empty(len(articles), bool)
    for row, text in enumerate(map(full_text, articles)):
        digests[row] = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest(), np.uint8)
        brief[row] = is_brief(text)
    return digests, brief


def is_brief(text: str) -> bool:
    """Whether a text has too few words to be matched by words."""
    return len(text.split()) < BRIEF_WORDS and count_words(text) < BRIEF_WORDS


def write_digests(path: Path, digests: Digests) -> None:
    """Write digests (n, 16) as JSON: an array of strings of 32 hex digits."""
    with path.open("wb") as file:
        file.write(b"[")
        for part in parts(len(digests)):
            file.write(
                b"," * (part.start > 0) + b",".join(b'"%s"' % digest.encode() for digest in in_hex(digests[part]))
            )
        file.write(b"]")


def read_digests(path: Path) -> Digests:
    """What `write_digests` wrote. Raises OSError, ValueError."""
    hexadecimal = path.read_bytes().translate(None, b'[]",').decode()
    return np.frombuffer(bytes.fromhex(hexadecimal), np.uint8).reshape(-1, DIGEST_BYTES)


def in_hex(digests: Digests) -> Sequence[str]:
    """The digests (n, 16), each as a string."""
    return Each(lambda row: digests[row].tobytes().hex(), range(len(digests)))


def rows_of(digests: Digests, old: Digests) -> npt.NDArray[np.int64]:
    """(n,): the last row of `old` with each digest, -1 for one that is new."""
    if not len(old):
        return np.full(len(digests), -1, np.int64)
    wanted, known = _comparable(digests), _comparable(old)
    order = np.argsort(known, kind="stable")
    places = order[np.maximum(known.searchsorted(wanted, "right", order) - 1, 0)]
    return np.where(known[places] == wanted, places, -1)


def count_distinct(digests: Digests) -> int:
    """How many different ones there are."""
    return len(np.unique(_comparable(digests)))


def _comparable(digests: Digests) -> npt.NDArray[np.bytes_]:
    """(n,): each as one value, which numpy sorts as bytes."""
    return np.ascontiguousarray(digests).view(f"S{DIGEST_BYTES}")[:, 0]
