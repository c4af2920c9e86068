"""The import command: what it tells, what it writes, how it ends."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest
from constants import ROOT
from import_articles import main

from index.article import Article
from index.sources import Unpublished, UnreadableSource, read_source

LINES = [
    {"id": "a", "title": "Bridge opens to traffic", "published": "2024-05-01", "lang": "en", "author": "Ada Quill"},
    {"id": "b", "title": "Die Brücke ist nach langer Zeit wieder offen", "dek": "Seit Montag fahren alle wieder."},
    {"id": "c", "title": "Bridge", "published": "soon"},
    {"id": "d"},
    {"id": "e"},
]
LINES = [*({**each, "status": "live"} for each in LINES), {"id": "f", "title": "Not yet", "status": "draft"}]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive.jsonl"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, LINES)))
    return path


def test_a_dry_run_tells_what_was_understood_and_writes_nothing(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--source", str(archive), "--dry-run", "--quiet"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "2 articles, 3 records rejected, 1 unpublished and 0 others (pictures, pages, menus) left out"
    assert told[2].startswith("missing     url 2 (100%), standfirst 1 (50%), body 2 (100%)")
    assert told[3] == "years       2024 1, none 1"
    assert told[4] == "languages   en 1, de 1"
    assert told[7:10] == [
        "  Bridge opens to traffic",
        "      2024-05-01T00:00:00Z | en | Ada Quill | 0 characters, 0 links",
        "      (no standfirst)",
    ]
    assert told[-2:] == [
        f"  2 x headline: is missing; the first: {archive}, line 4: headline: is missing",
        f"  1 x published_at: ... is not a date (ISO 8601 or RFC 2822); the first: {archive}, line 3: "
        "published_at: 'soon' is not a date (ISO 8601 or RFC 2822)",
    ]
    assert [each.name for each in archive.parent.iterdir()] == ["archive.jsonl"]


def test_what_it_writes_is_read_back_as_the_same_articles(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["--source", str(archive), "--out", str(out), "--quiet"]) == 0
    *found, hidden = read_source(out)
    assert isinstance(hidden, Unpublished)
    assert (hidden.id, hidden.status) == ("f", "draft")
    first, second = (each for each in read_source(archive) if isinstance(each, Article))
    assert found == [first, msgspec.structs.replace(second, language="de")]


def test_a_text_in_no_certain_language_stays_without_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id": "a", "status": "live", "title": "Ada Quill 2:1"}')
    out = tmp_path / "out.jsonl"
    assert main(["--source", str(tmp_path / "a.jsonl"), "--out", str(out), "--quiet"]) == 0
    assert [each.language for each in read_source(out) if isinstance(each, Article)] == [""]


def test_what_withdraws_or_hides_an_article_is_written_and_is_no_article_nor_rejection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(
        b'{"id": "a", "headline": "H", "status": "live"}\n{"id": "b", "status": "withdrawn"}\n'
        b'{"id": "c", "status": "Trash", "updated_at": "1970-01-02"}'
    )
    assert main(["--source", str(source), "--out", str(out), "--quiet"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "1 articles, 0 records rejected, 1 unpublished and 0 others (pictures, pages, menus) left out"
    assert told[1] == "1 withdrawals without a text"
    records = [msgspec.json.decode(line) for line in out.read_bytes().splitlines()]
    assert records[1:] == [
        {"id": "b", "status": "withdrawn"},
        {"id": "c", "status": "trash", "updated_at": 86_400},
    ]


def test_a_dry_run_names_ids_that_stand_with_several_headlines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, headline in (("a", "Ferry stops"), ("b", "Choir sings")):
        records = [{"id": n, "headline": f"{headline} {n}", "url": f"/{n}"} for n in range(1, 8)]
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, records)))
    assert main(["--source", str(tmp_path), "--dry-run", "--jobs", "1", "--quiet"]) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "another headline" in each]
    assert line.startswith("7 records have the ID of an earlier one")
    assert "; the first: id '1': 'Ferry stops 1' and 'Choir sings 1'; id '2'" in line
    assert line.endswith("id '5': 'Ferry stops 5' and 'Choir sings 5'")


def test_the_types_that_are_left_out_of_an_export_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--source", str(ROOT / "tests" / "reports" / "16_wxr_types.xml"), "--dry-run", "--quiet"]) == 0
    told = capsys.readouterr().out
    assert "left out by type: 1 adrotate, 1 amp_validated_url, 1 et_pb_layout, 1 feedback, " in told
    assert "Resa Quill" not in told


def test_several_processes_give_the_same_in_the_same_order(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(100):
        (folder / f"{number:03}.txt").write_text(f"Story {number} of the bridge\n\nIt opened.")
    outs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for out, jobs in zip(outs, ("1", "2"), strict=True):
        assert main(["--source", str(folder), "--out", str(out), "--jobs", jobs, "--quiet"]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert outs[0].read_bytes().count(b"\n") == 100


@pytest.mark.parametrize("packed", [False, True])
def test_a_stream_goes_in_and_out(packed: bool) -> None:
    line = b'{"id": "a", "headline": "Bridge opens", "language": "en"}\n'
    command = [sys.executable, "scripts/import_articles.py", "--source", "-", "--out", "-", "--quiet"]
    done = subprocess.run(command, input=gzip.compress(line) if packed else line, capture_output=True, check=True)
    assert msgspec.json.decode(done.stdout, type=Article) == Article(id="a", headline="Bridge opens", language="en")
    assert done.stderr.startswith(b"1 articles, 0 records rejected")


def test_a_mapping_is_for_any_format(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[columns]\nid = "Nr"\nheadline = "Titel"\n')
    (tmp_path / "a.csv").write_text("Nr;Titel\n7;Färja\n")
    out = tmp_path / "out.jsonl"
    arguments = [
        "--source",
        str(tmp_path / "a.csv"),
        "--mapping",
        str(tmp_path / "m.toml"),
        "--out",
        str(out),
        "--quiet",
    ]
    assert main(arguments) == 0
    assert list(read_source(out)) == [Article(id="7", headline="Färja")]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--source", "{}/none.jsonl", "--dry-run"], 2, "error: {}/none.jsonl: does not exist"),
        (["--source", "{}/a.pdf", "--dry-run"], 2, "error: {}/a.pdf: is of no known format"),
        (["--source", "{}/a.pdf"], 2, "error: give --out FILE, or --dry-run"),
        (["--source", "{}/e.jsonl", "--mapping", "{}/a.pdf", "--dry-run"], 2, "error: {}/a.pdf: "),
        (["--source", "{}/e.jsonl", "--out", "{}/no/folder.jsonl"], 74, "error: [Errno 2]"),
        (["--source", "{}/e.jsonl", "--dry-run"], 1, ""),
    ],
)
def test_each_failure_has_its_code_and_says_what_and_where(
    tmp_path: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "e.jsonl").write_bytes(b"")
    assert main([each.format(tmp_path) for each in [*arguments, "--quiet"]]) == code
    assert capsys.readouterr().err.startswith(message.format(tmp_path))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_file_that_cannot_be_read_is_named_whatever_the_processes(
    tmp_path: Path, jobs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id": "a", "headline": "H", "language": "en"}')
    (tmp_path / "e.csv").write_bytes(b"")
    assert main(["--source", str(tmp_path), "--dry-run", "--jobs", jobs, "--quiet"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("1 articles, 1 records rejected")
    assert f"{tmp_path / 'e.csv'}: the first line names no columns" in told


def test_an_unreadable_source_goes_from_process_to_process(tmp_path: Path) -> None:
    error = UnreadableSource(tmp_path / "a.csv", "Input/output error")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert (str(again), again.path, again.reason) == (str(error), error.path, error.reason)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_files_of_no_known_format_and_guessed_encodings_are_named(
    tmp_path: Path, jobs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    (folder / "__MACOSX").mkdir(parents=True)
    (folder / "a.csv").write_bytes("id,title,body\n1,Die Fähre,Der Fluss und die Brücke der Stadt\n".encode("cp1252"))
    for name in ("b.tsv", ".DS_Store", "__MACOSX/b.tsv"):
        (folder / name).write_bytes(b"id\ttitle\n2\tT\n")
    with zipfile.ZipFile(folder / "c.zip", "w") as packed:
        for name in ("d.JSONL", "e.xlsx", "f.zip", "__MACOSX/e.xlsx", "sub/.DS_Store"):
            packed.writestr(name, '{"id": "d", "title": "T"}')
    assert main(["--source", str(folder), "--dry-run", "--jobs", jobs, "--quiet"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("2 articles, 0 records rejected")
    assert f"1 files are not UTF-8 and name no encoding: read as Windows-1252 ({folder / 'a.csv'})" in told
    line = next(each for each in told.splitlines() if "no known format" in each)
    assert line.startswith("3 files are of no known format, not read (")
    names = sorted(line.partition("(")[2].rstrip(")").split(", "))
    assert names == sorted([str(folder / "b.tsv"), f"{folder / 'c.zip'}!e.xlsx", f"{folder / 'c.zip'}!f.zip"])
