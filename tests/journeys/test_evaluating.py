"""A newsroom measures its archive: from raw articles to links, figures and a page, by the two commands."""

from __future__ import annotations

import json
import re
from itertools import permutations
from pathlib import Path
from typing import Any

import evaluate
import extract_links
import pytest
from constants import NOW
from hashing_embedder import HashingEmbedder

from index.publishing.store import Store
from index.snapshot.reader import Snapshot
from scripts.sample.newsroom import sample_articles as rendered

BASELINES = {"bm25", "tfidf", "lsa", "dense"}


class Measured:
    """What one run of scripts/evaluate.py left behind."""

    def __init__(self, folder: Path) -> None:
        self.result = json.loads((folder / "result.json").read_text("utf-8"))
        self.page = (folder / "result.html").read_text("utf-8")
        self.store = Store(folder / "store")

    def score(self, system: str, rule: str) -> dict[str, Any]:
        (found,) = (each for each in self.result["systems"] if (each["system"], each["candidates"]) == (system, rule))
        return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample newsroom's articles, each linking in its body to all others of its storyline."""
    folder = tmp_path_factory.mktemp("evaluating")
    (folder / "articles.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rendered(NOW)), "utf-8")
    return folder


@pytest.fixture(scope="module")
def links(archive: Path, sample_truth: dict[str, Any]) -> Path:
    path = archive / "links.tsv"
    pairs = [pair for ids in sample_truth["storylines"].values() for pair in permutations(ids, 2)]
    rows = [f"{one}\t{other}\t1" for one, other in pairs] + ["no/such-article\tx\t1", f"{pairs[0][0]}\tx\t1"]
    path.write_text("\n".join(["article_id\trelated_id\tgrade", *rows]) + "\n", "utf-8")
    return path


def run(archive: Path, links: Path, *more: str) -> int:
    return evaluate.main(
        [
            *("--source", str(archive / "articles.jsonl"), "--links", str(links), "--store", str(archive / "store")),
            *("--json", str(archive / "result.json"), "--html", str(archive / "result.html"), "--quiet", *more),
        ],
        embedder=HashingEmbedder(),
    )


@pytest.fixture(scope="module")
def measured(archive: Path, links: Path) -> Measured:
    assert run(archive, links) == 0
    return Measured(archive)


def test_every_system_is_measured_under_both_rules(measured: Measured) -> None:
    for rule in ("older", "all"):
        for system in ("ours", "ours-default", *BASELINES):
            score = measured.score(system, rule)
            assert score["sources"] == measured.result["links"]["sources"][rule] > 50
            for measure, (low, high) in score["intervals"].items():
                assert 0 <= low <= score[measure] <= high <= 1


def test_ours_finds_the_storylines_and_the_comparison_says_how_surely(measured: Measured) -> None:
    assert measured.score("ours", "older")["ndcg@10"] > 0.6
    compared = [each for each in measured.result["comparisons"] if each["measure"] == "ndcg@10"]
    for each in compared:
        ours, other = (measured.score(each[name], each["candidates"])["ndcg@10"] for name in ("system", "against"))
        assert each["difference"] == pytest.approx(ours - other)
        assert each["interval"][0] <= each["difference"] <= each["interval"][1]
        assert 0 < each["p"] <= each["p_holm"] <= 1
    assert {each["against"] for each in compared} == BASELINES | {"ours-default"}


def test_the_two_bad_rows_are_counted_and_named(measured: Measured) -> None:
    links = measured.result["links"]
    assert links["rows"] - links["used"] == 2
    assert {problem["reason"] for problem in links["problems"]} == {
        "article_id is not in the archive",
        "related_id is not in the archive",
    }
    assert "no/such-article" in measured.page


def test_the_lists_are_measured_and_hold_no_copies(measured: Measured) -> None:
    lists = measured.result["lists"]
    assert lists["duplicate_rate"] == 0
    assert 0 < lists["diversity"] < 1
    assert 0 < lists["coverage"] <= 1
    assert set(lists["age_days"]) == {"10", "50", "90"}


def test_the_clock_is_a_day_after_the_newest_article(measured: Measured) -> None:
    newest, clock = measured.result["corpus"]["newest"], measured.result["clock"]
    snapshot = Snapshot.open(measured.store.directory(measured.result["corpus"]["snapshot"]))
    assert int(snapshot.attributes["published_at"].max()) + evaluate.DAY == evaluate.epoch_seconds(clock, "clock")
    assert newest < clock


def test_calibration_counts_every_candidate_pair_once(measured: Measured) -> None:
    counts = {
        name: sum(each["n"] for each in table["bins"]) for name, table in measured.result["calibration"].items()
    }
    assert counts["ours"] == counts["ours-default"] > 1_000
    assert all(0 <= table["error"] <= 1 for table in measured.result["calibration"].values())


def test_the_page_needs_no_network_and_no_script(measured: Measured) -> None:
    assert not re.search(r"(src|href)=|<script|@import|url\(", measured.page)
    assert measured.page.index("<h1>") < measured.page.index("nDCG@10")


def test_no_path_of_the_machine_is_in_the_figures(measured: Measured, archive: Path) -> None:
    assert str(archive) not in json.dumps(measured.result)
    assert all(
        set(each) <= {"internal_api", "version", "architecture", "num_threads"} for each in measured.result["blas"]
    )


def test_a_second_run_gives_the_same_figures_and_unchanged_lists(
    measured: Measured, archive: Path, links: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = measured.store.directory(measured.result["corpus"]["snapshot"])
    assert run(archive, links, "--against", str(before)) == 0
    again = json.loads((archive / "result.json").read_text("utf-8"))
    assert again["systems"] == measured.result["systems"]
    assert again["comparisons"] == measured.result["comparisons"]
    assert again["lists"]["churn"]["overlap"] == pytest.approx(1)
    assert "candidates: older articles only" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no column 'article_id'"), ("article_id\trelated_id\nx\ty\n", "no usable link")],
)
def test_a_useless_links_file_is_refused_before_anything_is_built(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "links.tsv"
    path.write_text(text, "utf-8")
    assert run(archive, path, "--store", str(tmp_path / "store")) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "store").exists()


def test_a_source_that_does_not_exist_is_named(
    links: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, links) == 2
    assert "does not exist" in capsys.readouterr().err


def test_extracted_links_are_ready_to_measure_with(tmp_path: Path, sample_truth: dict[str, Any]) -> None:
    story = {each: ids for ids in sample_truth["storylines"].values() for each in ids}
    records = rendered(NOW)
    urls = {record["id"]: record["url"] for record in records}
    for record in records:
        record["body"] += "".join(
            f"\n[more]({urls[other]})" for other in story[record["id"]] if other != record["id"]
        )
    (tmp_path / "articles.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    source, out = tmp_path / "articles.jsonl", tmp_path / "links.tsv"
    assert extract_links.main(["--source", str(source), "--out", str(out), "--quiet"]) == 0
    assert run(tmp_path, out) == 0
    links = Measured(tmp_path).result["links"]
    assert (
        links["used"]
        == links["rows"]
        >= sum(len(ids) * (len(ids) - 1) for ids in sample_truth["storylines"].values())
    )


def test_an_archive_without_dates_is_measured_on_all_candidates(tmp_path: Path, links: Path) -> None:
    records = [{key: value for key, value in each.items() if not key.endswith("_at")} for each in rendered(NOW)]
    (tmp_path / "articles.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    assert run(tmp_path, links) == 0
    found = Measured(tmp_path)
    assert {each["candidates"] for each in found.result["systems"]} == {"all"}
    assert found.result["links"]["sources"]["older"] == 0
