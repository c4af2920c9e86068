"""Defines `Article` and `Teaser` and validates them at the boundary; imports only `index.values`.

Everything behind this module may rely on: text is NFC without control characters, dates are UTC epoch seconds, IDs
and URLs are canonical.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

from index.values.dates import UnreadableDate, date_seconds
from index.values.languages import BY_NAME, CODES_OF_TWO, MISTAKEN, NO_LANGUAGE, REPLACED, TWO_LETTERS
from index.values.urls import absolute_url

Status = Literal["published", "withdrawn"]

UNDATED = -(2**62)  # stands for an unknown date in arrays of epoch seconds
MAX_ID_CHARS = 512
MAX_HEADLINE_CHARS = 1_000
MAX_STANDFIRST_CHARS = 5_000
MAX_BODY_CHARS = 2_000_000
MAX_LIST_ENTRIES = 200
EARLIEST = int(datetime(1600, 1, 1, tzinfo=UTC).timestamp())
LEAST_NUMBER = 80_000  # below it a number is a year or the day of a spreadsheet (46357 is in 2026)
LATEST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# U+0080 to U+009F are no text: a system that took Windows-1252 for ISO 8859-1 wrote them. U+0085 also ends lines.
_WINDOWS_SIGNS = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x85, 0x8D, 0x8F, 0x90, 0x9D)
}
_SURROGATE = re.compile("[\ud800-\udfff]")
# 202610, 20261024 and 202610241605 as numbers are moments of 1970 and, in milliseconds, 1976.
_CALENDAR = re.compile(r"(?:1[6-9]|2[01])\d\d(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:[0-2]\d[0-5]\d)?)?")
_LANGUAGE = re.compile("[a-z]{2,3}")
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)$")
# A fragment that leads to the comments of a page, or that only tells where its reader came from.
_MARK = re.compile(
    r"#(?:$|:~:text=|(?:utm_\w+|xtor|echobox|ref|intcid|at_\w+)="
    r"|(?:\w+[_-])?(?:comments?|comm?enti|commentaires?|comentarios?|kommentare?|reacties?|respond|reply|replies"
    r"|disqus|discussion)(?:[_-]?(?:\d+|area|form|section|list|thread|top))?$)",
    re.IGNORECASE,
)
_TRACKING = re.compile(r"^(utm_.*|fbclid|gclid|mc_cid|mc_eid|cmp|ito)$", re.IGNORECASE)


class InvalidArticle(ValueError):
    """A record that cannot become an article; the message names the field and says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Image(msgspec.Struct, frozen=True):
    """A picture; `url` is absolute http(s) or begins with a single slash."""

    url: str
    alt: str = ""


class Link(msgspec.Struct, frozen=True):
    """A link that an editor placed in the body."""

    url: str
    text: str = ""


class Teaser(msgspec.Struct, frozen=True):
    """What a reader sees of an article in a list. `published_at` is ISO 8601 UTC or None."""

    id: str
    url: str
    headline: str
    kicker: str
    standfirst: str
    section: str
    authors: tuple[str, ...]
    language: str
    type: str
    image: Image | None
    published_at: str | None


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted article. Times are UTC epoch seconds; None is unknown; empty text is ""."""

    id: str
    headline: str
    url: str = ""
    aliases: tuple[str, ...] = ()
    kicker: str = ""
    standfirst: str = ""
    body: str = ""
    links: tuple[Link, ...] = ()
    section: str = ""
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    language: str = ""
    type: str = "article"
    image: Image | None = None
    brand: str = ""
    published_at: int | None = None
    updated_at: int | None = None
    embargo_until: int | None = None
    status: Status = "published"
    evergreen: bool = False

    def teaser(self) -> Teaser:
        """The reader's view of this article."""
        return Teaser(
            id=self.id,
            url=self.url,
            headline=self.headline,
            kicker=self.kicker,
            standfirst=self.standfirst,
            section=self.section,
            authors=self.authors,
            language=self.language,
            type=self.type,
            image=self.image,
            published_at=iso_time(self.published_at),
        )

    @property
    def visible_from(self) -> int | None:
        """First second at which a reader may see it; None when undated and without an embargo."""
        known = [moment for moment in (self.published_at, self.embargo_until) if moment is not None]
        return max(known) if known else None


def article_from_record(record: Mapping[str, Any]) -> Article:
    """The article in a record that already uses our field names (see `index.sources.fields`).

    Raises `InvalidArticle` for a missing ID or headline, a wrong type, an impossible date.
    Unknown keys are ignored: foreign records carry many.
    """
    url = _without_marks(_url(record.get("url"), "url"))
    return Article(
        id=article_id(record.get("id")),
        headline=_required_line(record.get("headline"), "headline", MAX_HEADLINE_CHARS),
        url=url,
        aliases=tuple(dict.fromkeys(_lines(record.get("aliases"), "aliases"))),
        kicker=_line(record.get("kicker"), "kicker", MAX_HEADLINE_CHARS),
        standfirst=_line(record.get("standfirst"), "standfirst", MAX_STANDFIRST_CHARS),
        body=_text(record.get("body"), "body", MAX_BODY_CHARS),
        links=_links(record.get("links")),
        section=_line(record.get("section"), "section", 200),
        tags=_lines(record.get("tags"), "tags"),
        authors=_lines(record.get("authors"), "authors"),
        language=language_code(record.get("language")),
        type=_line(record.get("type"), "type", 50) or "article",
        image=_image(record.get("image"), url),
        brand=_line(record.get("brand"), "brand", 200),
        published_at=epoch_seconds(record.get("published_at"), "published_at"),
        updated_at=epoch_seconds(record.get("updated_at"), "updated_at"),
        embargo_until=epoch_seconds(record.get("embargo_until"), "embargo_until"),
        status=_status(record["status"]) if "status" in record else "published",
        evergreen=_flag(record.get("evergreen"), "evergreen"),
    )


def article_version(article: Article) -> str:
    """16 hex digits that change with any change of the article: its ETag, live or in a snapshot."""
    return hashlib.sha256(msgspec.json.encode(article)).hexdigest()[:16]


def article_id(value: object) -> str:
    """The canonical ID: NFC, trimmed, no control characters, at most 512 characters.

    Integers are accepted (many CMSs number their articles). Raises `InvalidArticle`.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        raise InvalidArticle("id", "is missing")
    if not isinstance(value, str):
        raise InvalidArticle("id", f"must be text or a whole number, not {_kind(value)}")
    if _CONTROL.search(value) or "\n" in value or "\t" in value or _has_surrogate(value):
        raise InvalidArticle("id", "contains a control character")
    text = unicodedata.normalize("NFC", value.strip())
    if not text:
        raise InvalidArticle("id", "is blank")
    if len(text) > MAX_ID_CHARS:
        raise InvalidArticle("id", f"is longer than {MAX_ID_CHARS} characters ({len(text)})")
    return text


def canonical_url(url: str) -> str:
    """One spelling a page: lower-case scheme and host, no default port, fragment or tracking parameters.

    An unparsable URL comes back unchanged.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        url.encode()
    except ValueError:  # UnicodeEncodeError, for half of a surrogate pair, among them
        return url
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if port and not (parts.scheme == "http" and port == 80) and not (parts.scheme == "https" and port == 443):
        host = f"{host}:{port}"
    query = urlencode([(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(k)])
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    if len(path) > 1:
        path = path.rstrip("/") or "/"
    return urlunsplit((parts.scheme.lower(), host, path or "/", query, ""))


def epoch_seconds(value: object, field: str) -> int | None:
    """UTC epoch seconds of a text (see `index.values.dates`), a date, or epoch seconds or milliseconds; None of
    nothing.

    A time without a zone is read as UTC; years outside 1600-2199 are refused, and so is what was refused before
    (`UnreadableDate` as a value). Raises `InvalidArticle`.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise InvalidArticle(field, "must be a date, not true or false")
    if isinstance(value, UnreadableDate):
        raise InvalidArticle(field, str(value))
    if isinstance(value, int | float):
        seconds = _seconds_of_number(value, field)
    elif isinstance(value, datetime | date):
        seconds = _seconds_of(value)
    elif isinstance(value, str):
        try:
            seconds = date_seconds(value)
        except UnreadableDate as error:
            raise InvalidArticle(field, f"{value.strip()[:60]!r} {error}") from None
    else:
        raise InvalidArticle(field, f"must be a date, not {_kind(value)}")
    if not EARLIEST <= seconds < LATEST:
        raise InvalidArticle(field, f"{value!r} lies outside the years 1600 to 2199")
    return seconds


def language_code(value: object) -> str:
    """The language without its region, of two letters if it has such a code: `en` of `EN_gb`, `eng`, `English (UK)`.

    "" where it is undetermined. Raises `InvalidArticle` for what is neither a code nor a language's name.
    """
    text = _line(value, "language", 100)
    name = _IN_BRACKETS.sub("", text).casefold()
    code = BY_NAME.get(name, name.replace("_", "-").split("-")[0])
    if not text or name in NO_LANGUAGE or code in NO_LANGUAGE:
        return ""
    if not _LANGUAGE.fullmatch(code):
        raise InvalidArticle("language", f"{text[:60]!r} is neither a code such as en or en-GB nor a language's name")
    code = REPLACED.get(code, TWO_LETTERS.get(code, code))
    if len(code) == 2 and code not in CODES_OF_TWO:
        hint = f" (did you mean {MISTAKEN[code]}?)" if code in MISTAKEN else ""
        raise InvalidArticle("language", f"{text[:60]!r} is no language code of ISO 639{hint}")
    return code


def iso_time(seconds: float | None) -> str | None:
    """`2022-01-11T00:00:00Z`, or None for None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds_of_number(value: float, field: str) -> int:
    """Epoch seconds of seconds or, as many systems write them, milliseconds. Raises `InvalidArticle`.

    Refused are numbers that may be something else: a year, a spreadsheet's day, 202610, 20261024 or 202610241605.
    """
    if not -1e18 < value < 1e18:  # also nan, infinities, and whole numbers too large for a float
        raise InvalidArticle(field, "is not a plausible number of seconds")
    if abs(value) < LEAST_NUMBER or _CALENDAR.fullmatch(f"{value:.0f}"):
        raise InvalidArticle(field, f"{value} may be a day or epoch seconds: write a day as text")
    return math.floor(value / 1000 if abs(value) > 2e10 else value)


def _seconds_of(value: datetime | date) -> int:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    try:
        return math.floor(value.timestamp())
    except (OverflowError, ValueError):
        return LATEST


def _has_surrogate(value: str) -> bool:
    return not value.isascii() and _SURROGATE.search(value) is not None


def _kind(value: object) -> str:
    names = {str: "text", int: "a number", float: "a number", bool: "true or false", dict: "an object"}
    return names.get(type(value), "a list" if isinstance(value, Sequence) else type(value).__name__)


def _text(value: object, field: str, most: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidArticle(field, f"must be text, not {_kind(value)}")
    if len(value) > most:
        raise InvalidArticle(field, f"is longer than {most:,} characters ({len(value):,})")
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    if _has_surrogate(value):
        raise InvalidArticle(field, "contains half of a surrogate pair")
    if not value.isascii():
        value = value.translate(_WINDOWS_SIGNS)
    return _CONTROL.sub(" ", unicodedata.normalize("NFC", value)).strip()


def _line(value: object, field: str, most: int) -> str:
    return " ".join(_text(value, field, most).split())


def _required_line(value: object, field: str, most: int) -> str:
    line = _line(value, field, most)
    if not line:
        raise InvalidArticle(field, "is missing" if value is None else "is blank")
    return line


def _lines(value: object, field: str) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence):
        raise InvalidArticle(field, f"must be a list of texts, not {_kind(value)}")
    if len(value) > MAX_LIST_ENTRIES:
        raise InvalidArticle(field, f"has more than {MAX_LIST_ENTRIES} entries")
    return tuple(line for entry in value if (line := _line(entry, field, 500)))


def _without_marks(url: str) -> str:
    """The URL without a fragment for comments or tracking; fragments that may name an article of its own stay."""
    return url[: mark.start()] if (mark := _MARK.search(url)) else url


def _url(value: object, field: str) -> str:
    text = _line(value, field, 2_000)
    if not text or (text.startswith("/") and not text.startswith("//")):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        raise InvalidArticle(field, "is not a URL") from None
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
        raise InvalidArticle(field, "must begin with http://, https:// or a single /")
    return text


def _image(value: object, base: str) -> Image | None:
    """The picture; an address relative to `base`, the article's own, becomes absolute, a rooted one stays."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = {"url": value}
    if not isinstance(value, Mapping):
        raise InvalidArticle("image", f"must be a URL or an object with url and alt, not {_kind(value)}")
    stated = _line(value.get("url"), "image.url", 2_000)
    rooted = stated.startswith("/") and not stated.startswith("//")
    absolute = stated.replace(" ", "%20") if rooted else absolute_url(stated, base) or stated
    url = _url(absolute, "image.url")
    return Image(url=url, alt=_line(value.get("alt"), "image.alt", 1_000)) if url else None


def _links(value: object) -> tuple[Link, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidArticle("links", f"must be a list, not {_kind(value)}")
    links = []
    for entry in value[:MAX_LIST_ENTRIES]:
        if isinstance(entry, str):
            entry = {"url": entry}
        if not isinstance(entry, Mapping):
            raise InvalidArticle("links", f"each must be an object with url and text, not {_kind(entry)}")
        url, text = _line(entry.get("url"), "links.url", 2_000), _line(entry.get("text"), "links.text", 500)
        links.append(Link(url=url, text=text))
    return tuple(link for link in links if link.url)


def _status(value: object) -> Status:
    if value == "published" or value == "withdrawn":
        return value
    if value is None or value == "":
        raise InvalidArticle("status", "is missing, so that nobody can tell whether readers may see it")
    raise InvalidArticle("status", f"must be published or withdrawn, not {str(value)[:40]!r}")


def _flag(value: object, field: str) -> bool:
    if value is None:
        return False
    if isinstance(value, bool):
        return value
    raise InvalidArticle(field, f"must be true or false, not {_kind(value)}")
