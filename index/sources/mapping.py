"""Owns a newsroom's own names: a TOML file that says which column or field of theirs is which of ours."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping as Dict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from index.sources.fields import FIELD_NAMES, our_names, stated_status

DATES = ("published_at", "updated_at", "embargo_until")
_PLACE = re.compile(r"\{([^{}]+)\}")
LISTS = ("tags", "authors", "aliases")


class UnusableMapping(ValueError):
    """A mapping file that is no mapping; the message says what and where."""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the file. `columns`: ours = theirs, or a text with `{theirs}` in it; `constants`: ours = value.

    `date_format`: as of `strptime`; `time_zone`: of times without one; `separator`: between names in a list.
    `types`: what a WordPress calls its articles, beside posts; a file with nothing else maps no record.
    """

    columns: dict[str, str] = {}
    constants: dict[str, Any] = {}
    date_format: str = ""
    time_zone: str = "UTC"
    separator: str = ""
    types: tuple[str, ...] = ()

    def record(self, raw: Dict[str, Any]) -> dict[str, Any]:
        """The raw record under our names; a column that it lacks is a field that it lacks.

        A status counts also where the mapping does not name it.
        """
        found = {ours: self._value(ours, theirs, raw) for ours, theirs in self.columns.items()}
        return our_names({**stated_status(raw), **found, **self.constants})

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
        """A text that does not fit the format stays, to be refused by name."""
        if isinstance(value, str) and self.date_format:
            try:
                value = datetime.strptime(value.strip(), self.date_format)  # noqa: DTZ007 - the zone comes next
            except ValueError:
                return value
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.replace(tzinfo=ZoneInfo(self.time_zone))
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
    if not mapping.columns and not mapping.types:
        raise UnusableMapping(f"{path}: give columns, or types of a WordPress")
    if unknown := sorted({*mapping.columns, *mapping.constants} - set(FIELD_NAMES)):
        raise UnusableMapping(f"{path}: {unknown[0]!r} is none of our fields: {', '.join(FIELD_NAMES)}")
    return mapping


def _filled(template: str, raw: Dict[str, Any]) -> str | None:
    """The text with its `{columns}` filled in; None when the record lacks one."""
    if any(raw.get(name) in (None, "") for name in _PLACE.findall(template)):
        return None
    return _PLACE.sub(lambda place: str(raw[place[1]]), template)
