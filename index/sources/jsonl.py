"""JSON Lines, plain or gzip: one article a line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from index.article import Article, InvalidArticle, article_from_record
from index.sources import Rejection
from index.sources.fields import our_names

MOST_LINE_BYTES = 16 << 20

_decoder = msgspec.json.Decoder(dict[str, object])


def read_json_lines(path: Path) -> Iterator[Article | Rejection]:
    """One article or rejection a line that is not blank. Constant memory; gzip by its first bytes.

    A torn gzip file gives what stands before the tear and one rejection for it.
    """
    with _opened(path) as file:
        number = 0
        while True:
            try:
                line = file.readline(MOST_LINE_BYTES + 1)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                yield Rejection(str(path), number + 1, f"the file is torn here: {error}")
                return
            if not line:
                return
            number += 1
            if len(line) > MOST_LINE_BYTES:
                yield Rejection(str(path), number, f"the line is longer than {MOST_LINE_BYTES >> 20} MiB")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MOST_LINE_BYTES)
            elif line.strip():
                yield _record(line.removeprefix(b"\xef\xbb\xbf"), path, number)


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    if file.peek(2)[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    return file


def _record(line: bytes, path: Path, number: int) -> Article | Rejection:
    try:
        return article_from_record(our_names(_decoder.decode(line)))
    except InvalidArticle as error:
        return Rejection(str(path), number, str(error))
    except msgspec.ValidationError as error:
        return Rejection(str(path), number, f"not a JSON object: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Rejection(str(path), number, f"not valid JSON: {error}")
