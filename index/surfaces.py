"""Owns how words are written when people see them: the lexical model knows them in lower case only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

# A word inside a sentence: after a word, comma or semicolon and a space, where a capital is the word's own.
_INSIDE = re.compile(r"(?<=[\w,;] )\w\w+")
MOST_TEXTS = 5_000  # evenly drawn from larger archives: a second of work, and enough for any word that explains


def surface_forms(texts: Sequence[str], terms: Iterable[str]) -> list[str]:
    """Each term as most texts write it inside a sentence: `brackholm` -> `Brackholm`, `ferry` stays.

    Of forms equally frequent the lower-case one; a term never seen inside a sentence stays as it is.
    """
    step = -(-len(texts) // MOST_TEXTS) or 1
    seen: Counter[str] = Counter()
    for text in texts[::step]:
        seen.update(_INSIDE.findall(text))
    usual: dict[str, tuple[int, bool, str]] = {}
    for form, count in seen.items():
        lower = form.lower()
        usual[lower] = max(usual.get(lower, (0, False, "")), (count, form == lower, form))
    return [usual[term][2] if term in usual else term for term in terms]


def is_name(form: str) -> bool:
    """Whether a surface form is written as a name. In German every noun is."""
    return form[:1].isupper()
