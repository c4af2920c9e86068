"""The links file: what is read, what is left out and named, what is fatal; and who is a candidate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hashing_embedder import HashingEmbedder

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from index.relevance.links_file import Links, UnusableLinks, read_links
from service.evaluation.relevance.corpus import Corpus, best, candidates, open_corpus
from service.evaluation.relevance.judgements import judged

ROWS = {"a": 0, "b": 1, "c": 2, "alias-of-a": 0}


@pytest.fixture
def links_file(tmp_path: Path) -> Path:
    return tmp_path / "links.tsv"


def read(path: Path, *lines: str) -> Links:
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return read_links(path, ROWS.get)


def test_grades_are_gains_and_other_columns_are_ignored(links_file: Path) -> None:
    links = read(
        links_file, "kind\tarticle_id\trelated_id\tgrade", "x\ta\tb\t2.5", "x\ta\tc\t", "x\tb\talias-of-a\t1"
    )
    assert links.truth == {0: {1: 2.5, 2: 1.0}, 1: {0: 1.0}}
    assert (links.rows, links.used, links.problems) == (3, 3, ())


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(links_file: Path) -> None:
    links_file.write_bytes(b"\xef\xbb\xbfarticle_id\trelated_id\r\na\tb\r\n")
    assert read_links(links_file, ROWS.get).truth == {0: {1: 1.0}}


def test_a_quotation_mark_is_a_character_like_any_other(links_file: Path) -> None:
    links = read(links_file, "article_id\trelated_id\tanchor_text", 'a\tb\t"we said', 'a\tc\tand "done"')
    assert links.truth == {0: {1: 1.0, 2: 1.0}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x\tb\t1", "article_id is not in the archive"),
        ("\tb\t1", "article_id is not in the archive"),
        ("a\tx\t1", "related_id is not in the archive"),
        ("a", "related_id is not in the archive"),
        ("a\talias-of-a\t1", "the article links to itself"),
        ("a\tc\tmuch", "grade is not a number above 0"),
        ("a\tc\t0", "grade is not a number above 0"),
        ("a\tc\t-1", "grade is not a number above 0"),
        ("a\tc\tnan", "grade is not a number above 0"),
        ("a\tc\tinf", "grade is not a number above 0"),
        ("alias-of-a\tb\t2", "the same link again"),
    ],
)
def test_a_bad_row_is_left_out_counted_and_named_by_its_line(links_file: Path, line: str, reason: str) -> None:
    links = read(links_file, "article_id\trelated_id\tgrade", "a\tb\t1", line)
    assert links.truth == {0: {1: 1.0}}
    assert (links.rows, links.used) == (2, 1)
    (problem,) = links.problems
    assert (problem.reason, problem.lines, problem.examples[0][0]) == (reason, 1, 3)


def test_only_the_first_five_lines_of_a_problem_are_named(links_file: Path) -> None:
    links = read(links_file, "article_id\trelated_id", "a\tb", *["a\tx"] * 7)
    (problem,) = links.problems
    assert problem.lines == 7
    assert [line for line, _ in problem.examples] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "no column 'article_id'"),
        (("article_id,related_id", "a,b"), "no column 'article_id'"),
        (("article_id\tother", "a\tb"), "no column 'related_id'"),
        (("article_id\trelated_id",), "no usable link .it has no rows."),
        (("article_id\trelated_id", "a\tx", "a\ty"), "no usable link .2 × related_id is not in the archive."),
    ],
)
def test_a_file_without_a_usable_link_is_refused_in_one_sentence(
    links_file: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UnusableLinks, match=message):
        read(links_file, *lines)


def test_a_file_that_is_missing_or_not_utf8_is_refused(links_file: Path) -> None:
    with pytest.raises(UnusableLinks, match="cannot be read"):
        read_links(links_file, ROWS.get)
    links_file.write_bytes(b"article_id\trelated_id\na\t\xff\n")
    with pytest.raises(UnusableLinks, match="not UTF-8"):
        read_links(links_file, ROWS.get)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Rows 0 undated, 1 of day 1, 2 and 3 of day 2, 4 of day 3, 5 of day 4 and withdrawn."""
    days = {"0": None, "1": 1, "2": 2, "3": 2, "4": 3, "5": 4}
    articles = [
        Article(
            id=name,
            headline=f"Story {name}",
            published_at=None if day is None else day * 86_400,
            status="withdrawn" if name == "5" else "published",
        )
        for name, day in days.items()
    ]
    store = Store(tmp_path_factory.mktemp("dated"))
    report = rebuild(articles, store, HashingEmbedder(), 5 * 86_400)
    return open_corpus(store.directory(report.snapshot_id))


def test_older_candidates_are_dated_and_not_later_than_the_source(dated: Corpus) -> None:
    assert candidates(dated, 2, "older").tolist() == [3, 1]
    assert candidates(dated, 4, "older").tolist() == [3, 2, 1]
    assert candidates(dated, 0, "older").tolist() == []


def test_all_candidates_are_all_but_the_source_and_the_withdrawn(dated: Corpus) -> None:
    assert candidates(dated, 2, "all").tolist() == [4, 3, 1, 0]


def test_truth_is_restricted_to_candidates_and_sources_without_any_are_left_out(dated: Corpus) -> None:
    truth = {4: {1: 2.0, 0: 1.0, 5: 1.0}, 2: {4: 1.0}, 0: {1: 1.0}}
    assert judged(dated, truth, "older") == {4: {1: 2.0}}
    assert judged(dated, truth, "all") == {0: {1: 1.0}, 2: {4: 1.0}, 4: {1: 2.0, 0: 1.0}}


def test_of_equal_scores_the_newer_row_comes_first(dated: Corpus) -> None:
    rows = candidates(dated, 4, "older")
    assert best(rows, np.zeros(len(rows))).tolist() == [3, 2, 1]
    assert best(rows, np.array([0.0, 0.5, 0.5]), k=2).tolist() == [2, 1]
