"""Serializes a list as JSON: its stories from ready-made teasers, its ID and ETag from its content."""

from __future__ import annotations

import hashlib
import secrets
from array import array
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from index.article import UNDATED
from index.snapshot.attributes import NO_ROW, Facts
from index.snapshot.reader import id_json
from service.archive.view import Archive
from service.recommend.explanation import explanation
from service.recommend.policy import Policy, Tier
from service.recommend.query import Query
from service.recommend.ranking import DAY, RankingContext, Story

_AGES = (
    (31_557_600, "1 year old", "years old"),  # 365.25 days
    (2_630_016, "1 month old", "months old"),  # 30.44 days
    (7 * DAY, "1 week old", "weeks old"),
    (DAY, "1 day old", "days old"),
    (3_600, "1 hour ago", "hours ago"),
    (60, "1 minute ago", "minutes ago"),
)

_UNRANKED = {
    "pinned": "Pinned here by an editor.",
    "same_section": "Fills the list: of the same section.",
    "recent": "Fills the list: among the newest.",
    "popular": "Fills the list: among the most clicked of the last seven days.",
}

_encode = msgspec.json.Encoder().encode


class RelatedList(msgspec.Struct, frozen=True):
    """The answer: JSON bytes and its ETag (None when the list is a reader's own).

    `dependency_rows` are the rows that it follows from, within a minute; None where it may follow from any row.
    `result`: whether all stories were ranked or pinned, or a fallback tier filled it, or it is empty.
    """

    body: bytes
    etag: str | None
    dependency_rows: array[int] | None = None
    policy: str = ""
    result: Literal["ranked", "filled", "empty"] = "ranked"
    degraded: tuple[str, ...] = ()


class ListMetadata(NamedTuple):
    """What names a list that is one reader's own."""

    list_id: str
    experiment: str | None = None
    variant: str | None = None
    token: str | None = None


class Shown(NamedTuple):
    """A row of the list and why it is there: a ranked story, pinned, or from a fallback tier.

    `cosines`: dense and lexical, of a ranked story that is to be explained. They are looked up while the story's own
    candidates are at hand: its `candidate_index` means nothing among others, and a list may mix several selections.
    """

    row: int
    source: Literal["similar", "pinned"] | Tier
    story: Story | None = None
    cosines: tuple[float, float] | None = None


class Selection(NamedTuple):
    """The stories of a list before they are JSON; `row` is `NO_ROW` for a list under no article.

    `dependency_rows` are the rows that it follows from, within a minute; None where it may follow from any row.
    """

    archive: Archive
    row: int
    source: Facts
    policy: Policy
    shown: Sequence[Shown]
    degraded: tuple[str, ...] = ()
    dependency_rows: array[int] | None = None

    @property
    def fallback_used(self) -> bool:
        """Whether a fallback tier gave any of the stories."""
        return any(shown.story is None and shown.source != "pinned" for shown in self.shown)

    def also_degraded(self, reasons: tuple[str, ...]) -> Selection:
        """The selection, degraded for these reasons too."""
        return self._replace(degraded=tuple(dict.fromkeys((*self.degraded, *reasons))))


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


def serialize(selection: Selection, query: Query, now: int, metadata: ListMetadata | None = None) -> RelatedList:
    """The selection as JSON, with the metadata of a list that is one reader's own."""
    items = [_item(selection, position, shown, query, now) for position, shown in enumerate(selection.shown, 1)]
    return build_response(selection, items, metadata)


def serialize_stories(
    archive: Archive, stories: Sequence[Story], context: RankingContext, query: Query
) -> RelatedList:
    """The list of ranked stories under what is no article, and which nobody may keep: a draft, several articles."""
    shown = [Shown(story.row, "similar", story) for story in stories]
    selection = Selection(archive, NO_ROW, context.source, context.policy, shown)
    return serialize(selection, query, context.now, ListMetadata(new_list_id()))


def new_list_id() -> str:
    """The ID of a list that nobody else gets."""
    return secrets.token_hex(12)


def build_response(selection: Selection, items: list[bytes], metadata: ListMetadata | None = None) -> RelatedList:
    """The list with its serialized stories; without metadata, its ID and ETag follow from its content.

    A list with metadata has no ETag: nobody may keep it.
    """
    archive, row, policy, degraded = selection.archive, selection.row, selection.policy, selection.degraded
    fallback_used = selection.fallback_used
    rest = b'"article_id":%s,"snapshot_id":"%s","policy":"%s","experiment":%s,"variant":%s,' % (
        b"null" if row == NO_ROW else id_json(archive.teaser(row)),
        archive.id.encode(),
        policy.name.encode(),
        _text(metadata and metadata.experiment),
        _text(metadata and metadata.variant),
    )
    rest += b'"fallback_used":%s,"degraded":%s,"items":[%s],"token":%s}' % (
        b"true" if fallback_used else b"false",
        _encode(degraded) if degraded else b"null",
        b",".join(items),
        _text(metadata and metadata.token),
    )
    if metadata is None:
        list_id = hashlib.sha256(rest).hexdigest()[:24]  # in hardware: half the time of blake2b
        etag = None if degraded else list_id
    else:
        list_id, etag = metadata.list_id, None
    body = b'{"list_id":"%s",%s' % (list_id.encode(), rest)
    result: Literal["ranked", "filled", "empty"] = "filled" if fallback_used else "ranked" if items else "empty"
    return RelatedList(body, etag, selection.dependency_rows, policy.name, result, degraded)


def _item(selection: Selection, position: int, shown: Shown, query: Query, now: int) -> bytes:
    """One story of a list as JSON."""
    score, relation = b"null", b"null"
    if shown.story is None:
        facts = selection.archive.fact(shown.row)
    else:
        facts = shown.story.facts
        score = b"%.4f" % shown.story.score
        relation = b'"same_event"' if facts.event == selection.source.event else b'"other_event"'
    return b'{"position":%d,"score":%s,"source":"%s","relation":%s,"teaser":%s%s}' % (
        position,
        score,
        shown.source.encode(),
        relation,
        _teaser(selection.archive, shown.row, facts.published_at, query.fields, now),
        _explained(selection, shown) if query.explain else b"",
    )


def _teaser(archive: Archive, row: int, published_at: int, fields: tuple[str, ...], now: int) -> bytes:
    """The ready teaser with its age; only the asked fields (and always the ID) where any are named."""
    whole = b'%s,"age_label":"%s"}' % (archive.teaser(row)[:-1], age_label(published_at, now).encode())
    if not fields:
        return whole
    teaser = msgspec.json.decode(whole)
    return _encode({name: value for name, value in teaser.items() if name in fields or name == "id"})


def _explained(selection: Selection, shown: Shown) -> bytes:
    if selection.row == NO_ROW:
        return b""
    if shown.story is None or shown.cosines is None:
        return b',"explain":{"reason":"%s"}' % _UNRANKED[shown.source].encode()
    told = explanation(selection.archive, selection.row, shown.story, *shown.cosines)
    return b',"explain":' + _encode(told)


def _text(text: str | None) -> bytes:
    return b"null" if text is None else _encode(text)
