"""Extracts names of authors from bylines: "By A and B", with roles, agencies and addresses removed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from index.sources.page_head import line

MOST_NAME_CHARS = 80

_BY = re.compile(
    r"^(?:(?:(?:written|text|story|reported|words) )?by|von|vom|par|por|di|door|av|af|texte?|autor(?:in)?|author)"
    r"\s*:?\s+(?=\S)",
    re.IGNORECASE,
)
_AND = re.compile(r"\s*(?:;|,|\s&\s|\s(?:and|und|et|y|e|og|och|en)\s)\s*", re.IGNORECASE)
_AROUND = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\S+@\S+|(?<!\w)@\w+|https?://\S+")
_ROLE = re.compile(
    r"\b(?:editor|reporter|correspondent|writer|staff|contributor|columnist|journalist|redakteur(?:in)?|korrespondent(?:in)?"
    r"|reporter(?:in)?|autor(?:in)?|volontär(?:in)?)\b",
    re.IGNORECASE,
)


def author_names(values: Iterable[str]) -> list[str]:
    """Each name once, in order: leads such as "By", brackets, addresses and roles taken off."""
    names: dict[str, str] = {}
    for value in values:
        for name in _split(_BY.sub("", line(_AROUND.sub(" ", value)))):
            if _may_be_a_name(name):
                names.setdefault(name.casefold(), name)
    return list(names.values())


def _split(text: str) -> list[str]:
    """The names of an enumeration; with one word on a side of an "and" it is one name ("Bright and Sons")."""
    byline = text.strip(" ,;|-–—•·/")
    parts = [part for piece in re.split(r"\s*[|•·]\s*|\s[/–—-]\s", byline) for part in _AND.split(piece) if part]
    names = [part.strip(" ,;.") for part in parts]
    if len(names) > 1 and any(len(name.split()) == 1 for name in names) and "," not in text and ";" not in text:
        return [byline]
    kept = [name for name in names if not _ROLE.search(name)]
    return kept or [byline]


def _may_be_a_name(text: str) -> bool:
    return (
        1 < len(text) <= MOST_NAME_CHARS
        and "://" not in text
        and not text.startswith(("www.", "/"))
        and any(map(str.isalpha, text))
    )
