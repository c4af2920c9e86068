"""Every address under every method: what its answer tells a browser, and what it does not tell a stranger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from newsroom import EDITOR, WRITER, Newsroom, story, with_key

from service.api import related as lists
from service.app import create_app
from service.config import Settings

NAMED, STRANGER = "https://courier.example", "https://stranger.example"
FOR_PAGES = {  # what a page of a named origin may read; all else is for no other page
    "/v1/articles/<path:id>/related", "/v1/related", "/v1/events",
    "/v1/articles/<path:id>/related.html", "/v1/related.html",
    "/v1/articles/<path:id>/related.feed.json", "/v1/related.feed.json",
}  # fmt: skip
FOR_ALL_PAGES = {"/embed.js", "/embed.css"}
VALUES = {"id": "ferry/3", "key": "courier", "name": "report.html", "filename": "page.css"}
TRACE = re.compile(r"Traceback|File \"|\.py\b|line \d+|werkzeug|granian|flask|python|sqlite3", re.IGNORECASE)
PAYLOAD = "a\r\nSet-Cookie: x=1\r\n\r\n<script>1</script>\x00\u2028\u202e"


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    folder = tmp_path_factory.mktemp("headers")
    for name in ("reports", "media"):
        (folder / name).mkdir()
        (folder / name / "report.html").write_text("<h1>Report</h1>")
    newsroom = Newsroom(
        folder,
        search_socket=folder / "nobody.sock",
        reports=folder / "reports",
        media_dir=folder / "media",
        cors_origins=(NAMED,),
        log_level="error",
    )
    newsroom.rebuild([story(f"ferry/{n}", "ferry river crossing", 10 + n) for n in range(8)])
    yield newsroom
    newsroom.close()


@pytest.fixture(scope="module")
def editor(newsroom: Newsroom) -> FlaskClient:
    client = newsroom.worker()
    assert client.post("/console/sign-in", data={"key": EDITOR}).status_code == 303
    return client


def addresses(client: FlaskClient) -> list[tuple[str, str]]:
    """Each rule with the address that it leads to."""
    return [
        (rule.rule, re.sub(r"<(?:\w+:)?(\w+)>", lambda found: VALUES[found[1]], rule.rule))
        for rule in client.application.url_map.iter_rules()
    ]


def answers(client: FlaskClient, origin: str) -> Iterator[tuple[str, str, Any]]:
    """The answer of each address under each method, asked well and badly: rule, what was asked, answer."""
    for rule, path in addresses(client):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            for query in ("", "?id=ferry/3", "?no=such"):
                asked = f"{method} {path}{query}"
                yield rule, asked, client.open(f"{path}{query}", method=method, headers={"Origin": origin})


def test_every_answer_says_what_a_browser_may_do_with_it(editor: FlaskClient) -> None:
    seen = set()
    for _, asked, answer in answers(editor, STRANGER):
        seen.add((asked.split()[0], answer.status_code))
        assert answer.status_code < 500 or answer.status_code == 503, asked
        assert answer.headers["X-Content-Type-Options"] == "nosniff", asked
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'"), asked
        assert {"frame-ancestors", "base-uri", "form-action"} <= {each.split()[0] for each in policy.split("; ")}, (
            asked
        )
        assert "script-src" not in policy or "script-src 'self';" in policy, asked
        assert answer.headers["Referrer-Policy"] == "same-origin", asked
        assert {"Server", "X-Powered-By", "Via"}.isdisjoint(answer.headers), asked
        if answer.data:
            assert answer.content_type, asked
        answer.close()
    assert {("GET", 200), ("GET", 400), ("POST", 401), ("PUT", 405), ("GET", 404)} <= seen  # all kinds were met


def test_only_pages_of_named_origins_may_read_and_only_what_is_for_pages(newsroom: Newsroom) -> None:
    for rule, asked, answer in answers(newsroom.client, STRANGER):
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        got = rule in FOR_ALL_PAGES and asked.startswith(("GET", "HEAD"))
        assert allowed == ("*" if got else None), asked
        answer.close()
    read = set()
    for rule, asked, answer in answers(newsroom.client, NAMED):
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        assert "Access-Control-Allow-Credentials" not in answer.headers, asked
        writes = rule.startswith("/v1/articles/") and not asked.startswith(("GET", "HEAD", "OPTIONS"))
        if rule not in FOR_ALL_PAGES:
            assert allowed == (NAMED if rule in FOR_PAGES and not writes else None), asked
            assert answer.headers.getlist("Access-Control-Allow-Origin") in ([], [NAMED])
        if allowed == NAMED:
            assert "Origin" in answer.headers["Vary"], asked
            read.add((rule, answer.status_code))
        answer.close()
    assert {rule for rule, _ in read} == FOR_PAGES
    assert {status for _, status in read} >= {200, 400, 405, 422}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/articles/no/such/related", 404),
        ("/v1/articles/ferry/7/related", 410),
        ("/v1/articles//related", 404),
        ("/v1/articles/ferry/3/related?limit=0", 400),
        ("/v1/related", 400),
        ("/v1/related?id=no/such", 404),
        ("/v1/related.html?id=no/such", 404),
        ("/v1/related.feed.json?url=https://x.example/no", 404),
    ],
)
@pytest.mark.parametrize("origin", [NAMED, STRANGER, None])
def test_a_page_may_read_a_problem_as_it_may_read_a_list(
    newsroom: Newsroom, path: str, status: int, origin: str | None
) -> None:
    if status == 410:
        newsroom.delete("ferry/7")
    headers = {} if origin is None else {"Origin": origin}
    list_, problem = (newsroom.client.get(each, headers=headers) for each in ("/v1/related?id=ferry/3", path))
    assert problem.status_code == status
    for name in ("Access-Control-Allow-Origin", "Vary"):
        assert problem.headers.getlist(name) == list_.headers.getlist(name)
    assert list_.headers.get("Access-Control-Allow-Origin") == (NAMED if origin == NAMED else None)


def test_a_page_may_read_why_its_events_or_a_list_were_refused(newsroom: Newsroom, tmp_path: Path) -> None:
    ask, headers = newsroom.client.post, {"Origin": NAMED}
    told = [ask("/v1/events", data=data, headers=headers) for data in (b"{}", b"{", b" " * 70_000)]
    assert [each.status_code for each in told] == [422, 422, 413]
    empty = create_app(
        Settings(store=tmp_path, live="off", cors_origins=(NAMED,)), lambda: newsroom.now
    ).test_client()
    told.append(empty.get("/v1/related?id=a", headers=headers))
    assert told[-1].status_code == 503
    assert [each.headers["Access-Control-Allow-Origin"] for each in told] == [NAMED] * 4


def test_a_preflight_is_granted_to_named_origins_for_what_is_for_pages(newsroom: Newsroom) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    def preflight(path: str, origin: str) -> Any:
        return newsroom.client.options(path, headers=asked | {"Origin": origin}).headers

    granted = preflight("/v1/events", NAMED)
    assert granted["Access-Control-Allow-Origin"] == NAMED
    assert "POST" in granted["Access-Control-Allow-Methods"]
    assert granted["Access-Control-Allow-Headers"] == "Content-Type"
    for path, origin in (("/v1/events", STRANGER), ("/v1/article", NAMED), ("/console/sign-in", NAMED)):
        assert not [name for name, _ in preflight(path, origin) if name.startswith("Access-Control-")], path


def test_what_a_reader_may_not_keep_is_not_kept(editor: FlaskClient) -> None:
    for rule, asked, answer in answers(editor, STRANGER):
        if rule.startswith("/console") and "/static/" not in rule and answer.status_code == 200 and answer.data:
            assert answer.headers["Cache-Control"] == "private, no-store", asked
        answer.close()


def test_a_fault_of_ours_tells_nothing_of_its_insides(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret particulars in /etc/somewhere.py")

    monkeypatch.setattr(lists, "visible_row", broken)
    answer = newsroom.worker().get("/v1/related?id=ferry/3")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert not TRACE.search(answer.text)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "secret particulars" in caplog.text


@pytest.mark.parametrize("path", ["/no/such", "/v1/related?limit=x", "/console/no", "/reports/..%2f..%2fkeys.toml"])
def test_an_error_names_no_program_and_no_file(newsroom: Newsroom, path: str) -> None:
    answer = newsroom.client.get(path)
    assert not TRACE.search(answer.text)
    assert str(newsroom.store.root) not in answer.text


@pytest.mark.parametrize("path", ["/v1/related", "/v1/article", "/v1/related.html", "/article", "/console/sign-in"])
@pytest.mark.parametrize("name", ["id", "url", "next", "limit", "section"])
def test_nothing_that_is_asked_for_becomes_a_header_or_a_line(newsroom: Newsroom, path: str, name: str) -> None:
    answer = newsroom.client.get(path, query_string={name: PAYLOAD}, environ_overrides={"HTTP_X_REQUEST_ID": PAYLOAD})
    for header, value in answer.headers:
        assert header != "Set-Cookie"
        assert value.isprintable(), (header, value)
    assert "<script>1" not in answer.text or answer.is_json
    answer.close()


def test_the_host_that_was_asked_for_leads_nowhere(newsroom: Newsroom) -> None:
    """Else a cache could be made to send the next one there."""
    for rule, path in addresses(newsroom.client):
        for spelled in (path, path.rstrip("/") or "/", f"{path}/"):
            evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
            answer = newsroom.client.get("/", environ_overrides={"PATH_INFO": spelled}, headers=evil)
            assert "evil.example" not in f"{answer.headers} {answer.text}", rule
            answer.close()


def test_an_address_that_was_asked_for_comes_back_in_headers_only_escaped(newsroom: Newsroom) -> None:
    answer = newsroom.client.get("/console/article", query_string={"id": PAYLOAD}, headers={"Host": "evil.example"})
    assert answer.status_code == 303
    assert answer.location.startswith("/console/sign-in?next=")
    assert answer.location.isprintable()
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "identifier", [PAYLOAD, "a\nb", "a\rb", "\x1b[31m", "a\x00b", "x" * 10_000, "\u2028", "%0d%0a"]
)
def test_an_id_that_would_forge_headers_or_lines_is_refused_or_told_as_it_is(
    newsroom: Newsroom, identifier: str
) -> None:
    answer = newsroom.client.put(
        "/v1/article", query_string={"id": identifier}, json={"headline": "x"}, headers=with_key(WRITER)
    )
    assert answer.status_code in (201, 400)
    assert all(value.isprintable() for _, value in answer.headers)
    if any(ord(each) < 32 for each in identifier) or len(identifier) > 512:
        assert answer.get_json()["code"] == "invalid_id"
