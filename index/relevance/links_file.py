"""Reads the links file: which articles an editor linked, and which lines could not be used."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

SHOWN = 5  # lines named of each kind of problem

Truth = dict[int, dict[int, float]]  # source row -> linked row -> gain


class UnusableLinks(Exception):
    """A links file that nothing can be measured with; the message says why."""


class Problem(msgspec.Struct, frozen=True):
    """Lines that were left out for one reason; the first few by number (the header is line 1) and content."""

    reason: str
    lines: int
    examples: tuple[tuple[int, str], ...]


class Links(msgspec.Struct, frozen=True):
    """What a links file gave: `rows` read without the header, `used` of them, the rest in `problems`."""

    truth: Truth
    rows: int
    used: int
    problems: tuple[Problem, ...]


def read_links(path: Path, row_of_id: Callable[[str], int | None]) -> Links:
    """The links of a tab-separated file with columns `article_id`, `related_id` and, if any, `grade`.

    A grade is a gain above 0; without one it is 1. Raises `UnusableLinks` for a missing column, no usable
    link, or a file that cannot be read.
    """
    truth: Truth = {}
    unusable: dict[str, list[tuple[int, str]]] = {}
    rows = used = 0
    for line, record in _records(path):
        rows += 1
        reason = _add(truth, record, row_of_id)
        used += reason is None
        if reason is not None:
            unusable.setdefault(reason, []).append((line, " → ".join(filter(None, record.values()))))
    if not used:
        raise UnusableLinks(f"{path.name} holds no usable link ({_summary(unusable) or 'it has no rows'})")
    problems = (Problem(reason, len(lines), tuple(lines[:SHOWN])) for reason, lines in unusable.items())
    return Links(truth, rows, used, tuple(problems))


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and the three columns of each row, "" for a cell that the row lacks."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
            names = reader.fieldnames or ()
            for name in ("article_id", "related_id"):
                if name not in names:
                    raise UnusableLinks(f"{path.name} has no column {name!r} (tab-separated, names in line 1)")
            for record in reader:
                cells = {name: (record.get(name) or "").strip() for name in ("article_id", "related_id", "grade")}
                yield reader.line_num, cells
    except UnicodeDecodeError as error:
        raise UnusableLinks(f"{path.name} is not UTF-8: {error.reason} (byte {error.start})") from error
    except (OSError, csv.Error) as error:
        raise UnusableLinks(f"{path.name} cannot be read: {error}") from error


def _add(truth: Truth, record: Mapping[str, str], row_of_id: Callable[[str], int | None]) -> str | None:
    """Add one link; or why it cannot be used."""
    source, other = (row_of_id(record[name]) if record[name] else None for name in ("article_id", "related_id"))
    if source is None:
        return "article_id is not in the archive"
    if other is None:
        return "related_id is not in the archive"
    if source == other:
        return "the article links to itself"
    gain = _gain(record["grade"])
    if gain is None:
        return "grade is not a number above 0"
    if other in truth.get(source, ()):
        return "the same link again"
    truth.setdefault(source, {})[other] = gain
    return None


def _gain(grade: str) -> float | None:
    try:
        gain = float(grade) if grade else 1.0
    except ValueError:
        return None
    return gain if gain > 0 and math.isfinite(gain) else None


def _summary(unusable: Mapping[str, list[tuple[int, str]]]) -> str:
    return "; ".join(f"{len(lines)} × {reason}" for reason, lines in unusable.items())
