"""CSV and Parquet, with known column names and with a mapping file."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from index.article import Article, epoch_seconds
from index.sources import Rejection, Unpublished, UnreadableSource, read_source
from index.sources.mapping import UnusableMapping, read_mapping

MAPPING = """date_format = "%d.%m.%Y %H:%M"
time_zone = "Europe/Berlin"
separator = ";"
[columns]
id = "Nr"
url = "https://courier.example/{Ressort}/{Nr}"
headline = "Titel"
authors = "Autoren"
published_at = "Datum"
[constants]
language = "de"
"""


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_known_column_names_need_no_mapping(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["id", "title", "date", "body"],
        ["7", '"Ferry, ""bridge"""', "2026-03-02", '"One.\n\nTwo."'],
        ["8", "X", "", ""],
    ]
    path = tmp_path / "a.csv"
    path.write_text("﻿" + "\r\n".join(delimiter.join(row) for row in rows), "utf-8")
    assert list(read_source(path)) == [
        Article(
            id="7", headline='Ferry, "bridge"', body="One.\n\nTwo.", published_at=epoch_seconds("2026-03-02", "")
        ),
        Article(id="8", headline="X"),
    ]


def test_a_bad_row_costs_one_article_and_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,title,date\n1,A,\n2,,\n3,B,soon\n4,C,,,\n\n5,D,\n")
    assert list(read_source(path)) == [
        Article(id="1", headline="A"),
        Rejection(str(path), 3, "headline: is missing"),
        Rejection(str(path), 4, "published_at: 'soon' is not a date (ISO 8601 or RFC 2822)"),
        Rejection(str(path), 5, "has 5 cells for 3 columns"),
        Article(id="5", headline="D"),
    ]


def test_a_cell_of_more_than_eight_mebibytes_costs_one_article(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,title\n1,{'x' * (9 << 20)}\n2,B\n")
    rejected, last = read_source(path)
    assert isinstance(rejected, Rejection)
    assert (rejected.line, last) == (2, Article(id="2", headline="B"))


def test_a_table_without_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(UnreadableSource, match="names no columns"):
        list(read_source(tmp_path / "a.csv"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(UnreadableSource, match="is no readable Parquet file"):
        list(read_source(tmp_path / "a.parquet"))


def test_parquet_gives_typed_values_and_names_a_bad_row(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [7, None],
            "title": ["Ferry", "B"],
            "date": [datetime(2026, 3, 2, 6, 30, tzinfo=UTC), None],
            "tags": [["a", "b"], []],
        }
    )
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path)
    assert list(read_source(path)) == [
        Article(id="7", headline="Ferry", tags=("a", "b"), published_at=epoch_seconds("2026-03-02T06:30:00Z", "")),
        Rejection(str(path), 2, "id: is missing"),
    ]


def test_a_mapping_names_any_columns_formats_zones_and_constants(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    path = tmp_path / "a.csv"
    path.write_text(
        "Nr;Ressort;Titel;Autoren;Datum;title\n"
        '7;stadt;Fähre;"Ada Quill;Ben Inkwell";02.03.2026 07:30;other\n8;;X;;2026;\n'
    )
    assert list(read_source(path, mapping=read_mapping(tmp_path / "m.toml"))) == [
        Article(
            id="7",
            url="https://courier.example/stadt/7",
            headline="Fähre",
            authors=("Ada Quill", "Ben Inkwell"),
            language="de",
            published_at=epoch_seconds("2026-03-02T06:30:00Z", ""),
        ),
        Rejection(str(path), 3, "published_at: '2026' does not fit date_format '%d.%m.%Y %H:%M'"),
    ]


def test_a_mapping_also_reads_json_lines_with_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[columns]\nid = "nummer"\nheadline = "rubrik"\n')
    (tmp_path / "a.jsonl").write_text('{"nummer": 7, "rubrik": "Färja", "title": "other"}')
    mapping = read_mapping(tmp_path / "m.toml")
    assert list(read_source(tmp_path / "a.jsonl", mapping=mapping)) == [Article(id="7", headline="Färja")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[columns]\nheadlin = 'T'", "'headlin' is none of our fields: id, url"),
        ("[column]\nid = 'T'", "unknown field `column`"),
        ("[columns]\nid = 7", "Expected `str`, got `int`"),
        ("[columns]\nid = 'a'\n[constants]\nx = 1", "'x' is none of our fields"),
        ("time_zone = 'Mars/Base'\n[columns]\nid = 'a'", "time_zone: "),
        ("[columns", "m.toml: "),
        ("", "give columns, or types of a WordPress"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(UnusableMapping, match=reason.replace("[", r"\[")) as refused:
        read_mapping(tmp_path / "m.toml")
    assert str(tmp_path / "m.toml") in str(refused.value)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ('1,A,"unclosed,true\n2,B,b,true\n3,C,"c",false\n', "not valid CSV: ',' expected after '\"'"),
        ('1,A,"unclosed,true\n2,B,b,true\n3,C,c",false\n3,C,c,false\n', "a quote that is not closed has swallowed"),
        (
            '1,A,"unclosed,true\n2,B,b,true\n3,C,c,false\n',
            "a quote that is not closed has swallowed the rows|unexpected",
        ),
    ],
)
def test_a_quote_that_is_not_closed_costs_its_own_row_alone(tmp_path: Path, rows: str, reason: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,title,body,draft\n" + rows)
    rejected, draft, *_, last = read_source(path)
    assert isinstance(rejected, Rejection)
    assert rejected.line == 2
    assert re.search(reason, rejected.reason)
    assert isinstance(draft, Unpublished)
    assert (draft.id, last) == ("2", Article(id="3", headline="C", body="c"))


def test_prose_behind_a_damaged_row_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'id,title,body\n1,A,"He said "no" to\nMonday, as usual, for\nreasons"\n2,B,"One, two, and\n\nthree."\n3,C,c\n'
    )
    rejected, *found = read_source(path)
    assert isinstance(rejected, Rejection)
    assert (rejected.line, rejected.reason.partition("; ")[2]) == (2, "reading went on at line 5")
    assert found == [
        Article(id="2", headline="B", body="One, two, and\n\nthree."),
        Article(id="3", headline="C", body="c"),
    ]


def test_a_file_that_ends_in_a_damaged_row_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,title,body\n1,A,a\n2,B,"One\ntwo')
    found, rejected = read_source(path)
    assert found == Article(id="1", headline="A", body="a")
    assert isinstance(rejected, Rejection)
    assert rejected.line == 3
    assert "the file is torn" in rejected.reason


@pytest.mark.parametrize("row", ["2,Draft cut,Body", "2,Draft cut"])
def test_a_row_that_lacks_cells_is_rejected(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,title,body,draft\n{row}\n \n3,C,c,false\n")
    rejected, found = read_source(path)
    assert rejected == Rejection(str(path), 2, f"has {row.count(',') + 1} cells for 4 columns")
    assert found == Article(id="3", headline="C", body="c")


def test_a_row_at_the_tear_of_a_packed_table_is_not_read(tmp_path: Path) -> None:
    whole = gzip.compress(b"id,title,embargo\n1,A,\n2,B,2099-12-31")
    path = tmp_path / "a.csv.gz"
    path.write_bytes(whole[:-8])
    found, rejected = read_source(path)
    assert found == Article(id="1", headline="A")
    assert isinstance(rejected, Rejection)
    assert "torn" in rejected.reason


def test_the_first_line_may_name_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\r\nid;title\r\n1;A, b, c\r\n2\r\n")
    assert list(read_source(path)) == [
        Article(id="1", headline="A, b, c"),
        Rejection(str(path), 4, "has 1 cells for 2 columns"),
    ]


def test_a_table_without_a_column_of_ids_or_headlines_lists_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Nummer,title\n1,A\n")
    with pytest.raises(UnreadableSource, match=r"known as the id; its columns are: 'Nummer', 'title'; .* --mapping"):
        list(read_source(path))
    path.write_text("id,Titel\n1,A\n")
    with pytest.raises(UnreadableSource, match="known as the headline; its columns are: 'id', 'Titel'"):
        list(read_source(path))
    parquet.write_table(pa.table({"Nummer": [1], "title": ["A"]}), tmp_path / "a.parquet")
    with pytest.raises(UnreadableSource, match="known as the id"):
        list(read_source(tmp_path / "a.parquet"))
    path.write_text("id,status\n1,draft\n")
    assert [type(each) for each in read_source(path)] == [Unpublished]


@pytest.mark.parametrize("column", ['embargo_until = "Sperrfrist"', 'url = "https://a.example/{Ressort}/{id}"'])
def test_a_mapping_of_a_column_that_a_table_lacks_is_refused(tmp_path: Path, column: str) -> None:
    (tmp_path / "m.toml").write_text(f'[columns]\nid = "id"\nheadline = "title"\n{column}\n')
    (tmp_path / "a.csv").write_text("id,title\n1,A\n")
    with pytest.raises(UnreadableSource, match=r"lacks the column '(Sperrfrist|Ressort)', which the mapping names"):
        list(read_source(tmp_path / "a.csv", mapping=read_mapping(tmp_path / "m.toml")))
