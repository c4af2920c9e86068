"""What scripts/rebuild_index.py tells whoever runs it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from rebuild_index import _summary, main

from index.build import BuildReport
from index.publishing.quality import Quality
from index.sources import Rejection, Tally

REPORT = BuildReport(
    snapshot_id="s1",
    articles=40,
    withdrawn=1,
    superseded=2,
    outdated=0,
    not_found=0,
    no_longer_public=0,
    rejected=0,
    embedded=7,
    lexical_refitted=False,
    recall_at_10=1.0,
    duplicates=0,
    quality=Quality(1.0, 0.0),
    pruned=(),
)


def test_the_summary_says_what_was_ignored_skipped_and_turned_into_text() -> None:
    rejections = tuple(Rejection("a.jsonl", line, "id: is missing") for line in range(9))
    report = msgspec.structs.replace(
        REPORT, outdated=3, not_found=4, no_longer_public=8, rejected=9, rejections=rejections
    )
    tally = Tally(html=6, unpublished=7, other=9, types={"page": 9})
    lines = _summary(report, tally, Path("store"), 1.25).splitlines()
    assert lines[1:] == [
        "  40 articles (1 withdrawn), 2 replaced by a newer version",
        "  7 texts embedded, the rest from the cache; lexical model kept; recall@10 1.0",
        "  8 articles withdrawn: their records are drafts, private or the like now",
        "  3 older than what is known, or undated, ignored",
        "  4 withdrawals of unknown articles, ignored",
        "  7 drafts and other unpublished records, skipped",
        "  9 records that are no articles, skipped (9 page)",
        "  6 articles held HTML, read as plain text",
        f"  9 records rejected; reasons with file and line: {Path('store/snapshots/s1/rejected.jsonl')}",
        "    a.jsonl: id: is missing",
        *(f"    a.jsonl, line {line}: id: is missing" for line in range(1, 5)),
    ]


def test_the_summary_names_ids_that_stand_with_several_headlines() -> None:
    examples = ("id '1': 'Ferry stops' and 'Choir sings'",)
    report = msgspec.structs.replace(REPORT, renamed=2, renamed_examples=examples)
    report = msgspec.structs.replace(report, shared_addresses=1, shared_examples=("'a' and 'b'",))
    line, shared = _summary(report, Tally(), Path("store"), 1.0).splitlines()[3:]
    assert shared == "  1 articles share their URL with a newer one, which is found by it; the first: 'a' and 'b'"
    assert line.startswith("  2 records have the ID of an earlier one with another headline")
    assert line.endswith("the first: id '1': 'Ferry stops' and 'Choir sings'")


def test_the_summary_says_nothing_of_what_did_not_happen() -> None:
    assert len(_summary(REPORT, Tally(), Path("store"), 1.0).splitlines()) == 3


def test_a_refusal_shows_the_first_rejections_and_where_all_of_them_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, store = tmp_path / "a.jsonl", tmp_path / "store"
    source.write_text('{"id": "a"}\n' * 7)
    assert main(["--source", str(source), "--store", str(store), "--quiet"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "not published: there is no article to publish"
    assert said[1:6] == [f"  {source}, line {line}: headline: is missing" for line in range(1, 6)]
    assert said[6:] == [f"  all 7 rejected records: {store / 'rejected.jsonl'}"]
    written = [json.loads(line) for line in (store / "rejected.jsonl").read_text().splitlines()]
    assert [each["line"] for each in written] == [1, 2, 3, 4, 5, 6, 7]
    assert written[0] == {"where": str(source), "line": 1, "reason": "headline: is missing"}


def test_a_model_that_is_not_there_is_a_wrong_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"id": "a", "headline": "H"}')
    assert main(["--source", str(source), "--store", str(tmp_path / "store"), "--model", "nope", "--quiet"]) == 2
    assert "error: --model nope: " in capsys.readouterr().err


def test_a_mapping_names_the_columns_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("Nummer;Titel;Datum\n1;Fähre;einst\n2;;03.07.2026\n")
    mapping = tmp_path / "ours.toml"
    mapping.write_text(
        '[columns]\nid = "Nummer"\nheadline = "Titel"\npublished_at = "Datum"\n[constants]\nlanguage = "de"\n'
    )
    given = ["--source", str(tmp_path / "a.csv"), "--mapping", str(mapping), "--store", str(tmp_path / "store")]
    assert main([*given, "--quiet"]) == 1
    assert [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()[1:3]] == [
        "published_at: 'einst' is not a date (ISO 8601 or RFC 2822)",
        "headline: is missing",
    ]
    mapping.write_text('[columns]\nheading = "Titel"\n')
    assert main([*given, "--quiet"]) == 2
    assert "error: " + f"{mapping}: 'heading' is none of our fields" in capsys.readouterr().err
