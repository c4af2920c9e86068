"""JSON Lines, plain or gzip: one article a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import IO

import msgspec

from index.article import Article
from index.sources import Input, Rejection, Tally
from index.sources.opening import TORN
from index.sources.record import Decoded, our_record, read_records

MOST_LINE_BYTES = 8 << 20

_decoder = msgspec.json.Decoder(dict[str, object])
_KEY = re.compile(rb'"([^"\\]{1,100})"\s*:')
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_NOT_A_NUMBER = re.compile(rb'"([^"\\]{1,100})"\s*:\s*[\[\s]*-?(NaN|Infinity)\b')


def read_json_lines(source: Input, tally: Tally, first: bytes = b"") -> Iterator[Article | Rejection]:
    """One article or rejection a line that is not blank or unpublished. Constant memory. `first`: a line read before.

    A torn gzip file gives what stands before the tear and one rejection for it.
    """
    yield from read_records(_decoded(source, first), source, tally)


def _decoded(source: Input, first: bytes) -> Iterator[Decoded]:
    number = 0
    while True:
        try:
            line, first = first or source.file.readline(MOST_LINE_BYTES + 1), b""
            is_whole = len(line) <= MOST_LINE_BYTES or line.endswith(b"\n") or _skip_to_next(source.file)
        except TORN as error:
            yield Decoded(number + 1, Rejection(source.where, number + 1, f"the file is torn here: {error}"))
            return
        if not line:
            return
        number += 1
        if not is_whole:
            reason = f"the line is longer than {MOST_LINE_BYTES >> 20} MiB"
            yield Decoded(number, Rejection(source.where, number, reason), len(line))
        elif line.strip():
            yield Decoded(number, _record(line.removeprefix(b"\xef\xbb\xbf"), source, number), len(line))


def _skip_to_next(file: IO[bytes]) -> bool:
    """Read on to the end of the line, a piece at a time; False, for the line is not whole."""
    piece = file.readline(MOST_LINE_BYTES)
    while piece and not piece.endswith(b"\n"):
        piece = file.readline(MOST_LINE_BYTES)
    return False


def _record(line: bytes, source: Input, number: int) -> Mapping[str, object] | Rejection:
    try:
        return our_record(_decoder.decode(line), source.mapping)
    except RecursionError:
        reason = "nested too deeply"
    except OverflowError:
        reason = "a number is too large"
    except UnicodeDecodeError as error:
        reason = _not_utf8(line, error)
    except msgspec.MsgspecError as error:
        reason = _not_json(line, error)
    return Rejection(source.where, number, reason)


def _not_utf8(line: bytes, error: UnicodeDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as placed:  # msgspec counts from the start of the string, this from the line's
        return f"{_field_before(line, placed.start)}not UTF-8: {placed.reason} (byte {placed.start})"
    return f"not UTF-8: {error.reason}"


def _not_json(line: bytes, error: msgspec.MsgspecError) -> str:
    if not line.lstrip().startswith(b"{"):
        return f"not a JSON object: {error}"
    if match := _NOT_A_NUMBER.search(line):
        return f"{match[1].decode(errors='replace')}: {match[2].decode()} is no number in JSON"
    at = _AT_BYTE.search(str(error))
    return f"{_field_before(line, int(at[1]) if at else len(line))}not valid JSON: {error}"


def _field_before(line: bytes, at: int) -> str:
    """`name: ` of the last field that begins before byte `at`, or nothing."""
    names = _KEY.findall(line, 0, at)
    return f"{names[-1].decode(errors='replace')}: " if names else ""
