"""The rebuild: what is published, what is refused, what is reused; with a model-free embedder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hashing_embedder import HashingEmbedder

from index.article import Article
from index.build import RebuildOptions, Refused, rebuild
from index.lexical.archive_terms import load_lexical
from index.lexical.scoring_data import load_scorer
from index.live.snapshot_searcher import Searcher
from index.publishing.gate import reading_refusals
from index.publishing.store import Store, StoreLocked
from index.relevance.model import default_relevance
from index.snapshot.article_store import read_articles
from index.snapshot.attributes import FLAG_WITHDRAWN
from index.snapshot.manifest import DamagedSnapshot, Manifest, describe_file
from index.snapshot.reader import Snapshot
from index.snapshot.writer import TooManyNames, check_names
from index.sources import Rejection, Withdrawal
from index.storage.files import save_array
from index.text.passages import full_text
from index.vector_index.faiss_index import Nearest

DAY = 86_400


@dataclass
class Newsroom:
    """A store with the sample newsroom published in it."""

    store: Store
    snapshot: Snapshot
    articles: list[Article]

    def id_of(self, row: int) -> str:
        return str(msgspec.json.decode(self.snapshot.teaser(row))["id"])


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article], now: int) -> Newsroom:
    store = Store(tmp_path_factory.mktemp("newsroom"))
    report = rebuild(sample_articles, store, HashingEmbedder(), now)
    return Newsroom(store, Snapshot.open(store.directory(report.snapshot_id)), sample_articles)


def test_rows_are_sorted_by_date(newsroom: Newsroom) -> None:
    dates = newsroom.snapshot.attributes["published_at"]
    assert (np.diff(dates) >= 0).all()
    assert newsroom.snapshot.rows == len(newsroom.articles)


def test_every_vector_is_finite_and_unit(newsroom: Newsroom) -> None:
    lengths = np.linalg.norm(np.asarray(newsroom.snapshot.vectors, np.float32), axis=1)
    assert np.abs(lengths - 1).max() < 2e-3


def test_no_row_is_its_own_candidate_or_names_one_twice(newsroom: Newsroom) -> None:
    for row in range(newsroom.snapshot.rows):
        rows, features = newsroom.snapshot.neighbours(row)
        assert row not in rows
        assert len(set(rows.tolist())) == len(rows)
        assert (np.diff(features[:, 0]) <= 0).all()


def test_withdrawn_articles_are_nobodys_candidate(newsroom: Newsroom) -> None:
    snapshot = newsroom.snapshot
    withdrawn = set(np.flatnonzero(snapshot.attributes["flags"] & FLAG_WITHDRAWN).tolist())
    assert len(withdrawn) == 1
    for row in range(snapshot.rows):
        assert not withdrawn & set(snapshot.neighbours(row)[0].tolist())


def test_planted_copies_are_found_and_nothing_else(newsroom: Newsroom, sample_truth: dict[str, list[dict]]) -> None:
    planted = {frozenset(copy["ids"]) for copy in sample_truth["copies"]}
    clusters: dict[int, set[str]] = {}
    for row, canonical in enumerate(newsroom.snapshot.attributes["canonical"].tolist()):
        clusters.setdefault(canonical, set()).add(newsroom.id_of(row))
    assert {frozenset(ids) for ids in clusters.values() if len(ids) > 1} == planted


def test_the_first_candidate_is_mostly_of_the_same_storyline(
    newsroom: Newsroom, sample_truth: dict[str, dict[str, list[str]]]
) -> None:
    storyline = {each: name for name, ids in sample_truth["storylines"].items() for each in ids}
    hits = [
        storyline.get(newsroom.id_of(int(rows[0]))) == storyline[article_id]
        for row in range(newsroom.snapshot.rows)
        if (article_id := newsroom.id_of(row)) in storyline and len(rows := newsroom.snapshot.neighbours(row)[0])
    ]
    assert len(hits) > 70
    assert sum(hits) / len(hits) > 0.8  # with an embedder that only hashes words; with the model 91 of 97


def test_candidate_cosines_equal_those_of_numpy(newsroom: Newsroom) -> None:
    snapshot = newsroom.snapshot
    _, tfidf = load_lexical(snapshot.directory)
    dense = np.asarray(snapshot.vectors[:, :64], np.float64)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    for row in (0, 17, snapshot.rows - 1):
        rows, features = snapshot.neighbours(row)
        np.testing.assert_allclose(features[:, 1], dense[rows] @ dense[row], atol=1e-3)
        lexical = (tfidf[rows] @ tfidf[[row]].T).toarray().ravel()
        np.testing.assert_allclose(features[:, 2], lexical, atol=1e-3)


def test_a_filtered_search_equals_brute_force(newsroom: Newsroom) -> None:
    snapshot = newsroom.snapshot
    searcher = Searcher(snapshot)
    sport = snapshot.attributes["section"] == snapshot.manifest.sections.index("sport")
    row = int(np.flatnonzero(~sport)[3])
    rows, features = searcher.similar_rows(row, 5, sport)
    _, tfidf = load_lexical(snapshot.directory)
    scorer = load_scorer(snapshot, default_relevance(), tfidf)
    published = np.flatnonzero((snapshot.attributes["flags"] & FLAG_WITHDRAWN) == 0)
    _, baseline = scorer.score(scorer.probe(row), published[published != row])
    candidates = np.flatnonzero(sport)
    scored = scorer.score(scorer.probe(row), candidates, baseline)[0][:, 0]
    best = candidates[np.lexsort((-candidates, -scored))][:5]
    assert rows.tolist() == best.tolist()
    np.testing.assert_allclose(features[:, 0], np.sort(scored)[::-1][:5], atol=1e-6)


def test_the_same_input_twice_gives_the_same_table(newsroom: Newsroom, store: Store, now: int) -> None:
    again = rebuild(reversed(newsroom.articles), store, HashingEmbedder(), now)
    directory = store.directory(again.snapshot_id)
    for name in ("neighbours.rows.npy", "neighbours.features.npy", "teasers.jsonl", "vectors.npy"):
        assert (directory / name).read_bytes() == (newsroom.snapshot.directory / name).read_bytes(), name


def article(number: int, **more: object) -> Article:
    words = " ".join(f"word{word}" for word in np.random.default_rng(number).integers(0, 80, 30))
    facts = {"id": f"a{number}", "headline": f"Headline {number}", "body": words, "published_at": number * DAY}
    return Article(**{**facts, **more})  # type: ignore[arg-type]


def test_an_unchanged_source_embeds_nothing_and_keeps_the_lexical_model(store: Store, embedder, now: int) -> None:
    articles = [article(number) for number in range(30)]
    first = rebuild(articles, store, embedder, now)
    seen = len(embedder.embedded)
    second = rebuild(articles, store, embedder, now + 60)
    assert (first.lexical_refitted, second.lexical_refitted) == (True, False)
    assert second.embedded == 0
    assert len(embedder.embedded) == seen
    old, new = (store.directory(report.snapshot_id) for report in (first, second))
    assert (old / "vectors.npy").read_bytes() == (new / "vectors.npy").read_bytes()


def test_rows_of_words_that_do_not_belong_together_are_made_anew(store: Store, embedder, now: int) -> None:
    articles = [article(number) for number in range(30)]
    before = store.directory(rebuild(articles, store, embedder, now).snapshot_id)
    begins = np.load(before / "tfidf.begins.npy")
    save_array(before / "tfidf.begins.npy", begins[::-1])
    manifest = msgspec.json.decode((before / "manifest.json").read_bytes(), type=Manifest)  # as one that is whole
    files = manifest.files | {"tfidf.begins.npy": describe_file(before / "tfidf.begins.npy")}
    text = msgspec.json.encode(msgspec.structs.replace(manifest, files=files))
    (before / "manifest.json").write_bytes(text)
    (before / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")
    with pytest.raises(DamagedSnapshot, match="tfidf: "):
        Searcher(Snapshot.open(before))
    report = rebuild(articles, store, embedder, now + 60)
    assert report.lexical_refitted
    assert (np.load(store.directory(report.snapshot_id) / "tfidf.begins.npy") == begins).all()


@pytest.mark.parametrize("field", ["section", "language", "type", "brand"])
def test_more_names_than_a_snapshot_has_codes_for_are_refused_by_the_fields_name_before_embedding(
    store: Store, embedder, now: int, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.setattr("index.snapshot.writer.MOST_NAMES", 6)
    articles = [article(number, **{field: f"n{number}"}) for number in range(6)]
    report = rebuild(articles[:5], store, embedder, now)
    snapshot = Snapshot.open(store.directory(report.snapshot_id))
    assert snapshot.attributes[field].tolist() == [1, 2, 3, 4, 5]
    seen = len(embedder.embedded)
    with pytest.raises(Refused, match=f"more than 5 different values of {field}"):
        rebuild(articles, store, embedder, now, RebuildOptions(force=True))
    assert len(embedder.embedded) == seen
    assert store.active_id("default") == report.snapshot_id


def test_section_65_536_is_refused_and_the_one_before_has_a_code_of_its_own() -> None:
    sections = (article(0, section=f"s{number}") for number in range(65_535))
    check_names(sections)
    with pytest.raises(TooManyNames, match="more than 65,535 different values of section"):
        check_names(article(0, section=f"s{number}") for number in range(65_536))


def test_many_new_articles_refit_the_lexical_model(store: Store, embedder, now: int) -> None:
    rebuild([article(number) for number in range(30)], store, embedder, now)
    few = rebuild([article(number) for number in range(32)], store, embedder, now)
    many = rebuild([article(number) for number in range(45)], store, embedder, now)
    assert (few.lexical_refitted, many.lexical_refitted) == (False, True)


def test_the_lexical_model_is_refitted_after_many_small_steps(store: Store, embedder, now: int) -> None:
    """Each step adds 9% with words of its own year; measured against the last snapshot none is a tenth."""
    articles, last_words, refits, added = [article(number) for number in range(100)], 80, [], 0
    rebuild(articles, store, embedder, now)
    for step in range(1, 13):
        for number in range(len(articles), len(articles) + len(articles) * 9 // 100):
            draws = np.random.default_rng(number).integers(0, 80, 30)
            words = " ".join(f"word{word}" for word in [*draws[:10], *(last_words + draws[10:])])
            articles.append(article(number, body=words))
        last_words += 10
        report = rebuild(articles, store, embedder, now + step, RebuildOptions(force=True))
        directory = store.directory(report.snapshot_id)
        held, (model, rows) = np.load(directory / "lexical.fitted.npy"), load_lexical(directory)
        added = 0 if report.lexical_refitted else added + len(articles) - model.fitted_on - added
        assert (~held).sum() == len(articles) - model.fitted_on == added <= len(articles) / 10
        assert (np.diff(rows.begins) > 0).all()
        refits.append(report.lexical_refitted)
    assert len(articles) > 240
    assert 4 <= sum(refits) < 12


def test_articles_in_a_language_that_the_lexical_model_does_not_know_refit_it(
    store: Store, embedder, now: int
) -> None:
    articles = [article(number) for number in range(100)]
    rebuild(articles, store, embedder, now)
    greek = [article(number, headline="Νέα", body="γέφυρα ποτάμι πλοίο λιμάνι") for number in range(100, 105)]
    reports = [rebuild([*articles, *greek], store, embedder, now + at) for at in (1, 2)]
    assert [report.lexical_refitted for report in reports] == [True, False]
    _, rows = load_lexical(store.directory(reports[-1].snapshot_id))
    assert (np.diff(rows.begins) > 0).all()


def test_articles_without_any_known_word_do_not_refit_the_lexical_model_again_and_again(
    store: Store, embedder, now: int
) -> None:
    wordless = [article(number, headline=f"! {number}", body="") for number in range(100, 110)]
    articles = [*(article(number) for number in range(100)), *wordless]
    reports = [rebuild(articles, store, embedder, now + at, RebuildOptions(force=True)) for at in range(2)]
    assert [report.lexical_refitted for report in reports] == [True, False]


def test_an_archive_that_lost_much_of_what_the_lexical_model_was_fitted_on_is_fitted_anew(
    store: Store, embedder, now: int
) -> None:
    articles = [article(number) for number in range(100)]
    reports = [rebuild(articles[gone:], store, embedder, now + gone) for gone in (0, 5, 12)]
    assert [report.lexical_refitted for report in reports] == [True, False, True]


def test_the_lexical_model_of_a_large_archive_is_fitted_on_a_sample(
    store: Store, embedder, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.lexical.archive_terms.FITTED_ON", 12)
    articles = [article(number) for number in range(30)]
    report = rebuild(articles, store, embedder, now)
    model, tfidf = load_lexical(store.directory(report.snapshot_id))
    assert model.fitted_on == 10
    assert abs(tfidf[:] - model.tfidf([full_text(each) for each in articles])).max() == 0


def test_of_two_articles_with_one_id_the_later_updated_wins(store: Store, embedder, now: int) -> None:
    newer = article(1, headline="Newer", updated_at=9 * DAY)
    older = article(1, headline="Older", updated_at=8 * DAY)
    report = rebuild([newer, older, article(2)], store, embedder, now)
    found = {each.id: each.headline for each in read_articles(store.directory(report.snapshot_id))}
    assert found == {"a1": "Newer", "a2": "Headline 2"}
    assert (report.superseded, report.outdated) == (0, 1)


def test_articles_that_share_a_url_are_counted_and_the_first_are_named(store: Store, embedder, now: int) -> None:
    url = "https://courier.example/shared"
    articles = [article(1, url=url), article(2, url="/2"), article(3, url=url + "?utm_source=x"), article(4, url=url)]
    report = rebuild([*articles, article(5)], store, embedder, now)
    snapshot = Snapshot.open(store.directory(report.snapshot_id))
    row = snapshot.row_of_url(url)
    assert row is not None
    assert (report.shared_addresses, snapshot.id_of(row)) == (2, "a4")
    assert report.shared_examples == ("'a1' and 'a4'", "'a3' and 'a4'")


def test_of_two_equally_old_articles_with_one_id_the_one_read_later_wins(store: Store, embedder, now: int) -> None:
    report = rebuild([article(1, headline="First"), article(1, headline="Second")], store, embedder, now)
    assert [each.headline for each in read_articles(store.directory(report.snapshot_id))] == ["Second"]


def test_onto_last_adds_to_the_live_archive(store: Store, embedder, now: int) -> None:
    rebuild([article(1), article(2)], store, embedder, now)
    report = rebuild([article(3)], store, embedder, now, RebuildOptions(onto_last=True))
    assert report.articles == 3


def test_without_articles_nothing_is_published_even_by_force(store: Store, embedder, now: int) -> None:
    with pytest.raises(Refused, match="no article"):
        rebuild([], store, embedder, now, RebuildOptions(force=True))
    assert store.active_id("default") is None
    assert store.snapshot_ids() == []


def test_a_build_that_fails_or_is_refused_leaves_no_half_made_snapshot(
    store: Store, embedder, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.publishing.gate.LEAST_RECALL", 1.5)
    with pytest.raises(Refused, match="of the true neighbours"):
        rebuild([article(1), article(2)], store, embedder, now)
    assert list(store.snapshots.iterdir()) == []
    monkeypatch.setattr("index.build.find_stories", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rebuild([article(1), article(2)], store, embedder, now)
    assert list(store.snapshots.iterdir()) == []


def rejections(count: int) -> list[Rejection]:
    return [Rejection("f.jsonl", line, "id: is missing") for line in range(1, count + 1)]


def test_a_shrinking_archive_is_refused_until_forced(store: Store, embedder, now: int) -> None:
    first = rebuild([article(number) for number in range(10)], store, embedder, now)
    embedder.embedded.clear()
    with pytest.raises(Refused, match="shrinks from 10 to 7"):
        rebuild([article(number) for number in range(7)], store, embedder, now)
    assert store.active_id("default") == first.snapshot_id
    assert embedder.embedded == []
    assert (
        rebuild([article(number) for number in range(7)], store, embedder, now, RebuildOptions(force=True)).articles
        == 7
    )


def test_too_many_rejections_are_refused(store: Store, embedder, now: int) -> None:
    records = [*(article(number) for number in range(10)), *rejections(3)]
    with pytest.raises(Refused, match=r"3 of 13 records were rejected \(limit 2\)"):
        rebuild(records, store, embedder, now)
    assert embedder.embedded == []
    assert rebuild(records, store, embedder, now, RebuildOptions(force=True)).rejected == 3


@pytest.mark.parametrize(
    ("bad", "whole", "limit"),
    [
        (1, 5, None), (2, 5, None), (3, 5, "2"), (1, 2, None), (1, 3, None), (2, 3, "1"), (2, 4, None), (3, 4, "2"),
        (2, 39, None), (3, 39, "2"), (2, 40, None), (3, 41, "5%"), (5, 100, None), (6, 100, "5%"),
    ],
)  # fmt: skip
def test_few_rejections_are_no_reason_to_refuse_a_small_archive(bad: int, whole: int, limit: str | None) -> None:
    found = [each.reason for each in reading_refusals(whole - bad, whole, bad, None)]
    assert found == ([f"{bad} of {whole} records were rejected (limit {limit})"] if limit else [])


def test_rejections_count_against_the_whole_archive_when_building_onto_the_last(
    store: Store, embedder, now: int
) -> None:
    rebuild([article(number) for number in range(30)], store, embedder, now)
    assert rebuild([article(30), *rejections(2)], store, embedder, now, RebuildOptions(onto_last=True)).rejected == 2
    with pytest.raises(Refused, match="3 of 34 records were rejected"):
        rebuild(rejections(3), store, embedder, now, RebuildOptions(onto_last=True))


@pytest.mark.parametrize("count", [2, 3, 7, 12])
def test_a_withdrawal_alone_is_published_however_small_the_archive(
    store: Store, embedder, now: int, count: int
) -> None:
    archive = [article(number) for number in range(count)]  # of seven, each has all six others in its list
    rebuild(archive, store, embedder, now)
    delta = [Withdrawal("f.jsonl", 1, "headline: is missing", "a1")]
    report = rebuild(delta, store, embedder, now, RebuildOptions(onto_last=True))
    assert (report.articles, report.withdrawn, report.rejected) == (count, 1, 0)


def test_rejections_are_kept_with_file_line_and_reason(store: Store, embedder, now: int) -> None:
    records = [*(article(number) for number in range(30)), Rejection("f.jsonl", 31, "id: is missing")]
    report = rebuild(records, store, embedder, now)
    lines = (store.directory(report.snapshot_id) / "rejected.jsonl").read_text().splitlines()
    assert [msgspec.json.decode(line) for line in lines] == [
        {"where": "f.jsonl", "line": 31, "reason": "id: is missing"}
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_tiny_archives_work(store: Store, embedder, now: int, count: int) -> None:
    report = rebuild([article(number) for number in range(count)], store, embedder, now)
    snapshot = Snapshot.open(store.directory(report.snapshot_id))
    assert [len(snapshot.neighbours(row)[0]) for row in range(count)] == [count - 1] * count


def test_articles_without_a_single_word_do_not_stop_a_rebuild(store: Store, embedder, now: int) -> None:
    articles = [article(1, headline="!!!", body=""), article(2, headline="???", body="")]
    assert rebuild(articles, store, embedder, now).articles == 2


def test_a_damaged_live_snapshot_does_not_stop_the_next_rebuild(store: Store, embedder, now: int) -> None:
    first = rebuild([article(1), article(2)], store, embedder, now)
    (store.directory(first.snapshot_id) / "vectors.npy").write_bytes(b"")
    second = rebuild([article(1), article(2)], store, embedder, now + 1)
    assert store.active_id("default") == second.snapshot_id


def test_two_rebuilds_at_once_are_refused(store: Store, embedder, now: int) -> None:
    with store.lock(), pytest.raises(StoreLocked):
        rebuild([article(1)], store, embedder, now)


def test_fifty_copies_leave_room_for_other_stories(store: Store, embedder, now: int) -> None:
    body = " ".join(f"agency{at}" for at in range(60))
    copies = [article(number, id=f"copy{number}", body=f"{body} town{number}") for number in range(50)]
    others = [article(number) for number in range(100, 170)]
    report = rebuild([*copies, *others], store, embedder, now)
    snapshot = Snapshot.open(store.directory(report.snapshot_id))
    copied = [snapshot.row_of_id(f"copy{number}") for number in range(50)]
    assert len(set(snapshot.attributes["canonical"][copied].tolist())) == 1
    assert len(snapshot.neighbours(copied[0])[0]) == 50


def test_the_vector_index_agrees_with_numpy() -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float16).astype(np.float32)
    nearest = Nearest.build(vectors)
    rows, scores = nearest.search(vectors[:20], 7)
    truth = vectors[:20] @ vectors.T
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :7], atol=1e-5)
    assert rows[:, 0].tolist() == list(range(20))
    assert nearest.recall() == 1.0
    allowed = np.zeros(500, bool)
    allowed[[3, 400]] = True
    rows, scores = nearest.search(vectors[:1], 5, allowed)
    assert sorted(rows[0, :2].tolist()) == [3, 400]
    assert rows[0, 2:].tolist() == [-1, -1, -1]
    assert np.isneginf(scores[0, 2:]).all()


COMMAND = Path(__file__).parents[3] / "scripts" / "rebuild_index.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, COMMAND, *arguments], capture_output=True, text=True)


def test_the_command_says_what_is_wrong_and_exits_as_documented(tmp_path: Path) -> None:
    missing = run("--source", str(tmp_path / "none.jsonl"), "--store", str(tmp_path / "s"))
    assert missing.returncode == 2
    assert "none.jsonl" in missing.stderr
    nothing = run("--store", str(tmp_path / "s"))
    assert (nothing.returncode, "--source" in nothing.stderr) == (2, True)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    refused = run("--source", str(empty), "--store", str(tmp_path / "s"))
    assert (refused.returncode, "no article" in refused.stderr) == (1, True)
    with Store(tmp_path / "s").lock():
        locked = run("--source", str(empty), "--store", str(tmp_path / "s"))
    assert locked.returncode == os.EX_TEMPFAIL
    file_as_store = run("--source", str(empty), "--store", str(empty))
    assert file_as_store.returncode == os.EX_IOERR
