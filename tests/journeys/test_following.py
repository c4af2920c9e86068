"""Following a folder or a feed: what is new or changed arrives once, whenever the follower is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from constants import ROOT
from follow import main
from loopback_site import Reply, Site, served
from newsroom import NOW, WRITER, Newsroom, record, story
from publish_articles import main as publish_main
from served_app import Counted, served_app

FEED = """<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Courier</title>
<item><title>Ferry</title><link>{0}/ferry</link>
<content:encoded>It broke down.</content:encoded></item></channel></rss>"""


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path / "service")
    yield newsroom
    newsroom.close()


@pytest.fixture
def service(newsroom: Newsroom) -> Iterator[Counted]:
    with served_app(newsroom.client.application) as counted:
        yield counted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    (tmp_path / "key").write_text(WRITER)
    return folder


def write(folder: Path, name: str, *records: dict[str, Any]) -> None:
    (folder / f"{name}.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, records)))


def options(source: str | Path, service: Counted, folder: Path) -> list[str]:
    state = ["--state", str(folder.parent / "follow.db"), "--key-file", str(folder.parent / "key")]
    return ["--source", str(source), "--service", service.url, *state, "--once"]


def test_what_is_new_or_changed_is_published_and_nothing_twice(
    folder: Path, service: Counted, newsroom: Newsroom
) -> None:
    write(folder, "a", {"id": "a", "headline": "A"}, {"id": "b", "headline": "B"})
    assert [main(options(folder, service, folder)) for _ in range(2)] == [0, 0]
    assert service.asked == [("PUT", "id=a&keep_withdrawn=true"), ("PUT", "id=b&keep_withdrawn=true")]
    write(folder, "b", {"id": "b", "headline": "B, changed"}, {"id": "c", "headline": "C"})
    assert main(options(folder, service, folder)) == 0
    assert service.asked[2:] == [("PUT", "id=b&keep_withdrawn=true"), ("PUT", "id=c&keep_withdrawn=true")]
    assert [_headline(newsroom, each) for each in "abc"] == ["A", "B, changed", "C"]


def test_of_two_sites_that_number_alike_the_second_is_named_and_a_prefix_keeps_both(
    folder: Path, service: Counted, newsroom: Newsroom, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "courier", {"id": 3, "headline": "Harbour", "url": "https://courier.example/3/"})
    write(folder, "evening", {"id": 3, "headline": "Choir", "url": "https://evening.example/3/"})
    assert main(options(folder, service, folder)) == 1
    assert "refused: https://evening.example/3/: id: '3' is already the ID of" in capsys.readouterr().err
    for name in ("courier", "evening"):
        assert main([*options(folder / f"{name}.jsonl", service, folder), "--id-prefix", f"{name}-"]) == 0
    assert [_headline(newsroom, each) for each in ("courier-3", "evening-3")] == ["Harbour", "Choir"]


def test_what_is_marked_is_withdrawn_and_what_vanished_stays(
    folder: Path, service: Counted, newsroom: Newsroom
) -> None:
    write(folder, "a", {"id": "a", "headline": "A"}, {"id": "b", "headline": "B"}, {"id": "c", "headline": "C"})
    main(options(folder, service, folder))
    write(folder, "a", {"id": "a", "status": "withdrawn"})
    assert [main(options(folder, service, folder)) for _ in range(2)] == [0, 0]
    assert service.asked[3:] == [("DELETE", "id=a")]
    assert [_state(newsroom, each) for each in "abc"] == ["withdrawn", "published", "published"]
    write(folder, "a", {"id": "a", "headline": "A", "updated_at": NOW + 1})
    main(options(folder, service, folder))
    assert _state(newsroom, "a") == "published"


@pytest.mark.parametrize("status", ["trash", "protected"])
def test_what_is_no_longer_public_is_withdrawn_and_a_draft_that_nobody_knows_is_not(
    folder: Path, service: Counted, newsroom: Newsroom, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    write(folder, "a", {"id": "a", "headline": "A"}, {"id": "b", "headline": "B"})
    main(options(folder, service, folder))
    capsys.readouterr()
    turned = [{"id": each, "headline": "T", "status": status} for each in "ac"]
    write(folder, "a", *turned)
    assert [main(options(folder, service, folder)) for _ in range(2)] == [0, 0]
    assert service.asked[2:] == [("DELETE", "id=a"), ("DELETE", "id=c")]
    assert [_state(newsroom, each) for each in "ab"] == ["withdrawn", "published"]
    assert newsroom.live.state_of("c") is None
    told = capsys.readouterr().out
    assert told == "published 1 changes, 0 refused\n  1 articles withdrawn: their records are not public now\n"
    write(folder, "a", {"id": "a", "headline": "A"}, {"id": "c", "headline": "C"})
    assert main(options(folder, service, folder)) == 0
    assert [_state(newsroom, each) for each in "ac"] == ["published", "published"]


def test_an_article_that_only_the_snapshot_holds_is_withdrawn_when_its_record_turns_private(
    folder: Path, service: Counted, newsroom: Newsroom
) -> None:
    newsroom.rebuild([story(f"x/{n}", f"a{n} b{n}", 9) for n in range(8)])
    write(folder, "a", {"id": "x/3", "headline": "T", "status": "private"})
    assert main(options(folder, service, folder)) == 0
    assert _state(newsroom, "x/3") == "withdrawn"


def test_an_article_without_a_language_gets_that_of_its_text(
    folder: Path, service: Counted, newsroom: Newsroom
) -> None:
    write(folder, "a", {"id": "a", "headline": "Die Brücke ist seit Montag wieder für alle offen"})
    assert main(options(folder, service, folder)) == 0
    ((_, article),) = newsroom.live.records(0)[1]
    assert article.language == "de"


def test_a_mapping_names_the_columns_of_an_export(folder: Path, service: Counted, newsroom: Newsroom) -> None:
    (folder / "a.csv").write_text("Nummer;Titel\n7;Fähre\n")
    mapping = folder.parent / "ours.toml"
    mapping.write_text('[columns]\nid = "Nummer"\nheadline = "Titel"\n')
    assert main([*options(folder, service, folder), "--mapping", str(mapping)]) == 0
    assert service.asked == [("PUT", "id=7&keep_withdrawn=true")]
    assert _headline(newsroom, "7") == "Fähre"
    mapping.write_text("[columns]\nheading = 'Titel'\n")
    assert main([*options(folder, service, folder), "--mapping", str(mapping)]) == 2


def test_it_waits_as_long_as_the_service_asks(folder: Path, service: Counted, newsroom: Newsroom) -> None:
    write(folder, "a", {"id": "a", "headline": "A"})
    service.reply_first = [("429 Too Many Requests", "7"), ("503 Service Unavailable", "3")]
    waits: list[float] = []
    assert main(options(folder, service, folder), sleep=waits.append) == 0
    assert waits == [7, 3]
    assert _state(newsroom, "a") == "published"


def test_a_refused_article_costs_no_other_and_is_sent_again_next_time(
    folder: Path, service: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        folder, "a", {"id": "a"}, {"id": "b", "headline": "B", "body": "x" * (1 << 20)}, {"id": "c", "headline": "C"}
    )
    assert [main(options(folder, service, folder)) for _ in range(2)] == [1, 1]
    assert service.asked == [("PUT", "id=c&keep_withdrawn=true")]
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        f"refused: {folder / 'a.jsonl'}, line 1: headline: is missing",
        "refused: b: is larger than 1 MiB",
    ]


def test_a_feed_is_followed_where_fetching_is_allowed(
    folder: Path, service: Counted, newsroom: Newsroom, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(Site()) as site:
        site.pages["/feed"] = Reply(FEED.format(site.url).encode(), headers={"Content-Type": "application/rss+xml"})
        asked = options(f"{site.url}/feed", service, folder)
        assert main(asked) == 2
        assert (site.connections, "fetching is off" in capsys.readouterr().err) == (0, True)
        assert main([*asked, "--fetch", "--fetch-from", "127.0.0.0/8", "--pause", "0"]) == 0
        assert _headline(newsroom, f"{site.url}/ferry") == "Ferry"


def test_a_wrong_key_an_unusable_state_and_a_missing_source_are_named(
    folder: Path, service: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "a", {"id": "a", "headline": "A"})
    assert main([*options(folder, service, folder), "--state", str(folder)]) == 2
    assert main(options(folder / "none", service, folder)) == 2
    (folder.parent / "key").write_text("rs_nobody")
    assert main(options(folder, service, folder)) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["error"] * 3
    assert told[1] == f"error: {folder / 'none'}: does not exist"


def publish(source: Path, service: Counted, folder: Path) -> int:
    key = ["--key-file", str(folder.parent / "key")]
    return publish_main(["--source", str(source), "--service", service.url, "--quiet", *key])


def follow_without_state(source: Path, service: Counted, folder: Path) -> int:
    (folder.parent / "follow.db").unlink(missing_ok=True)
    return main(options(source, service, folder))


@pytest.mark.parametrize("send", [publish, follow_without_state])
@pytest.mark.parametrize(
    ("updated_at", "state"), [(NOW - 9, "withdrawn"), (None, "withdrawn"), (NOW + 9, "published")]
)
def test_an_older_record_does_not_publish_a_withdrawn_story_again(
    folder: Path,
    service: Counted,
    newsroom: Newsroom,
    capsys: pytest.CaptureFixture[str],
    send: Callable[[Path, Counted, Path], int],
    updated_at: int | None,
    state: str,
) -> None:
    newsroom.put(record("a", "ferry", 30))
    newsroom.delete("a")
    write(folder, "a", {"id": "a", "headline": "A", "updated_at": updated_at})
    assert [send(folder, service, folder) for _ in range(2)] == [0, 0]
    assert _state(newsroom, "a") == state
    told = capsys.readouterr()
    kept = "kept withdrawn: a: Withdrawn " in told.err
    assert kept == (state == "withdrawn")
    assert ("1 kept withdrawn" in told.out) == (kept and send is publish)


@pytest.mark.parametrize("send", [publish, follow_without_state])
@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ({"status": "withdrawn", "updated_at": "2026-11-10"}, {"updated_at": "2026-11-09"}, None),
        ({"updated_at": "2026-11-10"}, {"status": "withdrawn", "updated_at": "2026-11-09"}, None),
        ({"updated_at": "2026-11-10", "headline": "Newer"}, {"updated_at": "2026-11-09"}, "Newer"),
        ({"updated_at": "2026-11-10", "headline": "Newer"}, {}, "Newer"),
        ({"headline": "First"}, {"headline": "Second"}, "Second"),
        ({"status": "draft"}, {"headline": "Second"}, "Second"),
    ],
)
def test_of_several_records_of_one_article_the_newest_counts_in_whichever_order(
    folder: Path,
    service: Counted,
    newsroom: Newsroom,
    send: Callable[[Path, Counted, Path], int],
    first: dict[str, Any],
    second: dict[str, Any],
    shown: str | None,
) -> None:
    write(folder, "a", *({"id": "a", "headline": "H", "status": "published", **each} for each in (first, second)))
    assert send(folder, service, folder) == 0
    if shown is None:
        assert _state(newsroom, "a") == "withdrawn"
    else:
        assert (_state(newsroom, "a"), _headline(newsroom, "a")) == ("published", shown)


def test_a_bare_withdrawal_stands_before_the_article_that_it_withdraws(
    folder: Path, service: Counted, newsroom: Newsroom
) -> None:
    write(folder, "a", {"id": "a", "status": "withdrawn"}, {"id": "a", "headline": "A", "updated_at": NOW - 9})
    assert main(options(folder, service, folder)) == 0
    assert _state(newsroom, "a") == "withdrawn"


def test_another_live_store_is_sent_everything(
    folder: Path, service: Counted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "a", {"id": "a", "headline": "A"})
    assert main(options(folder, service, folder)) == 0
    other = Newsroom(tmp_path / "other")
    service.app = other.client.application
    try:
        assert [main(options(folder, service, folder)) for _ in range(2)] == [0, 0]
        assert (len(service.asked), _headline(other, "a")) == (2, "A")
    finally:
        other.close()
    assert capsys.readouterr().err.count("another live store answers") == 1


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_a_follower_that_is_killed_loses_nothing_and_sends_at_most_one_article_again(
    folder: Path, service: Counted, newsroom: Newsroom, kills: int
) -> None:
    ids = [f"n{number}" for number in range(kills * 12)]
    write(folder, "a", *({"id": each, "headline": each} for each in ids))
    chance = random.Random(5)
    for _ in range(kills):
        stop_at = len(service.asked) + chance.randrange(1, 10)
        follower = _start(options(folder, service, folder))
        service.noticed = lambda asked, it=follower, at=stop_at: (
            it.send_signal(signal.SIGKILL) if asked >= at else None
        )
        assert follower.wait(60) == -signal.SIGKILL
    service.noticed = lambda _: None
    assert _start(options(folder, service, folder)).wait(120) == 0
    assert {_state(newsroom, each) for each in ids} == {"published"}
    assert len(ids) <= len(service.asked) <= len(ids) + kills
    assert _start(options(folder, service, folder)).wait(60) == 0
    assert len(service.asked) <= len(ids) + kills


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "scripts" / "follow.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})


def _headline(newsroom: Newsroom, article_id: str) -> str:
    article = newsroom.live.article(article_id)
    assert article is not None
    return article.headline


def _state(newsroom: Newsroom, article_id: str) -> str:
    row = newsroom.live.state_of(article_id)
    assert row is not None
    return row.state
