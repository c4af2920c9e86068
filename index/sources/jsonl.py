"""JSON Lines, plain or gzip: one article a line."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from index.article import Article, InvalidArticle, article_from_record, article_id
from index.sources import Rejection, Tally, UnreadableSource, Withdrawal
from index.sources.fields import UNPUBLISHED, our_names
from index.sources.html_text import without_html

MOST_LINE_BYTES = 8 << 20

_decoder = msgspec.json.Decoder(dict[str, object])
_KEY = re.compile(rb'"([^"\\]{1,100})"\s*:')
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_NOT_A_NUMBER = re.compile(rb'"([^"\\]{1,100})"\s*:\s*[\[\s]*-?(NaN|Infinity)\b')


def read_json_lines(path: Path, tally: Tally) -> Iterator[Article | Rejection]:
    """One article or rejection a line that is not blank or unpublished. Constant memory; gzip by its first bytes.

    A torn gzip file gives what stands before the tear and one rejection for it. Raises
    `UnreadableSource` for a `.json` file that is one document instead of one object a line.
    """
    with ExitStack() as opened:
        file = _opened(path, opened)
        if path.name.lower().removesuffix(".gz").endswith(".json"):
            _refuse_a_document(file, path)
        yield from _records(file, path, tally)


def _records(file: IO[bytes], path: Path, tally: Tally) -> Iterator[Article | Rejection]:
    number = 0
    while True:
        try:
            line = file.readline(MOST_LINE_BYTES + 1)
            whole = len(line) <= MOST_LINE_BYTES or line.endswith(b"\n") or _skip_to_next(file)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Rejection(str(path), number + 1, f"the file is torn here: {error}")
            return
        if not line:
            return
        number += 1
        if not whole:
            yield Rejection(str(path), number, f"the line is longer than {MOST_LINE_BYTES >> 20} MiB")
        elif line.strip() and (record := _record(line.removeprefix(b"\xef\xbb\xbf"), path, number, tally)):
            yield record


def _skip_to_next(file: IO[bytes]) -> bool:
    """Read on to the end of the line, a piece at a time; False, for the line is not whole."""
    piece = file.readline(MOST_LINE_BYTES)
    while piece and not piece.endswith(b"\n"):
        piece = file.readline(MOST_LINE_BYTES)
    return False


def _opened(path: Path, stack: ExitStack) -> IO[bytes]:
    file = stack.enter_context(path.open("rb"))
    if file.peek(2)[:2] == b"\x1f\x8b":
        return cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=file)))
    return file


def _refuse_a_document(file: IO[bytes], path: Path) -> None:
    """Each line of a JSON array or of an indented object would be a rejection: say it once instead."""
    try:
        first = file.readline(1_000).removeprefix(b"\xef\xbb\xbf").strip()
        file.seek(0)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        file.seek(0)  # the reading proper reports the tear
        return
    if first == b"{" or first.startswith(b"["):
        raise UnreadableSource(path, "holds one JSON document; write one object a line (JSON Lines)")


def _record(line: bytes, path: Path, number: int, tally: Tally) -> Article | Rejection | None:
    """None for a record that nobody has published."""
    try:
        record = our_names(_decoder.decode(line))
        if record.get("status") in UNPUBLISHED:
            tally.unpublished += 1
            return None
        return _article(record, path, number, tally)
    except InvalidArticle as error:
        reason = str(error)
    except RecursionError:
        reason = "nested too deeply"
    except OverflowError:
        reason = "a number is too large"
    except UnicodeDecodeError as error:
        reason = _not_utf8(line, error)
    except msgspec.MsgspecError as error:
        reason = _not_json(line, error)
    return Rejection(str(path), number, reason)


def _article(record: Mapping[str, Any], path: Path, number: int, tally: Tally) -> Article | Withdrawal:
    """The article; a withdrawal needs no more than an ID. Raises `InvalidArticle`."""
    plain, held_html = without_html(record)
    try:
        article = article_from_record(plain)
    except InvalidArticle as error:
        if record.get("status") != "withdrawn":
            raise
        return Withdrawal(str(path), number, str(error), article_id(record.get("id")))
    tally.html += held_html
    return article


def _not_utf8(line: bytes, error: UnicodeDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as placed:  # msgspec counts from the start of the string, this from the line's
        return f"{_field_before(line, placed.start)}not UTF-8: {placed.reason} (byte {placed.start})"
    return f"not UTF-8: {error.reason}"


def _not_json(line: bytes, error: msgspec.MsgspecError) -> str:
    if not line.lstrip().startswith(b"{"):
        return f"not a JSON object: {error}"
    if found := _NOT_A_NUMBER.search(line):
        return f"{found[1].decode(errors='replace')}: {found[2].decode()} is no number in JSON"
    at = _AT_BYTE.search(str(error))
    return f"{_field_before(line, int(at[1]) if at else len(line))}not valid JSON: {error}"


def _field_before(line: bytes, at: int) -> str:
    """`name: ` of the last field that begins before byte `at`, or nothing."""
    names = _KEY.findall(line, 0, at)
    return f"{names[-1].decode(errors='replace')}: " if names else ""
