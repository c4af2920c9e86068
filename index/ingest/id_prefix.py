"""A prefix for the IDs of one source, so that they differ from another's that numbers its posts alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from index.article import MAX_ID_CHARS, Article, InvalidArticle, article_id
from index.ingest.addresses import is_address
from index.sources import Rejection, Withdrawal


def with_prefix(records: Iterable[Article | Rejection], prefix: str) -> Iterator[Article | Rejection]:
    """The records with `prefix` before their IDs and before the former IDs among their aliases; addresses stay."""
    return (_prefixed(record, prefix) for record in records) if prefix else iter(records)


def usable_prefix(text: str) -> str:
    """The prefix itself. Raises `InvalidArticle` for one that no ID can begin with."""
    if text and (article_id(text) != text or len(text) >= MAX_ID_CHARS):
        raise InvalidArticle("id", f"cannot begin with {text[:60]!r}")
    return text


def _prefixed(record: Article | Rejection, prefix: str) -> Article | Rejection:
    if not isinstance(record, Article | Withdrawal):
        return record
    try:
        identifier = article_id(prefix + record.id)
        if isinstance(record, Withdrawal):
            return msgspec.structs.replace(record, id=identifier)
        aliases = tuple(alias if is_address(alias) else article_id(prefix + alias) for alias in record.aliases)
    except InvalidArticle as error:
        return Rejection(record.id, 0, str(error))
    return msgspec.structs.replace(record, id=identifier, aliases=aliases)
