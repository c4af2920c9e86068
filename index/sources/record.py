"""From decoded records to articles: whose names they use, whether readers may see them, plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Dict
from typing import Any, NamedTuple

from index.article import Article, InvalidArticle, article_from_record, article_id, epoch_seconds
from index.sources import Input, Rejection, Tally, Unpublished, Withdrawal
from index.sources.fields import OTHER, UNPUBLISHED, StatusBeside, UnreadableStatus, record_names
from index.sources.html_text import without_html
from index.sources.mapping import Mapping
from index.sources.ninjs import is_ninjs, ninjs_record
from index.sources.opening import TORN, PackedTooTightly
from index.sources.wordpress import ARTICLE_TYPES, foreign_type, is_post, post_record

LOOKAHEAD_BYTES = 1 << 20  # of a file, held until a record in them states a status
PUBLISHED, WITHDRAWN = "published", "withdrawn"

Record = Dict[str, Any]


class Decoded(NamedTuple):
    """A record under our names or why it is none, its number in the file, and how many bytes it had there."""

    number: int
    record: Record | Rejection
    size: int = 0


def our_record(raw: Record, mapping: Mapping | None) -> Record:
    """The record under our names: by the mapping, as a WordPress post, as ninjs, or by the table of known names."""
    if is_post(raw) and (mapping is None or not mapping.columns):
        return post_record(raw, article_types(mapping))
    if kind := foreign_type(raw, article_types(mapping)):
        record = record_names(raw) if mapping is None or not mapping.columns else mapping.record(raw)
        return {**record, "status": OTHER, "left_out": kind}
    if mapping is not None and mapping.columns:
        return mapping.record(raw)
    return ninjs_record(raw) if is_ninjs(raw) else record_names(raw)


def article_types(mapping: Mapping | None) -> frozenset[str]:
    """What a WordPress calls its articles."""
    return ARTICLE_TYPES.union(mapping.types if mapping is not None else ())


def read_records(decoded: Iterable[Decoded], source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """The articles of records that need not state a status: one without is published.

    Unless others in the file state that they are published, drafts or the like: an exporter that writes this of each
    record has lost it in one without. Known from the first mebibyte, and from the first that states it onwards.
    """
    held: list[Decoded] = []
    size, stated = 0, False
    try:
        for item in decoded:
            held.append(item)
            size += item.size
            stated = stated or _states_a_status(item.record)
            if stated or size > LOOKAHEAD_BYTES:
                yield from _read(held, source, tally, stated)
                held.clear()
    except (PackedTooTightly, *TORN):
        yield from _read(held, source, tally, stated)
        raise
    yield from _read(held, source, tally, stated)


def _read(decoded: Sequence[Decoded], source: Input, tally: Tally, stated: bool) -> Iterator[Article | Rejection]:
    for number, record, _ in decoded:
        if isinstance(record, Rejection):
            yield record
        elif article := read_record(with_a_status(record) if stated else record, source, number, tally):
            yield article


def _states_a_status(record: Record | Rejection) -> bool:
    status = record.get("status") if isinstance(record, Dict) else None
    if isinstance(status, UnreadableStatus):
        return True
    if not isinstance(status, str) or isinstance(status, StatusBeside):
        return False
    return status == PUBLISHED or status in UNPUBLISHED


def with_a_status(record: Record) -> Record:
    """The record of a file whose records all have a status: missing where it states none."""
    return record if "status" in record else {**record, "status": None}


def read_record(record: Record, source: Input, number: int, tally: Tally) -> Article | Rejection | None:
    """The article under our names; None for a record that is no article or unpublished, and has no ID."""
    status = record.get("status")
    if isinstance(status, UnreadableStatus):
        return Rejection(source.where, number, str(status))
    if isinstance(status, str) and (status == OTHER or status in UNPUBLISHED):
        tally.leave_out(record.get("left_out", "") if status == OTHER else None)
        return _unpublished(record, Rejection(source.where, number, f"status: is {status}"))
    try:
        return _article(record, source.where, number, tally)
    except InvalidArticle as error:
        return Rejection(source.where, number, str(error))


def _unpublished(record: Record, rejection: Rejection) -> Unpublished | None:
    """That the article of the record's ID is not public; None without an ID."""
    try:
        known_as = article_id(record.get("id"))
    except InvalidArticle:
        return None
    try:
        updated_at = epoch_seconds(record.get("updated_at"), "updated_at")
    except InvalidArticle:
        updated_at = None  # it then counts as newer than what is known
    return Unpublished(
        rejection.where, rejection.line, rejection.reason, known_as, record["status"], updated_at, **_site(record)
    )


def _article(record: Dict[str, Any], where: str, number: int, tally: Tally) -> Article | Withdrawal:
    """The article; a withdrawal needs no more than an ID. Raises `InvalidArticle`."""
    text, held_html = without_html(record)
    try:
        article = article_from_record(text)
    except InvalidArticle as error:
        if record.get("status") != WITHDRAWN:
            raise
        return Withdrawal(where, number, str(error), article_id(record.get("id")), **_site(record))
    tally.html += held_html
    return article


def _site(record: Dict[str, Any]) -> dict[str, str]:
    """The URL and the brand that a record names, as far as they are texts."""
    return {name: record[name].strip() for name in ("url", "brand") if isinstance(record.get(name), str)}
