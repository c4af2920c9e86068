"""Verifies signed webhooks: the signature, its window of time, and the events in a body.

*Source*: HMAC, RFC 2104, with SHA-256 over `timestamp.body`, as Stripe and GitHub sign theirs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import msgspec

from index.article import Article, InvalidArticle, article_from_record, article_id
from index.sources.html_text import without_html

TIMESTAMP = "X-Related-Timestamp"
SIGNATURE = "X-Related-Signature"
WINDOW_SECONDS = 300
MOST_EVENTS = 100
MOST_NOTE_CHARS = 500

_TIMESTAMP = re.compile("[0-9]{1,19}")
_SIGNATURE = re.compile("sha256=[0-9a-f]{64}")


class BadWebhook(ValueError):
    """A webhook that is not believed, or whose events cannot be read; `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Event(msgspec.Struct, frozen=True):
    """One thing that happened in the CMS: `article` was published or changed, or, where None, `id` was withdrawn."""

    id: str
    article: Article | None = None
    note: str = ""


class _Publish(msgspec.Struct, forbid_unknown_fields=True, tag_field="action", tag="publish"):
    article: dict[str, Any]


class _Withdraw(msgspec.Struct, forbid_unknown_fields=True, tag_field="action", tag="withdraw"):
    id: str | int
    note: str = ""


class _Events(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


_ONE = msgspec.json.Decoder(_Publish | _Withdraw)


def sign(secret: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The two headers of a webhook sent at `timestamp` (epoch seconds)."""
    return {TIMESTAMP: str(timestamp), SIGNATURE: f"sha256={_digest(secret, str(timestamp), body)}"}


def verify(secret: str, timestamp: str, signature: str, body: bytes, now: int) -> str:
    """The signature, by which a replay can be told, of what came with these two headers. Raises `BadWebhook`."""
    if not _TIMESTAMP.fullmatch(timestamp):
        raise BadWebhook("timestamp_missing", f"The header {TIMESTAMP} must hold epoch seconds")
    if not _SIGNATURE.fullmatch(signature):
        raise BadWebhook(
            "signature_missing", f"The header {SIGNATURE} must read: sha256= and 64 hex digits, lower case"
        )
    expected = f"sha256={_digest(secret, timestamp, body)}"
    if not hmac.compare_digest(expected, signature):
        raise BadWebhook("wrong_signature", f"{SIGNATURE} is not sha256=HMAC(secret, timestamp + '.' + body)")
    if abs(now - int(timestamp)) > WINDOW_SECONDS:
        raise BadWebhook("wrong_time", f"{TIMESTAMP} lies more than {WINDOW_SECONDS} s from this service's clock")
    return expected


def read_events(body: bytes) -> tuple[Event, ...]:
    """The events in `{"events": [...]}`, or the one that the body itself is. Raises `BadWebhook` `invalid_events`."""
    try:
        given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        raw = msgspec.json.decode(body, type=_Events).events if "events" in given else [msgspec.Raw(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadWebhook("invalid_events", f"The body holds no events: {error}") from None
    if not 0 < len(raw) <= MOST_EVENTS:
        raise BadWebhook("invalid_events", f"A webhook has 1 to {MOST_EVENTS} events, not {len(raw)}")
    return tuple(_event(at, each) for at, each in enumerate(raw))


def _event(at: int, raw: msgspec.Raw) -> Event:
    try:
        given = _ONE.decode(raw)
        return _withdrawn(given) if isinstance(given, _Withdraw) else _published(given.article)
    except InvalidArticle as error:
        raise BadWebhook("invalid_events", f"events[{at}].{error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what, _, field = str(error).partition(" - at `$")
        raise BadWebhook("invalid_events", f"events[{at}]{field.rstrip('`')}: {what}") from None


def _published(record: dict[str, Any]) -> Event:
    if unknown := sorted(set(record) - set(Article.__struct_fields__)):
        raise InvalidArticle(f"article.{unknown[0][:60]}", "is no field of an article")
    try:
        article = article_from_record(without_html(record)[0])
    except InvalidArticle as error:
        raise InvalidArticle(f"article.{error.field}", error.reason) from None
    return Event(article.id, article)


def _withdrawn(given: _Withdraw) -> Event:
    note = " ".join(given.note.replace("\0", " ").split())  # PostgreSQL stores no zero bytes
    if len(note) > MOST_NOTE_CHARS:
        raise InvalidArticle("note", f"is longer than {MOST_NOTE_CHARS} characters ({len(note)})")
    return Event(article_id(given.id), None, note)


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
