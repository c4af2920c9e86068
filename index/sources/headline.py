"""Decides headline and kicker of a page that states them several times: in its data, meta tags and heading.

The first statement counts, without the site's name, unless it stands alone against the others and the page's URL.
Where another one shows that a kicker precedes the headline, they are separated. No publisher is known by name.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

MOST_KICKER_WORDS = 7
SHORTEST_TAIL = 12  # characters that two statements must share to be one headline under two kickers

_SITE = re.compile(r"\s+[|·•*–—-]\s+|\s*[｜|]\s*")  # what divides a headline from the name of its site
_LEAD = re.compile(r"\s*(?::|\s[|–—-])\s+")  # what divides a kicker from its headline
_QUOTES = str.maketrans("‘’‚‛“”„‟«»‹›`´", "''''" + '""""""' + "''''")
_WORDS = re.compile(r"\w+")
_OPENING, _CLOSING = re.compile(r"(?<!\w)['\"](?=\w)"), re.compile(r"(?<=\w)['\"](?!\w)")
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "å": "a"})  # in addresses
_ADDRESS_WORDS = re.compile(r"[^\W_]+")


class Title(NamedTuple):
    """A headline, and the kicker that stood before it, if any."""

    headline: str
    kicker: str


def headline_of(statements: Sequence[str], sites: Sequence[str] = (), address: str = "") -> Title:
    """Headline and kicker of the first statement; both "" where there is none. `sites`: names of the site.

    What stands before a colon or dash is a kicker when another statement has the rest alone, or under another kicker.
    """
    bare = [text for statement in statements if (text := without_site(statement, statements, sites))]
    if not bare:
        return Title("", "")
    first = _first(bare, address)
    others = [other for other in bare if folded(other) != folded(first)]
    parts = _parts(first)
    if parts and folded(parts.headline) in {folded(_parted(other).headline) for other in others}:
        return parts
    kickers = [_parted(other).kicker for other in others if folded(_parted(other).headline) == folded(first)]
    return Title(first, next(filter(None, kickers), ""))


def _first(statements: Sequence[str], address: str) -> str:
    """The first statement; where no other agrees with it, the one that others agree on and the address spells out."""
    first = statements[0]
    said = Counter(map(folded, statements))
    if said[folded(first)] > 1 or _is_spelled_out(first, address):
        return first
    agreed = (
        statement for statement in statements if said[folded(statement)] > 1 and _is_spelled_out(statement, address)
    )
    return next(agreed, first)


def _is_spelled_out(text: str, address: str) -> bool:
    words = set(_spelled(text))
    return bool(words) and words <= set(_spelled(unquote(address)))


def _spelled(text: str) -> list[str]:
    """The words as addresses spell them, in ASCII where the script allows it."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_SPELLED))
    return _ADDRESS_WORDS.findall("".join(char for char in plain if not unicodedata.combining(char)))


def folded(text: str) -> str:
    """For comparison: one form of quotation marks, case and spaces; no ellipsis at the end."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold().split()).rstrip(".… ")


def without_site(text: str, statements: Sequence[str], sites: Sequence[str]) -> str:
    """The text without the parts at its end that name the site, or that another statement ends before."""
    known = {folded(site) for site in sites if site}
    others = {folded(statement) for statement in statements}
    cuts = [match.start() for match in _SITE.finditer(text)]
    for cut in cuts:
        if folded(text[:cut]) in others:
            return text[:cut]
    while cuts:
        cut = cuts.pop()
        last = folded(_SITE.sub("", text[cut:], count=1))
        if last not in known and not any(
            last in site or site in last for site in known if len(last) > 3 and len(site) > 3
        ):
            break
        text = text[:cut]
    return text


def _parted(text: str) -> Title:
    return _parts(text) or Title(text, "")


def _parts(text: str) -> Title | None:
    match = _LEAD.search(text)
    if match is None or len(text) - match.end() < SHORTEST_TAIL:
        return None
    lead = text[: match.start()]
    if _is_open(lead):
        return None
    return Title(text[match.end() :], lead) if len(_WORDS.findall(lead)) <= MOST_KICKER_WORDS else None


def _is_open(lead: str) -> bool:
    """Whether a quotation begins in it that ends later."""
    marks = lead.translate(_QUOTES)
    return len(_OPENING.findall(marks)) > len(_CLOSING.findall(marks))
