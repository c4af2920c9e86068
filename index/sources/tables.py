"""CSV and Parquet: one article a row, by known column names or by a mapping file."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
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
_SEPARATOR = re.compile(r"\ufeff?\"?sep=([,;\t|])\"?[\r\n]", re.IGNORECASE)

MOST_COLUMNS_TOLD = 40
_PLACE = re.compile(r"\{([^{}]+)\}")  # of a column in a mapping's template

Row = dict[str, Any]
Found = Article | Rejection


def read_csv(source: Input, tally: Tally) -> Iterator[Article | Rejection]:
    """One article or rejection a row, with the line on which the row begins. The commonest of , ; tab | divides.

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
        if encoding == WINDOWS:
            tally.take_as_windows(source.where)
        again = source._replace(file=file)
        text_source = again if encoding == "utf-8" else recoded(again, encoding)
        yield from _read_text(text_source, source, tally, torn is not None)
        if torn is not None:
            raise torn


class _Lines(Iterator[str]):
    """The lines of a text, those of the current row kept, so that reading can go back to the second of them.

    `number`: how many lines stand before the current row.
    """

    def __init__(self, text: Iterator[str], number: int, is_torn: bool) -> None:
        self.number = number
        self._text = text
        self._is_torn = is_torn
        self._row: list[str] = []
        self._ahead: deque[str] = deque()

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._text)
        if self._is_torn and not line.endswith(("\n", "\r")):
            raise StopIteration  # the file ends within this line: what is left of a cell is not its value
        self._row.append(line)
        return line

    def begin_row(self) -> None:
        """Begin a row at the line that comes next."""
        self.number += len(self._row)
        self._row = []

    def go_back(self) -> None:
        """Give the lines of the row again but for its first."""
        self._ahead.extendleft(reversed(self._row[1:]))
        del self._row[1:]

    @property
    def several(self) -> bool:
        """Whether the row has more than one line."""
        return len(self._row) > 1


def _read_text(text_source: Input, source: Input, tally: Tally, is_torn: bool = False) -> Iterator[Found]:
    """The rows of a table in UTF-8. A first line `sep=;`, as Excel reads it, names the delimiter."""
    text = io.TextIOWrapper(cast(IO[bytes], text_source.file), "utf-8", errors="surrogateescape", newline="")
    header, before = text.readline(1 << 16), 1
    named = _SEPARATOR.match(header)
    if named:
        header, before = text.readline(1 << 16), 2
    delimiter = named[1] if named else _delimiter(header)
    columns = next(csv.reader([header], delimiter=delimiter), [])
    if len(columns) < 2:
        raise UnreadableSource(Path(source.where), "the first line names no columns, or only one")
    yield from _read_rows(_Lines(text, before, is_torn), delimiter, columns, source, tally)
    text.detach()


def _read_rows(
    lines: _Lines, delimiter: str, columns: list[str], source: Input, tally: Tally
) -> Iterator[Article | Rejection]:
    """The rows. Behind one whose quotes are damaged, reading goes on at the first line that is surely a row."""
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    _check_columns(columns, source)
    stated = _have_statuses(columns, source)
    damage: Rejection | None = None
    while True:
        lines.begin_row()
        line = lines.number + 1
        try:
            cells = next(rows, None)
            if cells is None:
                break
            fault = _fault(cells, columns, delimiter, source, lines.several)
            is_damaged = bool(fault) and lines.several
        except csv.Error as error:
            cells, fault, is_damaged = [], f"not valid CSV: {error}", True
        if is_damaged or (damage and not _is_row(cells, columns, source)):
            lines.go_back()
            damage = damage or Rejection(source.where, line, fault)
            continue
        if damage is not None:
            yield _told(damage, line, "reading went on at")
            damage = None
        if fault:
            yield Rejection(source.where, line, fault)
        elif not _is_blank(cells) and (
            article := _read(dict(zip(columns, cells, strict=False)), stated, source, line, tally)
        ):
            yield article
    if damage is not None:
        yield _told(damage, line, "the file is torn: no whole row follows before its end at")


def _told(damage: Rejection, line: int, what: str) -> Rejection:
    """The rejection of a damaged row, with where reading went on."""
    return Rejection(damage.where, damage.line, f"{damage.reason}; {what} line {line}")


def _fault(cells: list[str], columns: list[str], delimiter: str, source: Input, several: bool) -> str:
    """Why a row is not to be believed; "" for a good one. `several`: it has more than one line."""
    if _is_blank(cells):
        return ""
    if several and any(
        _is_row(line.split(delimiter), columns, source) for cell in cells for line in cell.splitlines()[1:]
    ):
        return "a quote that is not closed has swallowed the rows behind it"
    return "" if len(cells) == len(columns) else f"has {len(cells)} cells for {len(columns)} columns"


def _is_blank(cells: list[str]) -> bool:
    """Whether a row is a blank line."""
    return len(cells) < 2 and not "".join(cells).strip()


def _is_row(cells: list[str], columns: list[str], source: Input) -> bool:
    """Whether cells are a row for sure, not a line of prose: one a column, no blanks before them or in the ID."""
    if len(cells) != len(columns) or any(cell[:1] == " " for cell in cells):
        return False
    number = our_record(dict(zip(columns, cells, strict=True)), source.mapping).get("id")
    return number is not None and len(str(number).split()) == 1


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
            _check_columns(table.schema_arrow.names, source)
            stated = _have_statuses(table.schema_arrow.names, source)
            rows = (row for batch in table.iter_batches(batch_size=BATCH_ROWS) for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                if (article := _read(row, stated, source, number, tally)) is not None:
                    yield article
        except (ArrowException, UnicodeDecodeError, OverflowError) as error:
            raise UnreadableSource(Path(source.where), f"is no readable Parquet file: {error}") from error


def _check_columns(columns: Sequence[str], source: Input) -> None:
    """Raises `UnreadableSource` where columns that the mapping names are missing, or no articles can come of them."""
    mapped = source.mapping.columns if source.mapping is not None else {}
    names = [name for theirs in mapped.values() for name in (_PLACE.findall(theirs) or [theirs])]
    listed = f"its columns are: {', '.join(map(repr, columns[:MOST_COLUMNS_TOLD]))}"
    if missing := [name for name in names if name not in columns]:
        raise UnreadableSource(
            Path(source.where), f"lacks the column {missing[0]!r}, which the mapping names; {listed}"
        )
    record = our_record(dict.fromkeys(columns, "?"), source.mapping)
    lacking = [name for name in ("id", "headline") if name not in record]
    if not mapped and lacking and not ("id" in record and "status" in record):  # withdrawals need no headline
        reason = f"no column is known as the {lacking[0]}; {listed}; say which is which with --mapping"
        raise UnreadableSource(Path(source.where), reason)


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
