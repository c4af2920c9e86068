"""Counts the words of a text, also in scripts that put no spaces between words."""

from __future__ import annotations

import re

# Characters a word, on average: about two in Chinese and Japanese, five in Thai, Lao, Burmese and Khmer.
IDEOGRAPHS_A_WORD, LETTERS_A_WORD = 2, 5

_IDEOGRAPHS = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]+"
)
_LETTERS = re.compile("[\u0e01-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u109f\u1780-\u17d3]+")


def count_words(text: str) -> int:
    """How many words a text has: between spaces, and by the number of characters where a script has no spaces."""
    if text.isascii():
        return len(text.split())
    rest, ideographs = _taken_out(_IDEOGRAPHS, text)
    rest, letters = _taken_out(_LETTERS, rest)
    return len(rest.split()) + -(-ideographs // IDEOGRAPHS_A_WORD) + -(-letters // LETTERS_A_WORD)


def _taken_out(script: re.Pattern[str], text: str) -> tuple[str, int]:
    """The text with each run of a script replaced by a space, and how many characters the runs had."""
    rest, runs = script.subn(" ", text)
    return rest, len(text) - len(rest) + runs
