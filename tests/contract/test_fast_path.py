"""A list that goes by Flask and one that does not are one answer: status, headers and body, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from eight_stories import BRIDGE, COPY, EMBARGOED, NOW, ODD, RELEVANCE, WITHDRAWN, publish
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from index.publishing.store import Store
from service.api.fast_path import FastPath
from service.app import create_app
from service.config import Settings

NAMED, STRANGER = "https://courier.example", "https://stranger.example"
ORIGINS: tuple[tuple[str, ...], ...] = ((), ("*",), (NAMED,))
Answer = tuple[str, list[tuple[str, str]], bytes]


class Both:
    """An application with the short way, and Flask's beneath it; `flask` counts what came to that."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.app: Flask = create_app(
            Settings(store=store.root, live="off", refresh_seconds=3_600, **settings), lambda: NOW
        )
        self.short = self.app.extensions["watching"]._application
        self.flask = 0
        if isinstance(self.short, FastPath):
            self._flask, self.short._application = self.short._application, self.by_flask

    def by_flask(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.flask += 1
        return self._flask(environ, start_response)

    def answers(self, path: str, query: str = "", **more: Any) -> tuple[Answer, Answer]:
        """Of the short way, once Flask has read the query, and of Flask's."""
        flask = answer(self.by_flask, path, query, **more)
        return answer(self.short, path, query, **more), flask


def answer(application: Any, path: str, query: str, method: str = "GET", **headers: str) -> Answer:
    environ = EnvironBuilder(method=method, headers=headers).get_environ()
    environ["PATH_INFO"] = path.encode().decode("latin-1")  # as it is, not as the builder would clean it
    environ["QUERY_STRING"] = query
    begun: list[Any] = []
    body = b"".join(application(environ, lambda *start: begun.append(start)))
    (status, found, *_) = begun[-1]
    return status, list(found), body


@pytest.fixture(scope="module")
def each(tmp_path_factory: pytest.TempPathFactory) -> list[Both]:
    store = Store(tmp_path_factory.mktemp("short") / "store")
    publish(store, "s1", RELEVANCE)
    return [Both(store, cors_origins=origins) for origins in ORIGINS]


@pytest.mark.parametrize("rest", ["", "limit=2", "limit=2&policy=latest", "explain=true", "limit=%32"])
@pytest.mark.parametrize("name", [BRIDGE, "old-42", f"+{BRIDGE}+", quote(BRIDGE, safe=""), "%C3%A9"])
def test_an_id_in_the_query_is_answered_as_flask_does(each: list[Both], name: str, rest: str) -> None:
    for both in each:
        for query in (f"id={name}&{rest}".rstrip("&"), f"{rest}&id={name}".lstrip("&")):
            fast, flask = both.answers("/v1/related", query)
            assert fast == flask
            if flask[0] == "200 OK":
                before = both.flask
                assert answer(both.short, "/v1/related", query) == flask
                assert both.flask == before  # not asked


@pytest.mark.parametrize(
    "query",
    [
        f"id={BRIDGE}&id={COPY}", f"id={BRIDGE}&url=https://x.example/", f"%69d={COPY}&id={BRIDGE}", "id=", "id",
        f"id={BRIDGE}&ur%6C=x", "limit=2", f"id={BRIDGE}&unit=u1", "id=%FF", f"id={BRIDGE}%00", f"id={BRIDGE}&x=1",
    ],
)  # fmt: skip
def test_an_odd_query_is_answered_as_flask_does(each: list[Both], query: str) -> None:
    for both in each:
        answer(both.short, "/v1/related", f"id={BRIDGE}", "GET")
        fast, flask = both.answers("/v1/related", query)
        if "unit" not in query:  # a list of a reader's own has an ID of its own
            assert fast == flask
        assert fast[0] == flask[0]


@pytest.mark.parametrize("origin", [None, NAMED, STRANGER])
@pytest.mark.parametrize("query", ["", "limit=2", "policy=latest&explain=true", "fields=headline", "limit=%31"])
@pytest.mark.parametrize("name", [BRIDGE, COPY, ODD, "old-42", f" {BRIDGE} "])
def test_a_list_is_flasks_to_the_byte_and_does_without_it(
    each: list[Both], name: str, query: str, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for both in each:
        short, flask = both.answers(f"/v1/articles/{name}/related", query, **headers)
        assert short == flask
        assert short[0] == "200 OK"
        before = both.flask
        assert answer(both.short, f"/v1/articles/{name}/related", query, **headers) == flask
        assert both.flask == before  # not asked


@pytest.mark.parametrize(
    ("path", "query", "more"),
    [
        (f"/v1/articles/{WITHDRAWN}/related", "", {}),
        (f"/v1/articles/{EMBARGOED}/related", "", {}),
        ("/v1/articles/no/such/related", "", {}),
        ("/v1/articles//related", "", {}),
        ("/v1/articles/related", "", {}),
        (f"/v1/articles//{BRIDGE}/related", "", {}),
        (f"/v1/articles/{BRIDGE}/related/", "", {}),
        (f"/v1/articles/{BRIDGE}/related", "limit=0", {}),
        (f"/v1/articles/{BRIDGE}/related", "no=such", {}),
        (f"/v1/articles/{BRIDGE}/related", "", {"method": "HEAD"}),
        (f"/v1/articles/{BRIDGE}/related", "", {"method": "DELETE"}),
        (f"/v1/articles/{BRIDGE}/related", "", {"If-None-Match": "*"}),
    ],
)
def test_what_is_no_ordinary_list_goes_flasks_way(each: list[Both], path: str, query: str, more: Any) -> None:
    both = each[0]
    short, flask = both.answers(path, query, **more)
    before = both.flask
    assert short == flask
    answer(both.short, path, query, **more)
    assert both.flask == before + 1


@given(
    st.one_of(st.text(max_size=12), st.sampled_from([BRIDGE, COPY, ODD, f"{BRIDGE}/related", "\x00", "%62"])),
    st.sampled_from(["", "limit=1", "limit=1&limit=2", "section=", "exclude=" + quote(COPY), "unit=", "&", "limit"]),
    st.sampled_from(["/v1/articles/", "/v1/articles//", "/v1/articles", "/V1/articles/"]),
)
def test_whatever_is_asked_the_answer_is_flasks(each: list[Both], name: str, query: str, prefix: str) -> None:
    short, flask = each[2].answers(f"{prefix}{name.encode(errors='replace').decode()}/related", query, Origin=NAMED)
    assert short == flask


def test_a_readers_own_list_is_never_kept_and_never_short(each: list[Both]) -> None:
    both, path = each[0], f"/v1/articles/{BRIDGE}/related"
    lists = set()
    for _ in range(3):
        before = both.flask
        _, _, body = answer(both.short, path, "unit=reader-1")
        assert both.flask == before + 1
        lists.add(json.loads(body)["list_id"])
    assert len(lists) == 3


def test_bytes_of_a_path_that_are_no_text_go_flasks_way(each: list[Both]) -> None:
    both, path = each[0], "/v1/articles/\xff/related"
    answers = []
    for application in (both.short, both.by_flask):
        environ = EnvironBuilder().get_environ() | {"PATH_INFO": path, "QUERY_STRING": ""}
        begun: list[Any] = []
        answers.append((b"".join(application(environ, lambda *start, to=begun: to.append(start))), begun))
    assert answers[0] == answers[1]
    assert both.flask >= 2


def test_query_strings_that_are_kept_are_bounded(each: list[Both]) -> None:
    both = each[0]
    for number in range(600):
        answer(
            both.short,
            f"/v1/articles/{BRIDGE}/related",
            f"published_after=20{number % 100:02}-01-{number % 28 + 1:02}",
        )
    answer(both.short, f"/v1/articles/{BRIDGE}/related", "section=" + "x" * 400)
    read = both.short._lists._read
    assert len(read) <= 256
    assert max(map(len, read)) <= 200
    assert "" in read


def test_numbers_and_lines_name_the_route_of_the_fast_path(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    publish(store, "s1", RELEVANCE)
    both = Both(store)
    client = both.app.test_client()
    for _ in range(3):
        assert client.get(f"/v1/articles/{BRIDGE}/related").status_code == 200
    assert both.flask == 1  # the first, which opens the snapshot
    told = client.get("/metrics").text
    assert 'related_lists_total{policy="related",result="filled"} 3' in told
    counted = next(line for line in told.splitlines() if line.startswith("related_request_duration_seconds_count"))
    assert 'route="/v1/articles/{id}/related"' in counted


def test_where_reading_needs_a_key_there_is_no_fast_path(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    publish(store, "s1", RELEVANCE)
    both = Both(store, reads="key")
    assert not isinstance(both.short, FastPath)
    assert both.app.test_client().get(f"/v1/articles/{BRIDGE}/related").status_code == 401
