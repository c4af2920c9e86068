"""Owns what the live store gives and takes: articles' states, signals, comparisons. Knows no database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import msgspec

from index.article import Article, InvalidArticle, article_id, article_version, epoch_seconds

State = Literal["published", "withdrawn", "erased"]
SignalKind = Literal["pin", "boost", "bury", "exclude"]

MAX_SIGNALS = 100
MAX_NOTE_CHARS = 500
POSITIONS = (1, 50)
ABSENT = ""  # for `expected`, in place of a version: that there is none yet
MULTIPLIERS = {"boost": (1.0, 10.0), "bury": (0.0, 0.9)}


class InvalidSignals(ValueError):
    """A set of signals that cannot be used; one sentence that names the entry and says why."""


class Summary(msgspec.Struct, frozen=True):
    """What a web worker holds of a live article. `teaser`: the ready-made JSON, beginning with its id."""

    teaser: msgspec.Raw
    url: str
    aliases: tuple[str, ...]
    section: str
    language: str
    type: str
    brand: str
    published_at: int | None
    visible_from: int | None
    evergreen: bool
    version: str


class LiveArticle(msgspec.Struct, frozen=True):
    """The last state of one article. `number` is the sequence of its first change, `sequence` that of its last.

    An erased one has id "" and number 0 and is named by `id_digest` (`index.snapshot.key_table.id_digest`, in hex),
    which is "" for others. `summary` is None for it, and for a withdrawn one whose text the store never had.
    """

    id: str
    number: int
    sequence: int
    state: State
    changed_at: int
    summary: Summary | None
    id_digest: str = ""


class Signal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One wish of an editor, for the list of one article (`target` given) or about the article in all lists.

    `position` 1-50 for a pin; `multiplier` 1-10 for a boost, 0-0.9 for a bury. It holds from `valid_from` until
    before `valid_until`, epoch seconds; None is open.
    """

    kind: SignalKind
    target: str | None = None
    position: int | None = None
    multiplier: float | None = None
    valid_from: int | None = None
    valid_until: int | None = None
    note: str = ""


class SignalSet(msgspec.Struct, frozen=True):
    """All signals of one article. `version`: 16 hex digits, the ETag of the set."""

    article_id: str
    sequence: int
    signals: tuple[Signal, ...]
    version: str


class Compared(msgspec.Struct, frozen=True):
    """The comparison of one live article, as of its change `article_sequence`, against one snapshot.

    `content`: `index.live.comparison.Comparison.to_bytes`.
    """

    article_id: str
    number: int
    sequence: int
    article_sequence: int
    snapshot_id: str
    content: bytes


class Changes(msgspec.Struct, frozen=True):
    """What changed, up to and with `sequence`; each tuple by rising sequence."""

    installation: str
    sequence: int
    articles: tuple[LiveArticle, ...] = ()
    signals: tuple[SignalSet, ...] = ()
    comparisons: tuple[Compared, ...] = ()


class Written(msgspec.Struct, frozen=True):
    """What a write did. `sequence` and `version` are those of the row as it now is.

    created: neither the live store nor the snapshot had it. changed: something was written.
    known: the live store or the snapshot has, or had, the article's text.
    """

    sequence: int
    version: str | None
    created: bool
    changed: bool
    known: bool


class SignalChange(msgspec.Struct, frozen=True):
    """What one change did to an article's signals; one that was altered is in both."""

    added: tuple[Signal, ...]
    removed: tuple[Signal, ...]


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what, when (epoch seconds). `version`: of the article; `change`: of its signals."""

    at: int
    by: str
    action: str
    article_id: str
    note: str
    version: str = ""
    change: SignalChange | None = None


def signals_version(content: bytes) -> str:
    """The ETag of a set of signals, from its JSON."""
    return hashlib.sha256(content).hexdigest()[:16]


NO_SIGNALS_VERSION = signals_version(b"[]")


def summary_of(article: Article) -> Summary:
    """What web workers are to hold of an article."""
    return Summary(
        teaser=msgspec.Raw(msgspec.json.encode(article.teaser())),
        url=article.url,
        aliases=article.aliases,
        section=article.section,
        language=article.language,
        type=article.type,
        brand=article.brand,
        published_at=article.published_at,
        visible_from=article.visible_from,
        evergreen=article.evergreen,
        version=article_version(article),
    )


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    signals: list[msgspec.Raw]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A signal as it is sent: numbers as IDs and any spelling of a time."""

    kind: SignalKind
    target: str | int | None = None
    position: int | None = None
    multiplier: float | None = None
    valid_from: str | int | float | None = None
    valid_until: str | int | float | None = None
    note: str = ""


def read_signals(raw: bytes) -> tuple[Signal, ...]:
    """The signals in JSON `{"signals": [...]}`, checked; times ISO 8601 or epoch seconds. Raises `InvalidSignals`."""
    try:
        entries = msgspec.json.decode(raw, type=_Document).signals
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSignals(f'the body must be {{"signals": [...]}}: {error}') from None
    if len(entries) > MAX_SIGNALS:
        raise InvalidSignals(f"an article can have at most {MAX_SIGNALS} signals, not {len(entries)}")
    return tuple(_signal(f"signals[{at}]", entry) for at, entry in enumerate(entries))


def _signal(name: str, raw: msgspec.Raw) -> Signal:
    try:
        given = msgspec.json.decode(raw, type=_Entry)
        signal = Signal(
            kind=given.kind,
            target=None if given.target is None else article_id(given.target),
            position=given.position,
            multiplier=given.multiplier,
            valid_from=epoch_seconds(given.valid_from, "valid_from"),
            valid_until=epoch_seconds(given.valid_until, "valid_until"),
            note=given.note.strip(),
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSignals(f"{name}: {error}") from None
    except InvalidArticle as error:
        field = "target" if error.field == "id" else error.field
        raise InvalidSignals(f"{name}.{field}: {error.reason}") from None
    for fault in _faults(signal):
        raise InvalidSignals(f"{name}.{fault}")
    return signal


def _faults(signal: Signal) -> Iterator[str]:
    """What is wrong with a signal, as "field: why"."""
    if signal.kind == "pin":
        low, high = POSITIONS
        if signal.position is None or not low <= signal.position <= high:
            yield f"position: a pin needs one from {low} to {high}"
        if signal.target is None:
            yield "target: a pin needs the ID of the article to pin"
    elif signal.position is not None:
        yield "position: only a pin has one"
    allowed = MULTIPLIERS.get(signal.kind)
    if allowed is None:
        if signal.multiplier is not None:
            yield "multiplier: only boost and bury have one"
    elif signal.multiplier is None or not allowed[0] <= signal.multiplier <= allowed[1]:
        yield f"multiplier: a {signal.kind} needs one from {allowed[0]:g} to {allowed[1]:g}"
    if signal.valid_from is not None and signal.valid_until is not None and signal.valid_until <= signal.valid_from:
        yield "valid_until: must lie after valid_from"
    if len(signal.note) > MAX_NOTE_CHARS:
        yield f"note: is longer than {MAX_NOTE_CHARS} characters ({len(signal.note)})"
