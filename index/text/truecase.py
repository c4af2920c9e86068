"""Finds the written form of words for people; the lexical model knows them in lower case only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

# A word inside a sentence: after a word, comma or semicolon and a space, where a capital is the word's own.
_INSIDE = re.compile(r"(?<=[\w,;] )\w\w+")
# A word before another capital: half of a name, or the beginning of a sentence that goes on with one.
_BEFORE_A_CAPITAL = re.compile(r"\w\w+(?= ([^\W\d_])\w)")
MOST_TEXTS = 5_000  # evenly drawn from larger archives: a second of work, and enough for any word that explains


def surface_forms(texts: Sequence[str], terms: Iterable[str]) -> list[str]:
    """Each term as most texts write it inside a sentence: `brackholm` -> `Brackholm`, `ferry` stays.

    Of forms equally frequent the lower-case one. A term never seen inside a sentence is written as it is before
    another capital, like the first name of who only ever begins sentences; one never seen there either stays.
    """
    step = -(-len(texts) // MOST_TEXTS) or 1
    inside: Counter[str] = Counter()
    before: Counter[str] = Counter()
    for text in (texts[row] for row in range(0, len(texts), step)):
        inside.update(_INSIDE.findall(text))
        before.update(match[0] for match in _BEFORE_A_CAPITAL.finditer(text) if match[1].isupper())
    usual = _usual(before) | _usual(inside)
    return [usual.get(term, term) for term in terms]


def _usual(seen: Counter[str]) -> dict[str, str]:
    """The most frequent form of each word in lower case."""
    usual: dict[str, tuple[int, bool, str]] = {}
    for form, count in seen.items():
        lower = form.lower()
        usual[lower] = max(usual.get(lower, (0, False, "")), (count, form == lower, form))
    return {lower: form for lower, (_, _, form) in usual.items()}


def is_name(form: str) -> bool:
    """Whether a surface form is written as a name. In German every noun is."""
    return form[:1].isupper()
