"""Owns how a list becomes JSON bytes: its stories from ready-made teasers, its ID and ETag from its content."""

from __future__ import annotations

import hashlib
import secrets
from array import array
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from index.article import UNDATED
from index.snapshot.attributes import Facts
from index.snapshot.reader import id_json
from service.archive.view import Archive
from service.recommend.policy import Policy, Tier
from service.recommend.query import Query
from service.recommend.ranking import DAY, Story

_AGES = (
    (31_557_600, "1 year old", "years old"),  # 365.25 days
    (2_630_016, "1 month old", "months old"),  # 30.44 days
    (7 * DAY, "1 week old", "weeks old"),
    (DAY, "1 day old", "days old"),
    (3_600, "1 hour ago", "hours ago"),
    (60, "1 minute ago", "minutes ago"),
)

_encode = msgspec.json.Encoder().encode


class RelatedList(msgspec.Struct, frozen=True):
    """The answer: JSON bytes and its ETag (None when the list is a reader's own).

    `made_of` are the rows that it follows from, within a minute; None where it may follow from any row. `result`:
    whether all stories were ranked or pinned, or a fallback tier filled it, or it is empty.
    """

    body: bytes
    etag: str | None
    made_of: array[int] | None = None
    policy: str = ""
    result: Literal["ranked", "filled", "empty"] = "ranked"
    degraded: tuple[str, ...] = ()


class Label(NamedTuple):
    """What names a list that is one reader's own."""

    list_id: str
    experiment: str | None = None
    variant: str | None = None
    token: str | None = None


class Shown(NamedTuple):
    """A row of the list and why it is there: a ranked story, pinned, or from a fallback tier.

    `cosines`: dense and lexical, of a ranked story that is to be explained. They are looked up while the story's own
    candidates are at hand: its `place` means nothing among others, and lists are mixed of several selections.
    """

    row: int
    source: Literal["similar", "pinned"] | Tier
    story: Story | None = None
    cosines: tuple[float, float] | None = None


def age_label(published_at: int, now: int) -> str:
    """How old a story is, as a reader would say it: "5 minutes ago" to "3 years old"; "" when undated."""
    if published_at == UNDATED:
        return ""
    seconds = now - published_at
    if seconds < 2 * 60:
        return "just now"
    for size, one, more in _AGES:
        if seconds >= size:
            count = seconds // size
            return one if count == 1 else f"{count} {more}"
    raise AssertionError("two minutes are more than the smallest age")


def aged_teaser(archive: Archive, row: int, now: int) -> dict[str, Any]:
    """A row's teaser with its `age_label`, for a page."""
    teaser: dict[str, Any] = msgspec.json.decode(archive.teaser(row))
    return {**teaser, "age_label": age_label(archive.fact(row).published_at, now)}


def item(
    archive: Archive, position: int, shown: Shown, source: Facts, query: Query, now: int, explained: bytes = b""
) -> bytes:
    """One story of a list as JSON."""
    score, relation = b"null", b"null"
    if shown.story is None:
        facts = archive.fact(shown.row)
    else:
        facts = shown.story.facts
        score = b"%.4f" % shown.story.score
        relation = b'"same_event"' if facts.event == source.event else b'"other_event"'
    return b'{"position":%d,"score":%s,"source":"%s","relation":%s,"teaser":%s%s}' % (
        position,
        score,
        shown.source.encode(),
        relation,
        _teaser(archive, shown.row, facts.published_at, query.fields, now),
        explained,
    )


def _teaser(archive: Archive, row: int, published_at: int, fields: tuple[str, ...], now: int) -> bytes:
    """The ready teaser with its age; only the asked fields (and always the ID) where any are named."""
    whole = b'%s,"age_label":"%s"}' % (archive.teaser(row)[:-1], age_label(published_at, now).encode())
    if not fields:
        return whole
    teaser = msgspec.json.decode(whole)
    return _encode({name: value for name, value in teaser.items() if name in fields or name == "id"})


def of_stories(
    archive: Archive, stories: Sequence[Story], source: Facts, policy: Policy, query: Query, now: int
) -> RelatedList:
    """The list of ranked stories under what is no article, and which nobody may keep: a draft, several articles."""
    shown = [Shown(story.row, "similar", story) for story in stories]
    items = [item(archive, place, each, source, query, now) for place, each in enumerate(shown, 1)]
    return sealed(archive, None, policy, items, False, (), Label(new_list_id()))


def new_list_id() -> str:
    """The ID of a list that nobody else gets."""
    return secrets.token_hex(12)


def sealed(
    archive: Archive,
    row: int | None,
    policy: Policy,
    items: list[bytes],
    fallback_used: bool,
    degraded: Sequence[str],
    label: Label | None = None,
    made_of: array[int] | None = None,
) -> RelatedList:
    """The list as JSON bytes; without a label, its ID and ETag follow from its content. `row` is None for no article.

    A labelled list has no ETag: nobody may keep it.
    """
    rest = b'"article_id":%s,"snapshot_id":"%s","policy":"%s","experiment":%s,"variant":%s,' % (
        b"null" if row is None else id_json(archive.teaser(row)),
        archive.id.encode(),
        policy.name.encode(),
        _text(label and label.experiment),
        _text(label and label.variant),
    )
    rest += b'"fallback_used":%s,"degraded":%s,"items":[%s],"token":%s}' % (
        b"true" if fallback_used else b"false",
        _encode(degraded) if degraded else b"null",
        b",".join(items),
        _text(label and label.token),
    )
    if label is None:
        list_id = hashlib.sha256(rest).hexdigest()[:24]  # in hardware: half the time of blake2b
        etag = None if degraded else list_id
    else:
        list_id, etag = label.list_id, None
    body = b'{"list_id":"%s",%s' % (list_id.encode(), rest)
    result: Literal["ranked", "filled", "empty"] = "filled" if fallback_used else "ranked" if items else "empty"
    return RelatedList(body, etag, made_of, policy.name, result, tuple(degraded))


def _text(text: str | None) -> bytes:
    return b"null" if text is None else _encode(text)
