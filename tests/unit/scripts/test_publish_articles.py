"""Publishing a backlog: every article arrives once the service can take it, and what it refuses is named."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from constants import ROOT
from publish_articles import WAITS, Position, Unusable, main

from index.article import Article, article_from_record
from service.http.request_bodies import ARTICLE_BYTES

RECORDS = [
    {"id": "news/ferry?a=1&b=ü", "headline": "Ferry timetable changes", "published_at": "1969-07-20T20:17:00Z"},
    {"id": "news/budget", "headline": "Council votes on the budget", "status": "withdrawn"},
    {"id": "17", "headline": "School merger goes ahead", "tags": ["schools"], "image": {"url": "/p.jpg", "alt": "A"}},
]
Reply = tuple[int, dict[str, str], Any]
BUSY: Reply = (429, {"Retry-After": "7"}, {"code": "queue_full", "detail": "1,000 articles wait."})


class Newsroom(ThreadingHTTPServer):
    """Takes articles as the service does; `replies` are given first, in order. None hangs up instead."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Desk)
        self.replies: list[Reply | None] = []
        self.asked: list[str] = []
        self.paths: set[str] = set()
        self.taken: dict[str, Article] = {}
        self.withdrawn: list[str] = []
        self.refused_withdrawals: set[str] = set()
        self.connections = 0
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class Desk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it writes head and body apart: 40 ms otherwise
    server: Newsroom

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_DELETE(self) -> None:
        (article_id,) = parse_qs(urlsplit(self.path).query)["id"]
        if self.headers["If-Match"] == "*" and article_id not in self.server.taken:
            self.answer(412, {}, {"code": "version_conflict", "detail": "It is not there."})
            return
        if article_id in self.server.refused_withdrawals:
            self.answer(404, {}, {"code": "article_not_found", "detail": f"No article {article_id!r}."})
            return
        self.server.withdrawn.append(article_id)
        self.answer(200, {}, {"changed": True})

    def do_PUT(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urlsplit(self.path)
        (article_id,) = parse_qs(parts.query)["id"]
        self.server.asked.append(article_id)
        self.server.paths.add(parts.path)
        reply = self.server.replies.pop(0) if self.server.replies else (201, {}, {})
        if reply is None:
            self.close_connection = True
            return
        if self.headers["Authorization"] != "Bearer rs_secret":
            reply = (401, {}, {"code": "invalid_key", "detail": "The API key is not known here."})
        elif reply[0] in (200, 201):
            self.server.taken[article_id] = article_from_record(msgspec.json.decode(raw))
        self.answer(*reply)

    def answer(self, status: int, headers: dict[str, str], document: Any) -> None:
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def newsroom() -> Iterator[Newsroom]:
    with Newsroom() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "archive.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in RECORDS))
    return path


def publish(service: str, source: Path, *more: str, key: str = "rs_secret") -> tuple[int, list[float]]:
    """The exit code, and how long it waited."""
    waited: list[float] = []
    arguments = ["--service", service, "--source", str(source), "--quiet", *more]
    return main(arguments, {"NEWSROOM_KEY": key}, waited.append), waited


def test_a_record_that_withdraws_an_article_withdraws_it(newsroom: Newsroom, tmp_path: Path) -> None:
    source = tmp_path / "taken-down.jsonl"
    source.write_text('{"id": "news/a", "status": "withdrawn"}\n', "utf-8")
    assert publish(newsroom.address, source) == (0, [])
    assert (newsroom.withdrawn, newsroom.taken) == (["news/a"], {})


def test_what_is_no_longer_public_is_withdrawn_where_the_service_has_it(
    newsroom: Newsroom, capsys: pytest.CaptureFixture[str]
) -> None:
    newsroom.taken["culvert-1"] = Article(id="culvert-1", headline="Culvert fails")
    assert publish(newsroom.address, ROOT / "tests" / "reports" / "08_trash.jsonl") == (0, [])
    assert (newsroom.withdrawn, newsroom.asked) == (["culvert-1"], ["new-1"])
    told = capsys.readouterr().out
    assert told == "published 1 articles, 0 refused, 2 not public (1 of them withdrawn from the service)\n"


def test_an_article_without_a_language_gets_that_of_its_text(newsroom: Newsroom, tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes('{"id": "a", "headline": "Die Brücke ist seit Montag wieder für alle offen"}'.encode())
    assert publish(newsroom.address, source) == (0, [])
    assert newsroom.taken["a"].language == "de"


@pytest.mark.parametrize(("day", "withdrawn"), [("2026-11-01", []), ("2026-11-03", ["a"])])
def test_of_an_article_and_a_draft_of_it_the_one_updated_later_counts(
    newsroom: Newsroom, tmp_path: Path, day: str, withdrawn: list[str]
) -> None:
    source, position = tmp_path / "a.jsonl", tmp_path / "position"
    public = b'{"id": "a", "headline": "A", "status": "published", "updated_at": "2026-11-02"}\n'
    source.write_bytes(public + msgspec.json.encode({"id": "a", "status": "draft", "updated_at": day}))
    assert publish(newsroom.address, source) == (0, [])
    assert newsroom.withdrawn == withdrawn
    position.write_text("1\n")  # as earlier releases wrote it
    assert publish(newsroom.address, source, "--position", str(position)) == (0, [])
    assert newsroom.withdrawn == withdrawn * 2


def test_every_article_of_the_source_arrives_whole_under_its_id_over_one_connection(
    newsroom: Newsroom, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(newsroom.address, source) == (0, [])
    assert newsroom.taken == {str(record["id"]): article_from_record(record) for record in RECORDS}
    assert newsroom.connections == 1
    assert capsys.readouterr().out == "published 3 articles, 0 refused\n"


def test_the_sample_newsroom_arrives_as_it_is(
    newsroom: Newsroom, tmp_path: Path, sample_articles: list[Article]
) -> None:
    source = tmp_path / "sample.jsonl"
    source.write_bytes(b"".join(msgspec.json.encode(article) + b"\n" for article in sample_articles))
    assert publish(newsroom.address, source)[0] == 0
    assert newsroom.taken == {article.id: article for article in sample_articles}


def test_a_busy_service_is_given_the_time_that_it_asks_for_however_often(newsroom: Newsroom, source: Path) -> None:
    newsroom.replies = [BUSY] * 40
    assert publish(newsroom.address, source) == (0, [7] * 40)
    assert len(newsroom.taken) == 3


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("3", [3, 3, 3, 4]), ("soon", [0, 1, 2, 4]), ("", [0, 1, 2, 4]), ("9999", [300, 300, 300, 300])],
)
def test_a_service_that_is_away_is_asked_again_after_growing_waits_and_never_sooner_than_it_says(
    newsroom: Newsroom, source: Path, asked: str, waited: list[int]
) -> None:
    away = (503, {"Retry-After": asked} if asked else {}, {"code": "live_store_unavailable", "detail": "Away."})
    newsroom.replies = [away] * 4
    assert publish(newsroom.address, source) == (0, waited)
    assert len(newsroom.taken) == 3


def test_a_connection_that_breaks_is_made_again_and_the_article_sent_again(newsroom: Newsroom, source: Path) -> None:
    newsroom.replies = [(201, {}, {}), None, None]
    assert publish(newsroom.address, source) == (0, [0, 1])
    assert newsroom.asked == [str(RECORDS[0]["id"]), *["news/budget"] * 3, "17"]
    assert newsroom.connections == 3


def test_a_service_that_stays_away_ends_the_run_after_five_minutes_with_69(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        code, waited = publish(f"http://127.0.0.1:{nobody.getsockname()[1]}", source)
    assert (code, waited) == (69, list(WAITS))
    assert sum(waited) == 301
    assert "waiting 30 s: " in capsys.readouterr().err


def test_a_refused_article_is_named_with_the_reason_and_the_others_follow(
    newsroom: Newsroom, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newsroom.replies = [
        (403, {}, {"code": "other_brand", "detail": "The key writes for another brand."}),
        (500, {}, b"<html>"),
    ]
    assert publish(newsroom.address, source) == (1, [])
    assert list(newsroom.taken) == ["17"]
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "refused: news/ferry?a=1&b=ü: The key writes for another brand.",
        "refused: news/budget: 500 Internal Server Error",
    ]
    assert told.out == "published 1 articles, 2 refused\n"


def test_a_bad_record_and_an_article_that_is_too_large_are_refused_here(
    newsroom: Newsroom, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = {"id": "large", "headline": "Long read", "body": "x" * ARTICLE_BYTES}
    source.write_bytes(b'{"id": "a"}\n' + msgspec.json.encode(large) + b"\n" + msgspec.json.encode(RECORDS[1]))
    assert publish(newsroom.address, source) == (1, [])
    assert newsroom.asked == ["news/budget"]
    assert capsys.readouterr().err.splitlines() == [
        f"refused: {source}, line 1: headline: is missing",
        "refused: large: is larger than 1 MiB",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        (401, {}, {"code": "key_missing", "detail": "Not for you."}),
        (403, {}, {"code": "scope_missing", "detail": "Not for you."}),
        (404, {}, {"code": "not_found", "detail": "Not for you."}),
        (503, {}, {"code": "no_live_store", "detail": "Not for you."}),
        (301, {"Location": "https://elsewhere/"}, {"detail": "Not for you."}),
    ],
)
def test_a_service_that_would_refuse_every_article_alike_ends_the_run_at_the_first(
    newsroom: Newsroom, source: Path, reply: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    newsroom.replies = [reply]
    assert publish(newsroom.address, source) == (2, [])
    assert newsroom.asked == [RECORDS[0]["id"]]
    assert capsys.readouterr().err == "error: Not for you.\n"


def test_a_withdrawal_that_the_service_knows_no_article_for_does_not_end_the_run(
    newsroom: Newsroom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "withdrawals.jsonl"
    source.write_text('{"id": "a", "status": "withdrawn"}\n{"id": "b", "status": "withdrawn"}\n', "utf-8")
    newsroom.refused_withdrawals = {"a"}
    assert publish(newsroom.address, source)[0] == 1
    assert newsroom.withdrawn == ["b"]
    assert "No article 'a'." in capsys.readouterr().err


def test_a_run_that_ended_early_goes_on_at_its_position(newsroom: Newsroom, source: Path, tmp_path: Path) -> None:
    position = tmp_path / "position"
    newsroom.replies = [(201, {}, {}), (401, {}, {"code": "invalid_key"})]
    assert publish(newsroom.address, source, "--position", str(position))[0] == 2
    assert position.read_text().split()[::2] == ["1", "0"]
    assert publish(newsroom.address, source, "--position", str(position)) == (0, [])
    assert newsroom.asked == [str(RECORDS[0]["id"]), "news/budget", "news/budget", "17"]
    assert publish(newsroom.address, source, "--position", str(position)) == (0, [])
    assert (position.read_text().split()[::2], len(newsroom.asked)) == (["3", "0"], 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.jsonl", "position"]


def test_the_position_is_written_once_a_second(tmp_path: Path) -> None:
    path = tmp_path / "position"
    position = Position(path)
    written = []
    for moment in (100.0, 100.5, 100.9, 101.0, 101.1):
        position.advance(Article(id="a", headline="A"), False, moment)
        written.append(path.read_text().split()[0])
    assert written == ["1", "1", "1", "4", "4"]
    position.write()
    assert Position(path).done == 5


@pytest.mark.parametrize("text", ["three", "-1", "", "²", "3 4"])
def test_a_position_that_is_no_number_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "position").write_text(text, "utf-8")
    with pytest.raises(Unusable, match="not a number of records"):
        Position(tmp_path / "position")


def test_a_position_beyond_the_end_of_the_source_is_refused(
    newsroom: Newsroom, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "position").write_text("4\n")
    assert publish(newsroom.address, source, "--position", str(tmp_path / "position")) == (2, [])
    assert f"4 records are done, but {source} holds 3: another source?" in capsys.readouterr().err
    assert newsroom.asked == []


def test_the_key_may_stand_in_a_file_and_goes_before_that_of_the_environment(
    newsroom: Newsroom, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("rs_secret\n")
    assert publish(newsroom.address, source, "--key-file", str(tmp_path / "key"), key="rs_wrong")[0] == 0
    assert publish(newsroom.address, source, key="rs_wrong")[0] == 2


@pytest.mark.parametrize(
    ("key", "arguments", "told"),
    [
        ("", [], "give the key: --key-file KEYFILE, or NEWSROOM_KEY in the environment"),
        ("key: rs_secret", [], "NEWSROOM_KEY must hold a key and nothing else"),
        ("a\r\nX-Evil: 1", [], "NEWSROOM_KEY must hold a key and nothing else"),
        ("a", ["--key-file", "/absent/key"], "--key-file /absent/key: No such file or directory"),
        ("a", ["--service", "ftp://127.0.0.1"], "--service 'ftp://127.0.0.1' must be an address such as"),
        ("a", ["--service", "http://127.0.0.1:port"], "--service 'http://127.0.0.1:port' must be an address such as"),
        ("a", ["--service", "127.0.0.1:8000"], "--service '127.0.0.1:8000' must be an address such as"),
        ("a", ["--service", "http://"], "--service 'http://' must be an address such as"),
        ("a", ["--source", "/absent/archive.jsonl"], "/absent/archive.jsonl: does not exist"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_sent(
    newsroom: Newsroom, source: Path, key: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(newsroom.address, source, *arguments, key=key) == (2, [])
    assert told in capsys.readouterr().err
    assert newsroom.asked == []


def test_a_service_below_a_path_is_asked_there(newsroom: Newsroom, source: Path) -> None:
    assert publish(f"{newsroom.address}/related/", source) == (0, [])
    assert newsroom.paths == {"/related/v1/article"}


def test_a_prefix_stands_before_every_id(newsroom: Newsroom, source: Path, tmp_path: Path) -> None:
    (tmp_path / "down.jsonl").write_text('{"id": "9", "status": "withdrawn"}\n', "utf-8")
    assert publish(newsroom.address, source, "--id-prefix", "courier-") == (0, [])
    assert publish(newsroom.address, tmp_path / "down.jsonl", "--id-prefix", "courier-") == (0, [])
    assert newsroom.asked == [f"courier-{record['id']}" for record in RECORDS]
    assert newsroom.withdrawn == ["courier-9"]


def test_a_position_is_refused_for_another_source(
    newsroom: Newsroom, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    position, other = tmp_path / "position", tmp_path / "other.jsonl"
    assert publish(newsroom.address, source, "--position", str(position)) == (0, [])
    kept = position.read_text()
    other.write_bytes(b"".join(b'{"id": %d, "headline": "Other"}\n' % number for number in range(5)))
    assert publish(newsroom.address, other, "--position", str(position)) == (2, [])
    assert f"the first 3 records of {other} are not those that are done: another source" in capsys.readouterr().err
    assert (len(newsroom.asked), position.read_text()) == (3, kept)
    moved = source.rename(tmp_path / "moved.jsonl")
    moved.write_bytes(moved.read_bytes() + b'{"id": "more", "headline": "More"}\n')
    assert publish(newsroom.address, moved, "--position", str(position)) == (0, [])
    assert newsroom.asked[3:] == ["more"]


def test_refused_records_that_a_position_counts_as_done_are_told_of_each_time(
    newsroom: Newsroom, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    position = tmp_path / "position"
    source.write_bytes(b'{"id": "a"}\n' + source.read_bytes())
    for _ in range(2):
        assert publish(newsroom.address, source, "--position", str(position)) == (1, [])
        assert f"1 refused records count as done: {position} does not send them again" in capsys.readouterr().out


def test_an_article_that_the_service_keeps_withdrawn_is_told_of_and_not_refused(
    newsroom: Newsroom, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newsroom.replies = [(409, {}, {"code": "withdrawn", "detail": "Withdrawn in May."})]
    assert publish(newsroom.address, source) == (0, [])
    told = capsys.readouterr()
    assert told.err == f"kept withdrawn: {RECORDS[0]['id']}: Withdrawn in May.\n"
    assert told.out == "published 2 articles, 0 refused, 1 kept withdrawn\n"
