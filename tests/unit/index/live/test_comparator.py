"""Articles that come after a snapshot, compared as if they had been built into it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hashing_embedder import HashingEmbedder
from scipy import sparse

from index.article import Article
from index.build import RebuildOptions, rebuild
from index.clustering.assignment import Members, Others, joined
from index.clustering.stories import default_stories, find_stories
from index.embedding.vector_cache import VectorCache
from index.lexical.archive_terms import load_lexical
from index.lexical.scoring_data import load_scorer
from index.live.comparator import Arrivals, ModelMismatch
from index.live.comparison import Comparison
from index.live.query_features import ArticleEmbedder, Prepared, prepared
from index.live.segment import LEAST_ROOM, Growing
from index.live.snapshot_searcher import Searcher
from index.publishing.store import Store
from index.relevance.link_graph import LinkGraph
from index.relevance.model import Baseline, baseline_of, default_relevance
from index.relevance.pair_features import DEPTH, LEAST_WAY, ArticleFeatures, PairScorer
from index.snapshot.article_store import read_articles
from index.snapshot.attributes import FIRST_LIVE_ROW
from index.snapshot.reader import Snapshot

DAY = 86_400
FERRY = "news/brackholm-ferry-breaks-down-mid-river"
QUEUES = "news/replacement-boat-brackholm-queues"
CONTRACT, CONTRACT_COPY = "business/bridge-contract-tarrant-holm", "business/coastline-wend-bridge-deal"
JURY, JURY_COPY = "crime/accountant-tells-jury-of-lifeboat-cheques", "crime/initials-matched-bank-account-court-hears"
LATER = (FERRY, CONTRACT_COPY, JURY, JURY_COPY, "politics/flood-wall-cost-row", "sport/herons-win-play-off-final",
         "politics/council-backs-new-lifting-bridge", "culture/alhambra-reopens-with-sold-out-gala")  # fmt: skip


@dataclass
class Newsroom:
    """The sample newsroom, built without the later articles, and built whole by the same lexical model."""

    articles: dict[str, Article]
    before: Searcher
    whole: Searcher
    ids: list[str]
    whole_ids: list[str]

    def arrivals(self) -> Arrivals:
        return Arrivals(self.before, ArticleEmbedder(HashingEmbedder()))

    def all_compared(self) -> dict[str, Comparison]:
        arrivals = self.arrivals()
        return {each: arrivals.compare(self.articles[each], at) for at, each in enumerate(LATER)}

    def row(self, article_id: str) -> int:
        """Its row as long as it is live, or in the snapshot."""
        return FIRST_LIVE_ROW + LATER.index(article_id) if article_id in LATER else self.ids.index(article_id)

    def id_of(self, row: int) -> str:
        return LATER[row - FIRST_LIVE_ROW] if row >= FIRST_LIVE_ROW else self.ids[row]

    def named(self, rows: np.ndarray, features: np.ndarray) -> dict[str, list[float]]:
        return {
            self.id_of(row): values
            for row, values in zip(rows.tolist(), features.astype(float).tolist(), strict=True)
        }


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article], now: int) -> Newsroom:
    store, embedder = Store(tmp_path_factory.mktemp("newsroom")), HashingEmbedder()
    searchers = []
    for articles in ([each for each in sample_articles if each.id not in LATER], sample_articles):
        report = rebuild(articles, store, embedder, now, RebuildOptions(force=True))
        searchers.append(Searcher(Snapshot.open(store.directory(report.snapshot_id))))
    assert not report.lexical_refitted
    ids = [[each.id for each in read_articles(searcher.snapshot.directory)] for searcher in searchers]
    return Newsroom({each.id: each for each in sample_articles}, *searchers, *ids)


ANYTHING = np.ones(97, bool)


def every(_article: Article, _canonical: int) -> bool:
    return True


def test_each_of_many_with_one_has_the_features_of_one_with_one(newsroom: Newsroom) -> None:
    snapshot = newsroom.whole.snapshot
    _, tfidf = load_lexical(snapshot.directory)
    relevance = msgspec.structs.replace(default_relevance(), link_weight=0.5)
    hub = newsroom.whole_ids.index(QUEUES)
    links = LinkGraph.of({row: {hub: 1.0} for row in range(snapshot.rows)}, newsroom.whole.published_at)
    scorer = load_scorer(snapshot, relevance, tfidf, links)
    headlines = newsroom.whole.lexical.tfidf([newsroom.articles[each].headline for each in newsroom.whole_ids])
    for row in (hub, 5, snapshot.rows - 1):
        others = np.delete(np.arange(snapshot.rows), row)
        features, found = scorer.both_ways(scorer.probe(row), headlines[row].toarray()[0], others, row)
        np.testing.assert_array_equal(features, scorer.pair_features(scorer.probe(row), others))
        expected = [scorer.pair_features(scorer.probe(int(other)), np.array([row]))[0] for other in others]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert (found[:, 5] > 0).any() == (row == hub)


def test_an_arrival_is_related_as_if_it_had_been_built_into_the_archive(newsroom: Newsroom) -> None:
    """Oracle: every pair of the archive that was built whole, scored one by one."""
    scorer, row_of = newsroom.whole.scorer, {each: row for row, each in enumerate(newsroom.whole_ids)}
    withdrawn = set(np.flatnonzero(~newsroom.whole.published).tolist())
    known = {each: Baseline(*newsroom.before.baselines[row]) for row, each in enumerate(newsroom.ids)}
    compared = newsroom.all_compared()
    canonical = {each: int(newsroom.before.clusters[row, 0]) for row, each in enumerate(newsroom.ids)}
    for article_id, found in compared.items():
        row, others = row_of[article_id], np.array([row_of[each] for each in known if row_of[each] not in withdrawn])
        cosines = newsroom.whole.snapshot.vectors[others].astype(np.float32) @ newsroom.whole.vector(row)
        _, baseline = scorer.score(scorer.probe(row), others[np.argsort(-cosines)[:DEPTH]])
        own, into = {}, {}
        for other in others.tolist():
            other_id = newsroom.whole_ids[other]
            if canonical[other_id] == found.canonical:
                continue
            own[other_id] = scorer.score(scorer.probe(row), np.array([other]), baseline)[0][0]
            into[other_id] = scorer.score(scorer.probe(other), np.array([row]), known[other_id])[0][0]
        known[article_id], canonical[article_id] = baseline, found.canonical
        assert_same_pairs(newsroom.named(found.rows, found.features), own)
        assert_same_pairs(newsroom.named(found.into, found.into_features), into)
        assert min(found.into_features[:, 0]) >= LEAST_WAY


def assert_same_pairs(found: dict[str, list[float]], expected: dict[str, np.ndarray]) -> None:
    """The same pairs over the floor (give or take a rounding), with the same values."""
    wanted = {each for each, values in expected.items() if values[0] >= LEAST_WAY + 1e-4}
    assert wanted <= set(found) <= set(expected)
    assert len(wanted) > 5
    for each, values in found.items():
        np.testing.assert_allclose(values, expected[each], atol=2e-3, err_msg=each)


def test_candidates_come_best_first_and_of_equals_the_higher_row(newsroom: Newsroom) -> None:
    for article_id, found in newsroom.all_compared().items():
        order = np.lexsort((-found.rows.astype(np.int64), -found.features[:, 0]))
        assert order.tolist() == list(range(len(order)))
        assert len(set(found.rows.tolist())) == len(order)
        assert newsroom.row(article_id) not in {*found.rows.tolist(), *found.into.tolist()}


def test_a_copy_of_what_is_there_counts_as_that_and_is_not_related_to_it(newsroom: Newsroom) -> None:
    compared = newsroom.all_compared()
    copy, original = compared[CONTRACT_COPY], newsroom.row(CONTRACT)
    assert copy.canonical == original
    assert (copy.event, copy.storyline) == tuple(newsroom.before.clusters[original, 1:].tolist())
    assert original not in {*copy.rows.tolist(), *copy.into.tolist()}


def test_of_two_copies_that_came_later_the_second_counts_as_the_first(newsroom: Newsroom) -> None:
    compared = newsroom.all_compared()
    assert compared[JURY].canonical == newsroom.row(JURY)
    assert compared[JURY_COPY][6:] == compared[JURY][6:]


def test_an_arrival_joins_the_storyline_that_it_continues(newsroom: Newsroom) -> None:
    ferry = newsroom.all_compared()[FERRY]
    assert ferry.storyline == newsroom.before.clusters[newsroom.row(QUEUES), 2]


def test_arrivals_are_in_the_duplicates_and_events_that_a_rebuild_puts_them_into(newsroom: Newsroom) -> None:
    compared = newsroom.all_compared()
    built = {each: newsroom.before.clusters[row] for row, each in enumerate(newsroom.ids)}
    live = built | {each: np.array(found[6:]) for each, found in compared.items()}
    whole = {each: newsroom.whole.clusters[row] for row, each in enumerate(newsroom.whole_ids)}
    for article_id in LATER:
        for level in (0, 1):
            ours, theirs = (
                {each for each in whole if labels[each][level] == labels[article_id][level]}
                for labels in (live, whole)
            )
            assert ours == theirs, (article_id, level)


def test_an_arrival_is_sketched_by_the_planes_of_its_snapshot_whatever_numpy_draws_today(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = np.random.default_rng
    monkeypatch.setattr("numpy.random.default_rng", lambda seed=None: seeded(None if seed is None else seed + 1))
    found = newsroom.arrivals().compare(newsroom.articles[FERRY], LATER.index(FERRY))
    row = newsroom.whole_ids.index(FERRY)
    assert int.from_bytes(found.sketch, "little") == newsroom.whole.snapshot.sketch(row)


def test_words_and_sketch_are_those_that_a_rebuild_stores(newsroom: Newsroom) -> None:
    snapshot = newsroom.whole.snapshot
    for article_id, found in newsroom.all_compared().items():
        row = newsroom.whole_ids.index(article_id)
        assert int.from_bytes(found.sketch, "little") == snapshot.sketch(row)
        assert [term.lower() for term in found.terms] == [term.lower() for term in snapshot.terms(row)]
        assert len(set(found.terms) & set(snapshot.terms(row))) >= 20
    assert "Brackholm" in newsroom.all_compared()[FERRY].terms


def test_an_updated_article_keeps_its_row_and_clusters_and_is_met_as_it_is_now(newsroom: Newsroom) -> None:
    arrivals, row = newsroom.arrivals(), newsroom.row(QUEUES)
    about_ferries = newsroom.articles[QUEUES]
    herons = newsroom.articles["sport/herons-appoint-sorrel-manager"]
    updated = msgspec.structs.replace(herons, id=QUEUES, url="", headline="Herons appoint a manager")
    first = arrivals.compare(updated, 40)
    assert first[6:] == tuple(newsroom.before.clusters[row].tolist())
    assert row not in {*first.rows.tolist(), *first.into.tolist()}
    sport = newsroom.row("sport/herons-nine-wins-promotion-push")
    assert sport in first.into[first.into_features[:, 0] > 0.05].tolist()
    ferry = arrivals.compare(newsroom.articles[FERRY], LATER.index(FERRY))
    as_it_was = newsroom.named(*newsroom.all_compared()[FERRY][:2])[QUEUES][0]
    as_it_is = newsroom.named(*ferry[:2])[QUEUES][0]
    assert as_it_is < 0.1 < as_it_was
    assert np.count_nonzero(ferry.rows == row) == 1
    again = arrivals.compare(about_ferries, 40)  # changed back
    assert newsroom.row(FERRY) in again.into.tolist()


def test_an_article_that_changed_its_id_is_not_related_to_what_it_was(newsroom: Newsroom) -> None:
    ferry = newsroom.articles[QUEUES]
    renamed = msgspec.structs.replace(ferry, id="2026/queues", aliases=(QUEUES,))
    arrivals = newsroom.arrivals()
    found = arrivals.compare(renamed, 40)
    assert found.canonical == FIRST_LIVE_ROW + 40
    assert newsroom.row(QUEUES) not in {*found.rows.tolist(), *found.into.tolist()}
    later = arrivals.compare(newsroom.articles[FERRY], LATER.index(FERRY))
    assert newsroom.row(QUEUES) not in later.rows.tolist()
    assert FIRST_LIVE_ROW + 40 in later.rows.tolist()


def test_a_withdrawn_article_is_met_by_nobody_until_it_is_published_again(newsroom: Newsroom) -> None:
    arrivals, articles = newsroom.arrivals(), newsroom.articles
    arrivals.compare(articles[JURY], LATER.index(JURY))
    gone = {newsroom.row(JURY), newsroom.row(QUEUES)}
    for row in gone:
        arrivals.forget(row)
    for article_id in (FERRY, JURY_COPY):
        found = arrivals.compare(articles[article_id], LATER.index(article_id))
        assert not gone & {*found.rows.tolist(), *found.into.tolist()}
        assert found.canonical == newsroom.row(article_id)
    assert newsroom.row(FERRY) in arrivals.compare(articles[QUEUES], 40).rows.tolist()
    assert newsroom.row(QUEUES) in arrivals.compare(articles[FERRY], LATER.index(FERRY)).rows.tolist()


def test_after_a_restart_with_known_comparisons_the_next_article_is_compared_the_same(newsroom: Newsroom) -> None:
    compared = newsroom.all_compared()
    restarted = newsroom.arrivals()
    for article_id in LATER[:-1]:
        known = Comparison.from_bytes(compared[article_id].to_bytes())
        restarted.hold(newsroom.articles[article_id], LATER.index(article_id), known)
    last = restarted.compare(newsroom.articles[LATER[-1]], len(LATER) - 1)
    assert last.to_bytes() == compared[LATER[-1]].to_bytes()


def test_an_article_whose_row_stands_for_others_keeps_its_clusters_when_it_changes(newsroom: Newsroom) -> None:
    arrivals = newsroom.arrivals()
    for article_id in (JURY, JURY_COPY):
        arrivals.compare(newsroom.articles[article_id], LATER.index(article_id))
    other = msgspec.structs.replace(newsroom.articles[CONTRACT_COPY], id=JURY, url="")
    assert arrivals.compare(other, LATER.index(JURY)).canonical == newsroom.row(JURY)
    second = msgspec.structs.replace(newsroom.articles[QUEUES], id=JURY_COPY, url="")
    assert arrivals.compare(second, LATER.index(JURY_COPY)).canonical == newsroom.row(QUEUES)


def test_a_draft_finds_what_came_since_and_only_what_is_admitted(newsroom: Newsroom, now: int) -> None:
    arrivals, draft = newsroom.arrivals(), newsroom.articles[FERRY]
    arrivals.compare(draft, LATER.index(FERRY))
    rows, features = arrivals.similar(draft, now, 10, ANYTHING[: len(newsroom.ids)], every)
    assert rows[0] == newsroom.row(FERRY)
    assert features[0, 1:] == pytest.approx([1, 1], abs=2e-3)
    rows, _ = arrivals.similar(draft, now, 10, ANYTHING[: len(newsroom.ids)], lambda article, _: article.id != FERRY)
    assert newsroom.row(FERRY) not in rows.tolist()
    assert len(rows) == 10
    rows, _ = arrivals.similar(draft, now, 10, np.zeros(len(newsroom.ids), bool), every)
    assert rows.tolist() == [newsroom.row(FERRY)]


def test_a_filtered_search_from_either_side_gives_what_comparing_gave(newsroom: Newsroom) -> None:
    arrivals = newsroom.arrivals()
    compared = {each: arrivals.compare(newsroom.articles[each], at) for at, each in enumerate(LATER)}
    last, anything = compared[LATER[-1]], ANYTHING[: len(newsroom.ids)]
    rows, features = arrivals.similar_rows(newsroom.row(LATER[-1]), 30, anything, every)
    np.testing.assert_array_equal(rows, last.rows[:30])
    np.testing.assert_array_equal(features, last.features[:30])
    source = int(last.into[0])
    rows, features = arrivals.similar_rows(source, 97, anything, every)
    found = features[rows == newsroom.row(LATER[-1])]
    np.testing.assert_allclose(found[0], last.into_features[0], atol=1e-3)
    with pytest.raises(KeyError):
        arrivals.similar_rows(FIRST_LIVE_ROW + 99, 5, anything, every)


def test_drafts_are_answered_while_articles_arrive(newsroom: Newsroom, now: int) -> None:
    arrivals, ended = newsroom.arrivals(), threading.Event()
    draft, anything = newsroom.articles[FERRY], ANYTHING[: len(newsroom.ids)]

    def arriving() -> None:
        for at in range(40):
            arrivals.compare(msgspec.structs.replace(newsroom.articles[LATER[at % 8]], id=f"x{at % 12}"), at % 12)
        ended.set()

    thread = threading.Thread(target=arriving)
    thread.start()
    answers = 0
    while not ended.is_set() or not answers:
        rows, _ = arrivals.similar(draft, now, 97, anything, every)
        assert len(set(rows.tolist())) == len(rows) >= 87
        answers += 1
    thread.join()


def test_published_articles_are_embedded_once_and_drafts_are_not_kept(
    newsroom: Newsroom, tmp_path: Path, now: int
) -> None:
    embedder = HashingEmbedder()
    cache = VectorCache(tmp_path, embedder.fingerprint, embedder.dimension)
    arrivals = Arrivals(newsroom.before, ArticleEmbedder(embedder, cache))
    arrivals.similar(newsroom.articles[JURY], now, 5, ANYTHING[: len(newsroom.ids)], every)
    assert len(cache) == 0
    arrivals.compare(newsroom.articles[FERRY], 0)
    embedder.embedded.clear()
    assert len(cache) >= 2
    newsroom_again = Arrivals(newsroom.before, ArticleEmbedder(embedder, cache))
    newsroom_again.compare(newsroom.articles[FERRY], 0)
    assert embedder.embedded == []


def test_a_model_other_than_the_snapshots_is_refused(newsroom: Newsroom) -> None:
    embedder = HashingEmbedder()
    embedder.fingerprint = "another"
    with pytest.raises(ModelMismatch, match="holds the model another, the snapshot was built with hashing-64"):
        Arrivals(newsroom.before, ArticleEmbedder(embedder))


def as_prepared(newsroom: Newsroom, article: Article) -> Prepared:
    dense = ArticleEmbedder(HashingEmbedder()).article(article)
    return prepared(article, dense, newsroom.before.lexical, article.published_at)


def test_a_segment_that_grew_scores_like_one_made_at_once_and_leaves_old_versions_behind(newsroom: Newsroom) -> None:
    searcher, articles = newsroom.before, [newsroom.articles[each] for each in LATER]
    made = [as_prepared(newsroom, each) for each in articles]
    terms, nothing = len(searcher.lexical.terms), Baseline(0.0, 0.0, 0.0)
    growing = Growing(len(made[0].vector), 64, terms, searcher.relevance, None)
    early = None
    for at in range(LEAST_ROOM * 3):
        row = FIRST_LIVE_ROW + at % 150
        growing.put(row, articles[at % 8], made[at % 8], nothing, (row, row, row))
        early = early or growing.segment()
    growing.drop(FIRST_LIVE_ROW + 3)
    segment = growing.segment()
    assert len(segment.rows) < LEAST_ROOM * 3
    present = np.flatnonzero(segment.present)
    assert sorted(segment.rows[present].tolist()) == [FIRST_LIVE_ROW + at for at in range(150) if at != 3]
    assert segment.place_of(FIRST_LIVE_ROW + 3) is None
    last = {(FIRST_LIVE_ROW + at % 150): at % 8 for at in range(LEAST_ROOM * 3)}
    which = [last[row] for row in segment.rows[present].tolist()]
    features = ArticleFeatures(
        np.stack([made[at].vector for at in which]), 64, sparse.vstack([made[at].text for at in which]).tocsr(),
        sparse.vstack([made[at].headline for at in which]).tocsr(),
        np.array([articles[at].published_at for at in which]), np.array([made[at].probe.brief for at in which]),
    )  # fmt: skip
    at_once = PairScorer(features, searcher.relevance)
    np.testing.assert_allclose(
        segment.scorer.pair_features(made[0].probe, present),
        at_once.pair_features(made[0].probe, np.arange(len(present))),
        atol=1e-6,
    )
    assert early is not None
    assert (early.rows.tolist(), early.present.tolist()) == ([FIRST_LIVE_ROW], [True])
    np.testing.assert_array_equal(early.vectors[0], made[0].vector)


def others(*clusters: tuple[int, int, int], dense: list[float], lexical: list[float], days: list[int]) -> Others:
    rows = np.arange(len(clusters)) + 10
    return Others(rows, np.array(days) * DAY, np.array(clusters), np.array(dense), np.array(lexical))


def joins(
    row: int,
    article: Article,
    given: Others,
    read: Callable[[int], Article] | None = None,
    members: Members | None = None,
) -> tuple[int, int, int]:
    """What an article joins; by default there are no other articles than those it was compared with."""
    members = members or Members(given.rows, given.clusters)
    return joined(row, article, given, members, read or unread, default_stories())


def likely(dense: float, lexical: float) -> float:
    return float(default_stories().events.probability(np.array([dense]), np.array([lexical]))[0])


def unread(place: int) -> Article:
    raise AssertionError(f"the article at {place} is not alike enough to be read")


def test_an_article_joins_the_event_of_the_highest_mean_probability() -> None:
    mixed = others(
        (10, 10, 10), (11, 10, 10), (12, 12, 12), dense=[0.9, 0.0, 0.6], lexical=[0.25, 0.02, 0.2], days=[50] * 3
    )
    assert likely(0.9, 0.25) > likely(0.6, 0.2) > 0.5 > (likely(0.9, 0.25) + likely(0, 0.02)) / 2
    article = Article(id="x", headline="x", published_at=51 * DAY)
    assert joins(99, article, mixed) == (99, 12, 12)


def test_members_of_an_event_that_an_article_was_not_compared_with_count_as_unlike() -> None:
    article = Article(id="x", headline="x", published_at=51 * DAY)
    two = others((10, 10, 10), (11, 10, 10), dense=[0.9, 0.9], lexical=[0.25, 0.25], days=[50] * 2)
    assert joins(99, article, two) == (99, 10, 10)
    rows = np.arange(10, 16)
    assert joins(99, article, two, members=Members(rows, np.stack([rows, 0 * rows + 10, 0 * rows + 10], axis=1))) == (
        99, 99, 99,
    )  # fmt: skip
    copies = Members(rows, np.stack([np.array([10, *[11] * 5]), 0 * rows + 10, 0 * rows + 10], axis=1))
    as_copies = others((10, 10, 10), *[(11, 10, 10)] * 5, dense=[0.9] * 6, lexical=[0.15] * 6, days=[50] * 6)
    assert joins(99, article, as_copies, members=copies) == (99, 10, 10)  # of copies only the newest counts


@pytest.mark.parametrize("apart", [0, 5])
@pytest.mark.parametrize("members", [2, 5, 8])
def test_an_article_joins_what_a_rebuild_would_put_it_into(members: int, apart: int) -> None:
    """An event, or a storyline whose articles are days apart; the article is like some, and others it never met."""
    articles = [
        Article(
            id=str(n), headline="H", body=" ".join(f"w{n}x{at}" for at in range(40)), published_at=n * apart * DAY
        )
        for n in range(members + 1)
    ]
    model, answers, alike = default_stories(), set(), (0.5, 0.1) if apart else (0.9, 0.25)
    for like in range(1, members + 1):
        rows = np.full((members + 1, members), -1)
        rows[:members, 1:] = [[other for other in range(members) if other != row] for row in range(members)]
        rows[members, :like] = np.arange(members - like, members)
        dense, lexical = np.full(rows.shape, 0.95), np.full(rows.shape, 0.3)
        dense[members], lexical[members] = alike
        whole = find_stories(articles, rows, dense, lexical, model)
        before = find_stories(articles[:-1], rows[:-1], dense[:-1], lexical[:-1], model)
        clusters = np.stack(before, axis=1).astype(np.int64)
        compared = rows[members, :like]
        days = (compared * apart).tolist()
        given = others(*clusters[compared].tolist(), dense=[alike[0]] * like, lexical=[alike[1]] * like, days=days)
        found = joins(99, articles[-1], given._replace(rows=compared), members=Members(np.arange(members), clusters))
        joins_now = [label != 99 for label in found]
        assert joins_now == [column[members - 1] == members for column in whole]
        answers.add(joins_now[1 if apart == 0 else 2])
    assert answers == {True, False}


def test_of_a_cluster_whose_newest_article_is_gone_the_next_stands_for_it() -> None:
    article = Article(id="x", headline="x", published_at=51 * DAY)
    left = others((19, 19, 19), dense=[0.9], lexical=[0.25], days=[50])
    assert joins(99, article, left) == (99, 19, 19)


def test_of_many_copies_a_few_are_read_for_all() -> None:
    body = " ".join(f"word{at}" for at in range(80))
    article = Article(id="x", headline="x", body=body, published_at=51 * DAY)
    read: list[int] = []

    def copy_at(place: int) -> Article:
        read.append(place)
        return article

    forty = others(*[(49, 49, 49)] * 40, dense=[0.99] * 40, lexical=[0.99] * 40, days=[50] * 40)
    assert joins(99, article, forty, copy_at) == (49, 49, 49)
    assert len(read) == 16
    rows = np.arange(10, 110)
    members = Members(rows, np.full((100, 3), 49))
    assert joins(99, article, forty, copy_at, members)[0] == 99  # most of the cluster is something else


def test_three_days_later_it_is_the_next_chapter_of_the_storyline() -> None:
    one = others((10, 10, 10), dense=[0.9], lexical=[0.25], days=[50])
    for days, expected in ((52, (99, 10, 10)), (53, (99, 99, 10))):
        article = Article(id="x", headline="x", published_at=days * DAY)
        assert joins(99, article, one) == expected


def test_like_nothing_it_stands_alone() -> None:
    article = Article(id="x", headline="x", published_at=50 * DAY)
    unlike = others((10, 10, 10), dense=[0.0], lexical=[0.01], days=[50])
    nobody = Others(*(column[:0] for column in unlike))
    for given in (unlike, nobody):
        assert joins(99, article, given) == (99, 99, 99)


def test_the_baseline_of_a_snapshots_row_is_that_of_its_nearest(newsroom: Newsroom) -> None:
    searcher = newsroom.before
    for row in (0, 40, len(newsroom.ids) - 1):
        near = searcher.nearest(searcher.vector(row), searcher.published & (searcher.rows != row), DEPTH).places
        found = baseline_of(searcher.scorer.pair_features(searcher.scorer.probe(row), near))
        np.testing.assert_allclose(searcher.baselines[row], found, atol=1e-5)
