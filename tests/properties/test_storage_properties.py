"""Archives, catalogues and IDs of every kind: what cannot be costs itself alone, what can be comes back as it is."""

from __future__ import annotations

import json
import random
import shutil
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import pytest
from constants import NOW
from hashing_embedder import HashingEmbedder
from small import contents_of

from index.article import UNDATED, Article, InvalidArticle, article_from_record, article_id
from index.build import RebuildOptions, rebuild
from index.publishing.store import Store
from index.snapshot.attributes import FLAG_WITHDRAWN, NEVER, NO_ROW
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, write_snapshot
from index.sources import Rejection, Withdrawal, read_source
from service.app import create_app
from service.archive.view import Archive
from service.config import Settings
from service.recommend.pipeline import ArticleNotFound, ArticleWithdrawn, related, visible_row
from service.recommend.policy import read_policies
from service.recommend.query import Query

# --- archives

ODD_TEXTS = (
    "",
    " ",
    "\u0000",
    "\ud800",
    "a\u0301" * 40,
    "\u202e\u2066evil",
    "\ufeff",
    "🛶" * 60,
    "الجسر " * 30,
    "橋 " * 30,
    "<b>" * 99,
    "\n\n\n",
    "x" * 90_000,
    "1 " * 40,
    "NaN",
    "'; DROP TABLE articles;--",
    "{{7*7}}",
    "%s%n",
    "=1+1",
    "\t",
    "-",
    "ﬁ ﬀ",
    "Z͑ͫ̓ͪ̂ͫ",
    "ab " * 30,
    "the of and a",
)
ODD_VALUES = (
    None,
    True,
    0,
    -1,
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    {"a": {"b": []}},
    10**30,
    "2026-13-40",
    "1599-01-01",
    "2300-01-01",
    "yesterday",
    "1969-12-31T23:59:59Z",
    253_402_300_800,
    -(2**63),
    "0",
)
FIELDS = ("id", "headline", "url", "aliases", "kicker", "standfirst", "body", "links", "section", "tags", "authors",
          "language", "type", "image", "brand", "published_at", "updated_at", "embargo_until", "status",
          "evergreen")  # fmt: skip


def odd_lines(count: int, chance: random.Random) -> list[bytes]:
    """Lines of a source: plain articles with some fields odd, and now and then no JSON at all."""
    lines = []
    for number in range(count):
        words = " ".join(f"word{chance.randrange(60)}" for _ in range(chance.randrange(40)))
        record: dict[str, Any] = {"id": f"a{number}", "headline": f"Headline {number}", "body": words}
        for field in chance.sample(FIELDS, chance.choice((0, 0, 1, 1, 2, 5))):
            record[field] = chance.choice(ODD_TEXTS if chance.random() < 0.5 else ODD_VALUES)
        raw = json.dumps(record, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        if chance.random() < 0.03:
            raw = chance.choice(
                (raw[: len(raw) // 2], b"\xff\xfe", b"[" * 5_000, b"null", b"3", chance.randbytes(40))
            )
        lines.append(raw.replace(b"\n", b" "))
    return lines


@pytest.mark.parametrize(
    ("archives", "articles"),
    [(1, 200), pytest.param(20, 500, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])],
)
def test_odd_articles_cost_themselves_alone_and_all_others_have_unit_vectors(
    archives: int, articles: int, tmp_path: Path
) -> None:
    chance, kept, quarantined = random.Random(23), 0, 0
    for number in range(archives):
        path, store = tmp_path / f"{number}.jsonl", Store(tmp_path / f"store{number}")
        lines = odd_lines(articles, chance)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        records = list(read_source(path))
        report = rebuild(records, store, HashingEmbedder(), NOW, RebuildOptions(force=True))
        snapshot = Snapshot.open(store.directory(report.snapshot_id))
        lengths = np.linalg.norm(np.asarray(snapshot.vectors, np.float64), axis=1)
        assert np.abs(lengths - 1).max() < 2e-3
        for line, raw in enumerate(lines, 1):  # whoever can be read alone is in, whatever stands beside it
            alone = tmp_path / "alone.jsonl"
            alone.write_bytes(raw + b"\n")
            read = list(read_source(alone))
            assert len(read) <= 1
            if read and isinstance(read[0], Article):
                assert snapshot.row_of_id(read[0].id) is not None
            elif read and not isinstance(read[0], Withdrawal):
                rejection = read[0]
                assert Rejection(str(path), line, rejection.reason) in records
        rejected = [json.loads(raw) for raw in (snapshot.directory / "rejected.jsonl").read_text().splitlines()]
        assert len(rejected) == report.rejected
        assert all(each["where"] == str(path) and each["line"] > 0 and each["reason"] for each in rejected)
        kept, quarantined = kept + report.articles, quarantined + report.rejected
        shutil.rmtree(store.root)
    print({"articles kept": kept, "quarantined": quarantined})
    assert quarantined > archives
    assert kept > archives * articles / 3


# --- lists of random catalogues


def random_catalogue(directory: Path, chance: np.random.Generator) -> Snapshot:
    """Up to 24 articles: some copies, some withdrawn, embargoed, undated or in the future; a random table of them."""
    n, k = int(chance.integers(1, 25)), int(chance.integers(1, 12))
    articles = []
    for row in range(n):
        age = int(chance.integers(-5, 60)) * 86_400
        record: dict[str, Any] = {"id": f"a{row}", "headline": f"H{row}", "section": f"s{row % 3}"}
        record["published_at"] = None if chance.random() < 0.1 else NOW - age
        record["embargo_until"] = NOW + 3_600 if chance.random() < 0.1 else None
        record["status"] = "withdrawn" if chance.random() < 0.15 else "published"
        articles.append(article_from_record(record))
    table = np.full((n, k), NO_ROW, np.uint32)
    features = np.zeros((n, k, 3), np.float32)
    for row in range(n):
        others = chance.permutation([each for each in range(n) if each != row])[: int(chance.integers(0, k + 1))]
        table[row, : len(others)] = others
        features[row, : len(others), 0] = np.sort(chance.random(len(others)))[::-1]
    canonical = np.array(
        [row if chance.random() < 0.8 else chance.integers(0, row + 1) for row in range(n)], np.uint32
    )
    canonical = canonical[canonical]
    vectors = chance.normal(size=(n, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    clusters = dict.fromkeys(("canonical", "event", "storyline"), canonical)
    contents = contents_of(articles, vectors, table, neighbour_features=features, **clusters)
    directory.mkdir()
    write_snapshot(directory, contents, directory.name, NOW, "test")
    return Snapshot.open(directory)


@pytest.mark.parametrize(
    "catalogues", [60, pytest.param(10_000, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])]
)
def test_in_random_catalogues_no_list_holds_itself_a_stranger_a_copy_or_what_may_not_be_seen(
    catalogues: int, tmp_path: Path
) -> None:
    chance, stories = np.random.default_rng(29), 0
    policies = dict(read_policies(None).by_name)
    policies |= {"plain": msgspec.structs.replace(policies["related"], diversity=0.0, section_cap=None)}
    for number in range(catalogues):
        snapshot = random_catalogue(tmp_path / f"c{number}", chance)
        archive = Archive(snapshot)
        name = sorted(policies)[number % len(policies)]
        query = Query(limit=int(chance.integers(1, 30)), fallback="recent" if chance.random() < 0.5 else None)
        for row in range(snapshot.rows):
            try:
                visible_row(archive, row, f"a{row}", NOW)
            except (ArticleNotFound, ArticleWithdrawn):
                assert not seen(snapshot, row)
                continue
            found = json.loads(related(archive, row, query, policies[name], NOW).body)
            items = found["items"]
            ids = [item["teaser"]["id"] for item in items]
            rows = [snapshot.row_of_id(each) for each in ids]
            assert len(ids) <= query.limit
            assert [item["position"] for item in items] == [*range(1, len(ids) + 1)]
            assert None not in rows
            assert all(seen(snapshot, each) for each in rows if each is not None)
            clusters = [int(snapshot.attributes["canonical"][each]) for each in rows]
            assert len(set(clusters)) == len(clusters)  # so no ID twice either
            assert int(snapshot.attributes["canonical"][row]) not in clusters  # nor the article, nor a copy of it
            scores = [item["score"] for item in items if item["source"] == "similar"]
            if name == "plain":
                assert scores == sorted(scores, reverse=True)
                if query.fallback == "recent":  # full, or all that there is
                    there = {int(facts["canonical"]) for each, facts in enumerate(snapshot.attributes)
                             if seen(snapshot, each) and facts["published_at"] != UNDATED}  # fmt: skip
                    there.discard(int(snapshot.attributes["canonical"][row]))
                    assert len(ids) == query.limit or there <= set(clusters)
            stories += len(ids)
        shutil.rmtree(snapshot.directory)
    print({"stories in lists": stories})
    assert stories > catalogues


def seen(snapshot: Snapshot, row: int) -> bool:
    """Whether readers may see a row now, said from its attributes alone."""
    facts = snapshot.attributes[row]
    return not facts["flags"] & FLAG_WITHDRAWN and int(facts["visible_from"]) <= NOW < NEVER


# --- IDs

PIECES = (
    "a",
    "/",
    "%2F",
    "%",
    "?",
    "#",
    "&",
    "=",
    "+",
    ";",
    " ",
    "..",
    ".",
    "//",
    "\\",
    "\r\n",
    "\n",
    "\x00",
    "\x7f",
    "é",
    "e\u0301",
    "ﬁ",
    "\u200b",
    "\u202e",
    "🛶",
    "橋",
    "<script>",
    '"',
    "'",
    "\ud800",
    "related",
    "/related",
    "%00",
    "%0d%0aSet-Cookie:x",
    ":",
    "@",
    "*",
    "~",
    "\u2028",
    "http://",
    "x" * 200,
)


def odd_id(chance: random.Random) -> str:
    text = "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 8)))
    return unicodedata.normalize(chance.choice(("NFC", "NFD", "NFKC")), text) if chance.random() < 0.3 else text


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_an_odd_id_comes_back_as_it_is_or_is_refused_by_name(count: int, tmp_path: Path) -> None:
    chance = random.Random(31)
    asked = [odd_id(chance) for _ in range(count)] + ["x" * 10_000, "é" * 5_000]
    accepted: dict[str, str] = {}
    for text in asked:
        try:
            accepted[text] = article_id(text)
        except InvalidArticle as refused:
            assert str(refused).startswith("id: ")  # noqa: PT017 - most of them are taken
    ids = sorted(set(accepted.values()))
    print({"asked": len(asked), "accepted": len(accepted), "distinct": len(ids)})
    assert len(accepted) > count / 4
    n = len(ids)
    own = np.arange(n, dtype=np.uint32)
    store = Store(tmp_path / "store")
    partial = store.begin("s1")
    contents = Contents(
        articles=[Article(id=each, headline="H") for each in ids],
        vectors=np.tile(np.eye(1, 8, dtype=np.float32), (n, 1)),
        neighbour_rows=((own[:, None] + 1) % n).astype(np.uint32),
        neighbour_features=np.full((n, 1, 3), 0.9, np.float32),
        terms=np.zeros((n, 1), np.uint32),
        term_texts=["word"],
        canonical=own,
        event=own,
        storyline=own,
        models={},
        counts={},
    )
    write_snapshot(partial, contents, "s1", NOW, "test")
    store.publish(partial, "default")
    client = create_app(Settings(store=store.root, live="off", events="off"), clock=lambda: NOW).test_client()
    for text in asked:
        encoded = text.encode("utf-8", "surrogatepass")
        answers = [client.get("/v1/article?id=" + quote(encoded, safe=""))]
        if not text.endswith(("/related", "/signals")) and "//" not in text and len(text) < 600:
            answers.append(client.get("/v1/articles/" + quote(encoded, safe="")))
        for answer in answers:
            body = answer.get_json()
            assert set(answer.headers.keys()) & {"X", "x", "Set-Cookie"} == set()
            if text in accepted and answer.status_code == 200:
                assert body["teaser"]["id"] == accepted[text]
            elif text in accepted:
                assert answer is not answers[0], (text, body)  # by query every ID is found
            else:
                assert answer.status_code in (400, 404), (text, body)
                assert body["code"]
