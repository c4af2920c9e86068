"""CSV and Parquet: one article a row, by known column names or by a mapping file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from index.article import Article
from index.sources import Input, Rejection, Tally, UnreadableSource
from index.sources.encoding import PIECE, WINDOWS, guessed, recoded, undecoded
from index.sources.fields import StatusBeside
from index.sources.opening import rewindable
from index.sources.record import our_record, read_record, with_a_status

MOST_CELL_CHARS = 8 << 20
BATCH_ROWS = 500
DELIMITERS = ",;\t|"

Row = dict[str, Any]


def read_csv(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """One article or rejection a row, with the line on which the row ends. The commonest of , ; tab | divides.

    Text that is not UTF-8 and states no encoding is read as Windows-1252, and counted, where that is plausible.
    Raises `UnreadableSource` where it is not, or where the first line names no columns.
    """
    csv.field_size_limit(MOST_CELL_CHARS)
    if source.mapping is not None and source.mapping.encoding:
        yield from _read_text(source, source, tally)
        return
    with rewindable(source) as (file, torn):
        start = file.tell()
        encoding = guessed(source, iter(lambda: file.read(PIECE), b""))
        file.seek(start)
        tally.windows += encoding == WINDOWS
        again = source._replace(file=file)
        yield from _read_text(again if encoding == "utf-8" else recoded(again, encoding), source, tally)
        if torn is not None:
            raise torn


def _read_text(text_source: Input, source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """The rows of a table in UTF-8."""
    text = io.TextIOWrapper(cast(IO[bytes], text_source.file), "utf-8", errors="surrogateescape", newline="")
    header = text.readline(1 << 16)
    columns = next(csv.reader([header], delimiter=_delimiter(header)), [])
    if len(columns) < 2:
        raise UnreadableSource(Path(source.where), "the first line names no columns, or only one")
    rows = csv.reader(text, delimiter=_delimiter(header))
    yield from _read_rows(rows, columns, source, tally)
    text.detach()


def _read_rows(rows: Any, columns: list[str], source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    stated = _have_statuses(columns, source)
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejection(source.where, rows.line_num + 1, f"not valid CSV: {error}")
            continue
        line = rows.line_num + 1
        if len(cells) > len(columns):
            yield Rejection(source.where, line, f"has {len(cells)} cells for {len(columns)} columns")
        elif cells and (found := _read(dict(zip(columns, cells, strict=False)), stated, source, line, tally)):
            yield found


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)


def read_parquet(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """One article or rejection a row; a rejection's line is the row's number. Raises `UnreadableSource`."""
    from pyarrow import ArrowException, parquet

    with rewindable(source) as (file, torn):  # Parquet begins at the end
        if torn is not None:
            raise torn
        try:
            table = parquet.ParquetFile(file)
            stated = _have_statuses(table.schema_arrow.names, source)
            batches = table.iter_batches(batch_size=BATCH_ROWS)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                if (found := _read(row, stated, source, number, tally)) is not None:
                    yield found
        except (ArrowException, UnicodeDecodeError, OverflowError) as error:
            raise UnreadableSource(Path(source.where), f"is no readable Parquet file: {error}") from error


def _have_statuses(columns: Sequence[str], source: Input) -> bool:
    """Whether each row has a status: where there is a column of them, a row without one has lost it."""
    record = our_record(dict.fromkeys(columns, "1"), source.mapping)
    return "status" in record and not isinstance(record["status"], StatusBeside)


def _read(row: Row, stated: bool, source: Input, line: int, tally: Tally) -> Article | Rejection | None:
    values = {name: _value(value) for name, value in row.items()}
    for name, value in values.items():
        if isinstance(value, str) and undecoded(value):
            return Rejection(source.where, line, f"{name}: holds bytes that are no text in the file's encoding")
    record = our_record(values, source.mapping)
    return read_record(with_a_status(record) if stated else record, source, line, tally)


def _value(value: Any) -> Any:
    """A cell without blanks around it; of bytes their text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return value.strip() if isinstance(value, str) else value
