"""Owns finding articles for an editor: by the words of their teasers, and by what they are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, AnyStr

import msgspec

from index.snapshot.attributes import FIRST_LIVE_ROW, FLAG_WITHDRAWN
from service.archive.view import Archive
from service.recommend.draft import related_to_draft
from service.recommend.policy import Policy
from service.recommend.query import Query
from service.recommend.response import aged_teaser
from service.search.client import Draft, SearchClient
from service.widget.stories import safe

LOOKED_THROUGH = 200_000  # newest articles whose teasers are looked through for words: a second, if none holds them
FOUND = 40


class _Words(msgspec.Struct):
    """What of a teaser words are looked for in."""

    headline: str
    kicker: str = ""
    standfirst: str = ""
    section: str = ""


_words = msgspec.json.Decoder(_Words).decode


def story(archive: Archive, row: int, now: int) -> dict[str, Any]:
    """A teaser for a page, with its age and where it stands."""
    facts, teaser = archive.fact(row), aged_teaser(archive, row, now)
    return {
        **teaser,
        "url": safe(teaser.get("url", "")),
        "live": archive.is_live(row),
        "withdrawn": bool(facts.flags & FLAG_WITHDRAWN),
        "embargoed": facts.visible_from > now and not facts.flags & FLAG_WITHDRAWN,
        "is_copy": facts.canonical != row,
    }


def newest(archive: Archive, now: int, section: str | None, skip: int, most: int = FOUND) -> list[dict[str, Any]]:
    """Visible articles, newest first, of a section or of all."""
    names = archive.names["section"]
    if section is not None and section not in names:
        return []
    code = None if section is None else names.index(section)
    rows = archive.newest_rows(LOOKED_THROUGH, code, dated=False)
    visible = (row for row in rows if archive.fact(row).visible_from <= now)
    return [story(archive, row, now) for row in islice(visible, skip, skip + most)]


def by_words(archive: Archive, text: str, now: int, most: int = FOUND) -> list[dict[str, Any]]:
    """The newest articles whose teaser holds every word of the text; first the one whose ID or URL it is."""
    found = _by_name(archive, text)
    wanted = text.casefold().split()
    for row in _with_words(archive, wanted) if wanted else ():
        if len(found) == most:
            break
        if row not in found:
            found.append(row)
    return [story(archive, row, now) for row in found]


def by_meaning(
    archive: Archive, text: str, policy: Policy, now: int, search: SearchClient, known: Sequence[str]
) -> list[dict[str, Any]]:
    """What the archive holds on a subject beside what is `known` (IDs). Raises `SearchUnavailable`."""
    if not text.strip():
        return []
    query = Query(limit=12, exclude=tuple(known))
    found = related_to_draft(archive, Draft(headline=text[:300]), query, policy, now, search)
    return [each["teaser"] for each in msgspec.json.decode(found.body)["items"]]


def _by_name(archive: Archive, text: str) -> list[int]:
    row = archive.row_of_id(text.strip())
    row = archive.row_of_url(text.strip()) if row is None else row
    return [] if row is None or archive.fact(row).flags & FLAG_WITHDRAWN else [row]


def _with_words(archive: Archive, wanted: Sequence[str]) -> Iterator[int]:
    escaped = '"', "\\", "ss"  # in JSON, and ß
    plain = [word.encode() for word in wanted if word.isascii() and not any(each in word for each in escaped)]
    for row in archive.newest_rows(LOOKED_THROUGH, dated=False):
        if row >= FIRST_LIVE_ROW and archive.own_id(row) is None:  # only its withdrawal is known
            continue
        raw = archive.teaser(row)
        if plain and not _all_in(plain, raw.lower()):  # what most teasers fail, before they are read
            continue
        if archive.fact(row).flags & FLAG_WITHDRAWN:
            continue
        words = _words(raw)
        if _all_in(wanted, f"{words.headline} {words.kicker} {words.standfirst} {words.section}".casefold()):
            yield row


def _all_in(words: Sequence[AnyStr], text: AnyStr) -> bool:
    return all(word in text for word in words)
