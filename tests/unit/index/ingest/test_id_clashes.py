"""Two sites whose exports number posts alike: no article takes another's place, and a prefix keeps both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import rebuild_index
from constants import ROOT
from extract_links import main as extract_links
from hashing_embedder import HashingEmbedder
from import_articles import main as import_articles

from index.article import Article, InvalidArticle, article_from_record
from index.ingest.id_clashes import clashes
from index.ingest.id_prefix import usable_prefix, with_prefix
from index.ingest.live_changes import LiveRows
from index.ingest.merge import Gathered, gather
from index.publishing.store import Store
from index.snapshot.article_store import read_articles
from index.sources import Rejection, Withdrawal, read_source

SITES = ROOT / "tests" / "reports" / "17_two_sites"
COURIER, EVENING = SITES / "courier.xml", SITES / "evening.xml"
HEADLINE = {"id": "3", "headline": "Harbour dues", "published_at": "2026-10-13T08:00:00Z"}


def article(**fields: Any) -> Article:
    return article_from_record({**HEADLINE, **fields})


def rebuilt(monkeypatch: pytest.MonkeyPatch, store: Store, *arguments: str | Path) -> int:
    monkeypatch.setattr(rebuild_index, "_embedder", lambda _: HashingEmbedder())
    fixed = ["--store", store.root, "--now", "2026-11-24T09:00:00Z", "--quiet"]
    return rebuild_index.main([*map(str, (*arguments, *fixed))])


def published(store: Store) -> list[Article]:
    active = store.active_id("default")
    return list(read_articles(store.directory(active))) if active else []


def gathered(folder: Path, *records: Article | Rejection, base: tuple[Article, ...] = ()) -> Gathered:
    return gather(folder, base, records)


def test_two_exports_that_number_alike_are_refused_and_each_article_is_named(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rebuilt(monkeypatch, store, "--source", COURIER, "--source", EVENING) == 1
    said = capsys.readouterr().err
    assert "not published: 12 of 24 records were rejected" in said
    assert (
        "  https://evening.example/1/: id: '1' is already the ID of https://courier.example/1/, and this is "
        "https://evening.example/1/: give each source a prefix (--id-prefix)"
    ) in said
    assert published(store) == []
    rejected = [msgspec.json.decode(line) for line in (store.root / "rejected.jsonl").read_bytes().splitlines()]
    assert [each["where"] for each in rejected] == [f"https://evening.example/{n}/" for n in range(1, 13)]


def test_with_a_prefix_for_each_source_all_24_articles_are_published(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ("--id-prefix", "courier-", "--source", COURIER, "--id-prefix", "evening-", "--source", EVENING)
    assert rebuilt(monkeypatch, store, *both) == 0
    sites = {each.id: each.url.partition("//")[2].partition(".")[0] for each in published(store)}
    assert sites == {f"{site}-{n}": site for site in ("courier", "evening") for n in range(1, 13)}


def test_one_source_after_the_other_clashes_too_and_a_prefix_for_the_second_keeps_both(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rebuilt(monkeypatch, store, "--source", COURIER) == 0
    assert rebuilt(monkeypatch, store, "--source", EVENING, "--onto-last") == 1
    assert rebuilt(monkeypatch, store, "--id-prefix", "evening-", "--source", EVENING, "--onto-last", "--force") == 0
    assert len(published(store)) == 24


def test_a_prefix_that_no_source_follows_is_an_error(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        rebuilt(monkeypatch, store, "--source", COURIER, "--id-prefix", "courier-")
    assert ended.value.code == 2
    assert "--id-prefix courier- must stand before the --source that it is for" in capsys.readouterr().err


def test_an_import_writes_the_prefixed_ids(tmp_path: Path) -> None:
    out = tmp_path / "both.jsonl"
    both = ["--id-prefix", "c-", "--source", str(COURIER), "--id-prefix", "e-", "--source", str(SITES)]
    assert import_articles([*both, "--out", str(out), "--jobs", "2", "--quiet"]) == 0
    ids = [each.id for each in read_source(out) if isinstance(each, Article)]
    assert ids == [f"{prefix}-{n}" for prefix in "cee" for n in range(1, 13)]


def test_links_are_written_with_the_prefixed_ids(tmp_path: Path) -> None:
    source, out = tmp_path / "raw.jsonl", tmp_path / "links.tsv"
    records = [
        {"id": 1, "headline": "A", "url": "https://courier.example/1/"},
        {"id": 2, "headline": "B", "url": "https://courier.example/2/", "body": '<a href="/1/">A</a>'},
    ]
    source.write_bytes(b"\n".join(map(msgspec.json.encode, records)))
    arguments = ["--id-prefix", "courier-", "--source", str(source), "--out", str(out), "--quiet"]
    assert extract_links(arguments) == 0
    assert out.read_text().splitlines()[1] == "courier-2\tcourier-1\t1\tA"


def test_a_prefix_stands_before_ids_and_former_ids_but_not_before_addresses() -> None:
    addresses = ("https://courier.example/old/", "/older/")
    records = [
        article(aliases=["2", *addresses], url="https://courier.example/3/"),
        Withdrawal("a.jsonl", 4, "headline: is missing", "9"),
        Rejection("a.jsonl", 5, "id: is missing"),
        article(id="x" * 512),
    ]
    first, second, third, fourth = with_prefix(records, "courier-")
    assert isinstance(first, Article)
    assert (first.id, first.aliases) == ("courier-3", ("courier-2", *addresses))
    assert isinstance(second, Withdrawal)
    assert second.id == "courier-9"
    assert third == records[2]
    assert isinstance(fourth, Rejection)
    assert fourth.reason == "id: is longer than 512 characters (520)"
    assert list(with_prefix(records, "")) == records


@pytest.mark.parametrize("text", [" a", "a\n", "\0", "x" * 512])
def test_a_prefix_that_no_id_can_begin_with_is_refused(text: str) -> None:
    with pytest.raises(InvalidArticle):
        usable_prefix(text)
    assert usable_prefix("courier/") == "courier/"


@pytest.mark.parametrize(
    ("known", "record", "expected"),
    [
        ({"url": "https://courier.example/3/"}, {"url": "https://evening.example/3/", "headline": "Choir"}, True),
        ({"brand": "Courier"}, {"brand": "Evening", "headline": "Choir"}, True),
        ({"url": "https://x.example/3/", "brand": "C"}, {"url": "https://x.example/e3/", "brand": "E"}, False),
        ({"url": "/3/", "brand": "Courier"}, {"url": "/3/", "brand": "Evening", "headline": "Choir"}, True),
        ({"url": "https://one.courier.example/3/"}, {"url": "https://two.courier.example/3/", "headline": "C"}, True),
        ({"url": "https://www.courier.example/3/"}, {"url": "http://m.courier.example/4/", "headline": "C"}, False),
        ({"url": "https://courier.example/3/"}, {"url": "https://amp.courier.example/3/", "headline": "C"}, False),
        ({"url": "https://courier.example/3/"}, {"headline": "Choir"}, False),
        ({"brand": "Courier"}, {"brand": "COURIER", "headline": "Choir"}, False),
        ({"brand": "A", "url": "https://a.example/3"}, {"brand": "B", "url": "https://a.example/3#x"}, False),
        (
            {"url": "https://old.example/3/"},
            {"url": "https://new.example/3/", "headline": "C", "aliases": ["https://old.example/3/"]},
            False,
        ),
        ({"url": "https://old.example/3/"}, {"url": "https://new.example/3/"}, False),
        ({"url": "https://m.example/3"}, {"url": "https://www.example/3", "headline": "C"}, True),
    ],
)
def test_a_clash_is_of_hosts_or_brands_and_never_of_one_article(
    known: dict[str, Any], record: dict[str, Any], expected: bool
) -> None:
    assert clashes(article(**known), article(**record), may_have_moved=True) is expected


def test_a_whole_newsroom_may_move_to_another_domain(tmp_path: Path) -> None:
    old = [each for each in read_source(COURIER) if isinstance(each, Article)]
    moved = [msgspec.structs.replace(each, url=each.url.replace("courier.", "daily.")) for each in old]
    found = gathered(tmp_path, *moved, base=tuple(old))
    assert [each.url for each in found.articles] == [each.url for each in moved]
    assert found.rejections == []


def test_in_one_run_the_same_headline_on_two_hosts_is_a_clash(tmp_path: Path) -> None:
    one, other = article(url="https://courier.example/3/"), article(url="https://evening.example/3/")
    found = gathered(tmp_path, one, other)
    assert list(found.articles) == [one]
    assert [each.where for each in found.rejections] == ["https://evening.example/3/"]


def test_an_older_record_of_another_site_is_named_and_not_counted_as_outdated(tmp_path: Path) -> None:
    known = article(url="https://courier.example/3/")
    older = article(url="https://evening.example/3/", headline="Choir", published_at="2026-10-12")
    found = gathered(tmp_path, older, base=(known,))
    assert (found.outdated, len(found.rejections), list(found.articles)) == (0, 1, [known])


@pytest.mark.parametrize("headline", [{}, {"headline": "Choir and chapel"}])
def test_another_site_withdraws_nothing(tmp_path: Path, headline: dict[str, str]) -> None:
    path = tmp_path / "evening.jsonl"
    path.write_bytes(
        msgspec.json.encode({"id": 3, "status": "withdrawn", "url": "https://evening.example/3/"} | headline)
    )
    known = article(url="https://courier.example/3/")
    found = gather(tmp_path, (known,), read_source(path))
    assert list(found.articles) == [known]
    assert [each.reason[:56] for each in found.rejections] == [
        "id: '3' is already the ID of https://courier.example/3/,"
    ]


def test_a_record_whose_id_a_live_article_of_another_site_has_is_named(tmp_path: Path) -> None:
    record = article(url="https://courier.example/3/")
    live = article(url="https://evening.example/3/", headline="Choir")
    rows = LiveRows("installation", 7, [(7, live)], [], frozenset())
    found = gather(tmp_path, (), [record], live=rows)
    assert list(found.articles) == [live]
    assert [each.where for each in found.rejections] == ["https://courier.example/3/"]


FERRY_1 = {"id": "a1", "headline": "Ferry stops", "url": "https://a.example/ferry-1"}
CLAIM = {"id": "b1", "headline": "Choir sings", "url": "https://b.example/choir-1", "aliases": ["a1", "old-b1"]}


@pytest.mark.parametrize("base", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_an_alias_that_is_the_id_of_another_sites_article_is_left_out_and_named(
    tmp_path: Path, base: bool, order: int
) -> None:
    known, claim = article(**FERRY_1), article(**CLAIM)
    found = gathered(tmp_path, claim, base=(known,)) if base else gathered(tmp_path, *[known, claim][::order])
    assert [(each.id, each.aliases) for each in found.articles] == [("a1", ()), ("b1", ("old-b1",))]
    assert found.superseded == 0
    assert [(each.where, each.reason[:92]) for each in found.rejections] == [
        (
            "https://b.example/choir-1",
            "aliases: 'a1' is the ID of https://a.example/ferry-1, and this is https://b.example/choir-1:",
        )
    ]


def test_a_live_article_takes_no_other_brands_article_over_by_an_alias(tmp_path: Path) -> None:
    known = article(id="a1", brand="Courier", url="/a1", status="withdrawn")
    live = article(id="b1", brand="Evening", headline="Choir sings", aliases=["a1"])
    rows = LiveRows("installation", 7, [(7, live)], [], frozenset())
    found = gather(tmp_path, [known], [], live=rows)
    assert [(each.id, each.status, each.aliases) for each in found.articles] == [
        ("a1", "withdrawn", ()),
        ("b1", "published", ()),
    ]
    assert len(found.rejections) == 1


@pytest.mark.parametrize(
    "moved",
    [
        {"url": "https://a.example/news/1", "headline": "Ferry sails"},
        {"url": "https://b.example/1", "headline": "Ferry stops"},
        {"url": "https://b.example/1", "headline": "Ferry sails", "aliases": ["a1", "https://a.example/ferry-1"]},
    ],
)
def test_an_article_that_has_moved_to_another_id_takes_its_place(tmp_path: Path, moved: dict[str, Any]) -> None:
    record = article(id="b1", **{"aliases": ["a1"], **moved})
    found = gathered(tmp_path, record, base=(article(**FERRY_1),))
    assert [each.id for each in found.articles] == ["b1"]
    assert (found.rejections, found.superseded) == ([], 1)
