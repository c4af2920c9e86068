"""Reads a mapping file: a TOML file that maps a newsroom's columns or fields to ours."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping as Dict
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from index.sources.fields import (
    FIELD_NAMES,
    NEVER_PUBLISHED,
    STATUS_NAMES,
    StatusBeside,
    bare_name,
    has_blank_publication_date,
    our_names,
    stated_embargo,
    stated_status,
)
from index.values.dates import UnreadableDate, date_seconds

DATES = ("published_at", "updated_at", "embargo_until")
_PLACE = re.compile(r"\{([^{}]+)\}")
LISTS = ("tags", "authors", "aliases")


class UnusableMapping(ValueError):
    """A mapping file that is no mapping; the message says what and where."""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the file. `columns`: ours = theirs, or a text with `{theirs}` in it; `constants`: ours = value.

    `date_format`: as of `strptime`, else dates are read as everywhere (`index.values.dates`); `time_zone`: of times
    without one, of two that a change of clocks makes alike the first; `separator`: between names in a list;
    `encoding`: of the text of a file without a byte order mark; `types`: what a WordPress calls its articles, beside
    posts. A file with nothing but `types` maps no record.
    """

    columns: dict[str, str] = {}
    constants: dict[str, Any] = {}
    date_format: str = ""
    time_zone: str = "UTC"
    separator: str = ""
    encoding: str = ""
    types: tuple[str, ...] = ()

    def record(self, raw: Dict[str, Any]) -> dict[str, Any]:
        """The raw record under our names; a column that it lacks is a field that it lacks.

        What says whether and from when readers may see a record counts also where the mapping does not name it. A
        constant status says that all are public.
        """
        fields = {ours: self._value(ours, theirs, raw) for ours, theirs in self.columns.items()}
        record = our_names({**fields, **self.constants})
        if "status" not in self.constants:
            record |= self._status(fields, raw)
        if "embargo_until" in {*self.columns, *self.constants}:
            return record
        embargo = self._moment(stated_embargo(raw))
        return record if embargo is None else {**record, "embargo_until": embargo}

    def _status(self, record: Dict[str, Any], raw: Dict[str, Any]) -> dict[str, Any]:
        """The status in the column that the mapping names, or else in one of a usual name; flags count beside it."""
        if "status" in record:
            unnamed = {name: value for name, value in raw.items() if bare_name(name) not in STATUS_NAMES}
            return stated_status({**unnamed, "status": record["status"]})
        status = stated_status(raw)
        return {"status": StatusBeside(NEVER_PUBLISHED)} if not status and has_blank_publication_date(raw) else status

    def _value(self, ours: str, theirs: str, raw: Dict[str, Any]) -> Any:
        if "{" in theirs:
            return _filled(theirs, raw)
        value = raw.get(theirs)
        if ours in DATES:
            return self._moment(value)
        if ours in LISTS and self.separator and isinstance(value, str):
            return [part.strip() for part in value.split(self.separator)]
        return value

    def _moment(self, value: Any) -> Any:
        """The time in its zone; what cannot be read becomes `UnreadableDate`, to be refused by name.

        A text is read by `date_format` alone where there is one.
        """
        zone = ZoneInfo(self.time_zone)
        if isinstance(value, str) and value.strip():
            try:
                if not self.date_format:
                    return date_seconds(value, zone)
                value = datetime.strptime(value.strip(), self.date_format)  # noqa: DTZ007 - the zone comes next
            except ValueError as error:
                fault = f"does not fit date_format {self.date_format!r}" if self.date_format else error
                return UnreadableDate(f"{value.strip()[:60]!r} {fault}")
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone comes next
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.replace(tzinfo=zone)
        return value


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML file. Raises `UnusableMapping`, OSError."""
    try:
        mapping = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Mapping)
        ZoneInfo(mapping.time_zone)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise UnusableMapping(f"{path}: {error}") from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UnusableMapping(f"{path}: time_zone: {error}") from error
    if mapping.encoding and not _is_encoding(mapping.encoding):
        raise UnusableMapping(f"{path}: encoding: {mapping.encoding!r} is unknown (such as windows-1252, utf-16)")
    if "%Z" in mapping.date_format:
        raise UnusableMapping(f"{path}: date_format: %Z would lose the zone; leave date_format out, or use %z")
    if not mapping.columns and not mapping.types:
        raise UnusableMapping(f"{path}: give columns, or types of a WordPress")
    if unknown := sorted({*mapping.columns, *mapping.constants} - set(FIELD_NAMES)):
        raise UnusableMapping(f"{path}: {unknown[0]!r} is none of our fields: {', '.join(FIELD_NAMES)}")
    return mapping


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:  # also for codecs that are not of text
        return False
    return True


def _filled(template: str, raw: Dict[str, Any]) -> str | None:
    """The text with its `{columns}` filled in; None when the record lacks one."""
    if any(raw.get(name) in (None, "") for name in _PLACE.findall(template)):
        return None
    return _PLACE.sub(lambda place: str(raw[place[1]]), template)
