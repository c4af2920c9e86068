"""Owns the query parameters: declared once as data, for validation and for the OpenAPI document."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args
from urllib.parse import unquote_to_bytes

import msgspec
from werkzeug.datastructures import MultiDict

from index.article import InvalidArticle, article_id, epoch_seconds, iso_time, language_code
from service.http.problems import ProblemFound
from service.recommend.policy import Policies, Tier
from service.recommend.query import DEFAULT_BLOCK

Kind = Literal["integer", "number", "boolean", "text", "id", "url", "moment", "choice", "language", "name"]
MAX_TEXT = 512
_NAME = re.compile(r"[a-z0-9_-]{1,40}")
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}([-_][a-zA-Z0-9]{1,8})*")
_UNESCAPED_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")  # of a time zone: in a query a + is a space
TEASER_FIELDS = (
    "id", "url", "headline", "kicker", "standfirst", "section", "authors", "language", "type", "image",
    "published_at", "age_label",
)  # fmt: skip


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter. `low` and `high` bound numbers; a repeatable one gives a tuple."""

    name: str
    kind: Kind
    description: str
    default: Any = None
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    most: int = 200
    required: bool = False


ID = Parameter(name="id", kind="id", description="The article's ID.")
REQUIRED_ID = msgspec.structs.replace(ID, required=True)
URL = Parameter(name="url", kind="url", description="The article's canonical URL or a declared alias.")
KEEP_WITHDRAWN = Parameter(
    name="keep_withdrawn",
    kind="boolean",
    default=False,
    description="Refuse (409 `withdrawn`) a version that is not newer than the withdrawal of its article.",
)
NOTE = Parameter(name="note", kind="text", description="Why, for the record.")
_LIMIT = Parameter(
    name="limit", kind="integer", default=6, low=1, high=50, description="Most stories in the list, 1 to 50."
)
_NARROWING = (
    Parameter(
        name="min_relevance",
        kind="number",
        low=0,
        high=1,
        description="Least probability that an editor would link the two; the policy's own when left out.",
    ),
    Parameter(
        name="exclude",
        kind="id",
        repeatable=True,
        description="IDs that must not appear, such as what the reader has read; repeat for several.",
    ),
    Parameter(name="section", kind="text", description="Only stories of this section."),
    Parameter(
        name="language",
        kind="language",
        description="Only stories in this language, a code such as en (a region does not count); the article's own "
        "language when left out.",
    ),
    Parameter(name="type", kind="text", description="Only stories of this type."),
    Parameter(name="published_after", kind="moment", description="Only stories published then or later (ISO 8601)."),
    Parameter(name="published_before", kind="moment", description="Only stories published before (ISO 8601)."),
    Parameter(
        name="fallback",
        kind="choice",
        choices=("none", *get_args(Tier)),
        description="What fills a short list; the policy's own tiers when left out.",
    ),
    Parameter(
        name="unit",
        kind="text",
        description="The reader's pseudonymous ID, with the reader's consent: the list is this reader's own, takes "
        "part in experiments unless a policy is named, and is written down. Nobody else gets it.",
    ),
    Parameter(
        name="block",
        kind="name",
        default=DEFAULT_BLOCK,
        description="Where on the page a reader's own list stands: experiments and figures are by block.",
    ),
    Parameter(name="explain", kind="boolean", default=False, description="Add to each story why it is there."),
    Parameter(
        name="fields",
        kind="choice",
        choices=TEASER_FIELDS,
        repeatable=True,
        most=len(TEASER_FIELDS),
        description="Only these teaser fields (and the ID); repeat or separate with commas.",
    ),
)


def policy_parameter(policies: Policies) -> Parameter:
    """The choice among the policies of this installation."""
    return Parameter(
        name="policy",
        kind="choice",
        choices=tuple(policies.by_name),
        default=policies.default,
        description="How the list is made: see /v1/policies.",
    )


def list_parameters(policies: Policies) -> tuple[Parameter, ...]:
    """What a caller may ask of a list."""
    return (_LIMIT, policy_parameter(policies), *_NARROWING)


def draft_parameters(policies: Policies) -> tuple[Parameter, ...]:
    """What a caller may ask of the list under a draft, which has no fallback, reader or explanation."""
    return tuple(
        each for each in list_parameters(policies) if each.name not in ("fallback", "unit", "block", "explain")
    )


def read_parameters(declared: Sequence[Parameter], given: MultiDict[str, str]) -> dict[str, Any]:
    """Values by name, defaults filled in. Raises `ProblemFound` 400 with the code `invalid_<name>`."""
    if not given:
        return {each.name: () if each.repeatable else each.default for each in declared}
    known = {each.name for each in declared}
    for name in given:
        if name not in known:
            allowed = ", ".join(each.name for each in declared) or "none"
            raise ProblemFound(400, "unknown_parameter", f"{name[:60]!r} is not a parameter here; known: {allowed}.")
    values = {each.name: _read(each, given) for each in declared}
    _check_period(values)
    return values


def checked_id(text: str) -> str:
    """An article ID in canonical form. Raises `ProblemFound` 400 `invalid_id`."""
    if "\ufffd" in text:
        raise ProblemFound(400, "invalid_id", "The ID is no UTF-8.")
    try:
        return article_id(text)
    except InvalidArticle as error:
        raise ProblemFound(400, "invalid_id", f"The ID {error.reason}.") from None


def split_id(query: str) -> tuple[str, str] | None:
    """The article ID of a query string as WSGI gives it, and the string without that part.

    None where it has no `id`, more than one, a `url`, or an `id` that is no UTF-8. Raises `ProblemFound` 400
    `invalid_id`.
    """
    parts = query.split("&")
    named = [part for part in parts if part.startswith("id=")]
    if len(named) != 1 or any(part.startswith("url=") for part in parts):
        return None
    try:
        name = unquote_to_bytes(named[0][3:].replace("+", " ").encode("latin-1")).decode()
    except UnicodeDecodeError:
        return None
    return checked_id(name), "&".join(part for part in parts if part is not named[0])


def schema(parameter: Parameter) -> Mapping[str, Any]:
    """The JSON Schema of a parameter's value."""
    kinds: dict[Kind, dict[str, Any]] = {
        "integer": {"type": "integer"},
        "number": {"type": "number"},
        "boolean": {"type": "boolean"},
        "moment": {"type": "string", "format": "date-time"},
        "choice": {"type": "string", "enum": list(parameter.choices)},
        "id": {"type": "string", "minLength": 1},  # at most 512 characters, once it is trimmed
        "url": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "name": {"type": "string", "pattern": f"^{_NAME.pattern}$"},
        "language": {"type": "string", "pattern": f"^{_LANGUAGE.pattern}$", "maxLength": 35},
    }
    found = dict(kinds[parameter.kind])
    if math.isfinite(parameter.low):
        found |= {"minimum": parameter.low, "maximum": parameter.high}
    if parameter.repeatable:
        return {"type": "array", "items": found, "maxItems": parameter.most}
    if parameter.default is not None:
        found["default"] = parameter.default
    return found


def _read(parameter: Parameter, given: MultiDict[str, str]) -> Any:
    texts = given.getlist(parameter.name)
    if parameter.kind == "choice" and parameter.repeatable:
        texts = [part for text in texts for part in text.split(",")]
    if parameter.repeatable:
        if len(texts) > parameter.most:
            raise _invalid(parameter, f"may be given at most {parameter.most} times")
        return tuple(_value(parameter, text) for text in texts)
    if not texts:
        return parameter.default
    if len(texts) > 1:
        raise _invalid(parameter, "may be given only once")
    return _value(parameter, texts[0])


def _check_period(values: Mapping[str, Any]) -> None:
    after, before = values.get("published_after"), values.get("published_before")
    if after is not None and before is not None and after > before:
        detail = f"published_after, {iso_time(after)}, lies after published_before, {iso_time(before)}: no story can."
        raise ProblemFound(400, "invalid_published_after", detail)


def _value(parameter: Parameter, text: str) -> Any:
    match parameter.kind:
        case "integer" | "number":
            return _number(parameter, text)
        case "boolean":
            if text not in ("true", "false", "1", "0"):
                raise _invalid(parameter, "must be true or false")
            return text in ("true", "1")
        case "choice":
            if text not in parameter.choices:
                raise _invalid(parameter, f"must be one of {', '.join(parameter.choices)}, not {text[:60]!r}")
            return text
        case "name":
            if not _NAME.fullmatch(text):
                raise _invalid(parameter, f"must be 1 to 40 of a-z, 0-9, - and _, not {text[:60]!r}")
            return text
        case "language":
            if not _LANGUAGE.fullmatch(text) or len(text) > 35:
                raise _invalid(parameter, f"must be a language code such as en or en-GB, not {text[:60]!r}")
            try:
                return language_code(text)
            except InvalidArticle as error:
                raise _invalid(parameter, error.reason) from None
        case "moment":
            if not text:
                raise _invalid(parameter, "must not be empty")
            try:
                return epoch_seconds(_UNESCAPED_PLUS.sub(r"\1+\2", text), parameter.name)
            except InvalidArticle as error:
                raise _invalid(parameter, error.reason) from None
        case "id":
            return checked_id(text) if parameter.name == "id" else _id(parameter, text)
    if not text or len(text) > (2_000 if parameter.kind == "url" else MAX_TEXT):
        raise _invalid(parameter, "must have 1 to 2,000 characters" if text else "must not be empty")
    return text


def _id(parameter: Parameter, text: str) -> str:
    try:
        return article_id(text)
    except InvalidArticle as error:
        raise _invalid(parameter, f"holds an ID that {error.reason}") from None


def _number(parameter: Parameter, text: str) -> float | int:
    if not text.isascii() or len(text) > 30 or text != text.strip() or "_" in text:
        raise _invalid(parameter, "must be a number")
    try:
        value = int(text) if parameter.kind == "integer" else float(text)
    except ValueError:
        raise _invalid(
            parameter, f"must be a {'whole number' if parameter.kind == 'integer' else 'number'}"
        ) from None
    if not parameter.low <= value <= parameter.high:
        raise _invalid(parameter, f"must lie between {parameter.low:g} and {parameter.high:g}")
    return value


def _invalid(parameter: Parameter, reason: str) -> ProblemFound:
    return ProblemFound(400, f"invalid_{parameter.name}", f"The parameter {parameter.name} {reason}.")
