"""The HTTP contract over a newsroom of eight stories whose right answers are plain to see."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eight_stories import (
    BRIDGE,
    COPY,
    EMBARGOED,
    NOW,
    ODD,
    OPENING,
    RELEVANCE,
    SPORT,
    TENDER,
    WITHDRAWN,
    publish,
)
from flask.testing import FlaskClient
from newsroom import Newsroom, story

from index.publishing.store import Store
from service.app import create_app
from service.archive.manager import Catalogue
from service.config import Settings


@pytest.fixture
def make_client(store: Store, tmp_path: Path) -> Callable[..., FlaskClient]:
    def make(now: int = NOW, **settings: Any) -> FlaskClient:
        given = {"demo": "on", "refresh_seconds": 3_600, **settings}
        chosen = Settings(store=store.root, search_socket=tmp_path / "nobody.sock", **given)
        return create_app(chosen, lambda: now).test_client()

    return make


@pytest.fixture
def client(store: Store, make_client: Callable[..., FlaskClient]) -> FlaskClient:
    publish(store, "s1", RELEVANCE)
    return make_client()


def ids(answer: Any) -> list[str]:
    return [item["teaser"]["id"] for item in answer.get_json()["items"]]


@pytest.mark.parametrize("path", ["/v1/related?id=%ff", "/v1/related?id=%ed%a0%80&explain=true"])
def test_an_id_in_the_query_that_is_no_utf_8_is_known_by_nobody(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code in (400, 404)


def test_an_id_in_the_path_that_is_no_utf_8_is_refused(client: FlaskClient) -> None:
    answer = client.get("/v1/articles/caf\ufffd/related")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_id")


def test_a_list_holds_the_related_stories_and_nothing_readers_may_not_see(client: FlaskClient) -> None:
    answer = client.get(f"/v1/articles/{BRIDGE}/related?fallback=none")
    assert answer.status_code == 200
    assert ids(answer) == [TENDER, OPENING, SPORT]  # no copy, nothing withdrawn, nothing embargoed
    document = answer.get_json()
    assert (document["article_id"], document["snapshot_id"], document["policy"]) == (BRIDGE, "s1", "related")
    assert [item["position"] for item in document["items"]] == [1, 2, 3]
    assert document["fallback_used"] is False
    assert (document["token"], document["experiment"], document["variant"]) == (None, None, None)


def test_an_embargo_ends_when_its_time_has_come(client: FlaskClient, make_client: Callable[..., FlaskClient]) -> None:
    assert client.get(f"/v1/articles/{EMBARGOED}/related").status_code == 404
    later = make_client(now=NOW + 660)
    assert later.get(f"/v1/articles/{EMBARGOED}/related").status_code == 200
    assert ids(later.get(f"/v1/articles/{BRIDGE}/related"))[0] == EMBARGOED


def test_explain_gives_the_numbers_that_make_the_score(client: FlaskClient) -> None:
    item = client.get(f"/v1/related?id={BRIDGE}&explain=true").get_json()["items"][0]
    recency = 0.5 + 0.5 * 0.5 ** ((50 - 30) / 360)
    assert item["explain"]["relevance"] == 0.75
    assert item["explain"]["recency"] == pytest.approx(recency, abs=1e-3)
    assert item["score"] == pytest.approx(0.75 * recency, abs=1e-3)
    assert item["explain"]["signal"] == 1.0
    assert item["explain"]["shared_terms"] == ["lifting bridge"]
    assert item["explain"]["shared_names"] == []
    assert item["explain"]["reason"].endswith("both speak of lifting bridge. Its age takes 2% off the score.")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=1", [TENDER]),
        (f"exclude={TENDER}&exclude={SPORT}", [OPENING]),
        ("section=sport", [SPORT]),
        ("section=nowhere", []),
        ("min_relevance=0.5", [TENDER, OPENING]),
        ("published_after=2026-12-20", [OPENING]),
        ("policy=latest", [OPENING, TENDER, SPORT]),
    ],
)
def test_parameters_change_the_list_as_they_say(client: FlaskClient, query: str, expected: list[str]) -> None:
    found = ids(client.get(f"/v1/related?id={BRIDGE}&fallback=none&{query}"))
    assert sorted(found) == sorted(expected) if query == "policy=latest" else found == expected


def test_a_short_filtered_list_says_that_the_search_process_was_away(client: FlaskClient) -> None:
    answer = client.get(f"/v1/related?id={BRIDGE}&section=sport")
    assert answer.status_code == 200
    assert answer.get_json()["degraded"] == ["search_unavailable"]
    assert not client.get(f"/v1/related?id={BRIDGE}").get_json().get("degraded")


def test_fields_leave_only_what_was_asked_for_and_the_id(client: FlaskClient) -> None:
    items = client.get(f"/v1/related?id={BRIDGE}&fields=headline,age_label").get_json()["items"]
    assert items[0]["teaser"] == {"id": TENDER, "headline": "News/Tender", "age_label": "1 month old"}


def test_a_fallback_is_marked_on_the_list_and_on_each_story(client: FlaskClient) -> None:
    document = client.get(f"/v1/related?id={SPORT}&fallback=recent&limit=2").get_json()
    assert document["fallback_used"] is True
    assert [(item["teaser"]["id"], item["source"]) for item in document["items"]] == [
        (OPENING, "recent"),
        (ODD, "recent"),
    ]


def test_what_fills_a_list_keeps_to_the_section_cap(tmp_path: Path) -> None:
    (tmp_path / "policies.toml").write_text(
        '[capped]\ndescription = "x"\nrecency_floor = 1.0\nmin_relevance = 1.0\nsection_cap = 2\n'
        'fallback = ["same_section", "recent"]\n'
    )
    newsroom = Newsroom(tmp_path, policies=tmp_path / "policies.toml")
    sections = {"news": 6, "sport": 6, "culture": 1, "": 2}
    newsroom.rebuild(
        [
            story(f"{section}/{n}", f"{section} {n}", 1 + n, section=section)
            for section, count in sections.items()
            for n in range(count)
        ]
    )
    asked = "/v1/related?id=news/0&policy=capped"
    found = newsroom.client.get(f"{asked}&limit=10").get_json()["items"]
    counts = Counter(each["teaser"]["section"] for each in found)
    assert counts == {"news": 2, "sport": 2, "culture": 1, "": 2}
    found = newsroom.client.get(f"{asked}&limit=4&section=sport").get_json()["items"]
    assert [each["teaser"]["section"] for each in found] == ["sport"] * 4
    newsroom.close()


def test_nothing_good_enough_is_an_empty_list_and_no_error(client: FlaskClient) -> None:
    answer = client.get(f"/v1/related?id={SPORT}&fallback=none")
    assert (answer.status_code, answer.get_json()["items"]) == (200, [])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/articles/news%2Fbridge/related",
        "/v1/related?id=news/bridge",
        "/v1/related?url=old-42",
        "/v1/related?url=https://Courier.example/bridge/%3Futm_source=x",
    ],
)
def test_an_article_is_found_by_any_of_its_names(client: FlaskClient, path: str) -> None:
    assert client.get(path).get_json()["article_id"] == BRIDGE


def test_an_id_that_is_an_address_in_either_unicode_form_is_served(client: FlaskClient) -> None:
    for spelling in ("https%3A%2F%2Fx.example%2F%2F%C3%BC%3Fa%3D1", "https%3A%2F%2Fx.example%2F%2Fu%CC%88%3Fa%3D1"):
        assert client.get(f"/v1/related?id={spelling}").get_json()["article_id"] == ODD
        assert client.get(f"/v1/articles/{spelling}/related").get_json()["article_id"] == ODD


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/related?id=a&limit=0", 400, "invalid_limit"),
        ("/v1/related?id=a&limit=51", 400, "invalid_limit"),
        ("/v1/related?id=a&limit=1&limit=2", 400, "invalid_limit"),
        ("/v1/related?id=a&limit=%D9%A3", 400, "invalid_limit"),
        ("/v1/related?id=a&min_relevance=nan", 400, "invalid_min_relevance"),
        ("/v1/related?id=a&policy=best", 400, "invalid_policy"),
        ("/v1/related?id=a&published_after=yesterday", 400, "invalid_published_after"),
        ("/v1/related?id=a&explain=perhaps", 400, "invalid_explain"),
        ("/v1/related?id=a&fields=body", 400, "invalid_fields"),
        ("/v1/related?id=a&colour=red", 400, "unknown_parameter"),
        ("/v1/related", 400, "invalid_id"),
        ("/v1/related?id=", 400, "invalid_id"),
        ("/v1/related?id=a&url=b", 400, "invalid_id"),
        ("/v1/related?id=a%00b", 400, "invalid_id"),
        ("/v1/articles/" + "x" * 10_000 + "/related", 400, "invalid_id"),
        ("/v1/related?id=unknown", 404, "article_not_found"),
        (f"/v1/articles/{WITHDRAWN}/related", 410, "article_withdrawn"),
        ("/v2/related", 404, "not_found"),
    ],
)
def test_a_wrong_request_gets_a_problem_document_with_a_stable_code(
    client: FlaskClient, path: str, status: int, code: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["status"] == status
    assert answer.get_json()["title"]
    assert "Traceback" not in answer.get_data(as_text=True)


def test_another_method_is_refused_with_the_methods_that_work(client: FlaskClient) -> None:
    answer = client.delete(f"/v1/articles/{BRIDGE}/related")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_head_says_what_get_would_without_a_body(client: FlaskClient) -> None:
    path = f"/v1/articles/{BRIDGE}/related"
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", get.headers["ETag"])
    assert client.head("/v1/related?id=unknown").status_code == 404


def test_without_a_store_every_list_is_a_503_that_says_when_to_come_back(
    make_client: Callable[..., FlaskClient],
) -> None:
    empty = make_client()
    for path in ("/v1/related?id=a", "/readyz"):
        answer = empty.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "no_snapshot")
        assert int(answer.headers["Retry-After"]) > 0
    assert empty.get("/livez").status_code == 200


def test_the_same_question_has_the_same_bytes_and_costs_a_304(client: FlaskClient) -> None:
    path = f"/v1/articles/{BRIDGE}/related"
    first, again = client.get(path), client.get(path)
    assert first.data == again.data
    assert first.headers["ETag"] == f'"{first.get_json()["list_id"]}"'
    assert first.headers["Cache-Control"] == "public, no-cache"
    for asked in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"x", {first.headers["ETag"]}'):
        unchanged = client.get(path, headers={"If-None-Match": asked})
        assert (unchanged.status_code, unchanged.data) == (304, b"")
        assert unchanged.headers["ETag"] == first.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_list_changes_within_a_minute_only_with_its_reader(
    client: FlaskClient, make_client: Callable[..., FlaskClient]
) -> None:
    path = f"/v1/articles/{BRIDGE}/related"
    begin = NOW - NOW % 60
    assert make_client(now=begin).get(path).data == make_client(now=begin + 59).get(path).data
    own, own_again = client.get(f"{path}?unit=r1"), client.get(f"{path}?unit=r1")
    assert own.headers["Cache-Control"] == "private, no-store"
    assert "ETag" not in own.headers
    assert own.get_json()["list_id"] != own_again.get_json()["list_id"]
    assert ids(own) == ids(own_again)


def test_only_named_origins_may_read_lists_from_a_page(
    client: FlaskClient, make_client: Callable[..., FlaskClient]
) -> None:
    path = f"/v1/articles/{BRIDGE}/related"
    named = make_client(cors_origins=("https://courier.example",))
    for origin, allowed in (("https://courier.example", "https://courier.example"), ("https://evil.example", None)):
        answer = named.get(path, headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Origin" not in client.get(path, headers={"Origin": "https://x.example"}).headers


def test_a_new_snapshot_serves_after_a_refresh_and_a_damaged_one_never_does(store: Store) -> None:
    publish(store, "s1", RELEVANCE)
    catalogue = Catalogue(store, "default")
    assert catalogue.current().id == "s1"
    publish(store, "s2", {SPORT: 0.9})
    catalogue.refresh()
    assert (catalogue.current().id, catalogue.degraded) == ("s2", None)
    publish(store, "s3", {SPORT: 0.9})
    with (store.directory("s3") / "teasers.jsonl").open("r+b") as file:
        file.write(b"\0" * 16)
    catalogue.refresh()
    assert catalogue.current().id == "s2"
    assert "s3" in (catalogue.degraded or "")
    assert "teasers.jsonl" in (catalogue.degraded or "")


def test_the_openapi_document_declares_every_parameter_that_is_taken(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    declared = document["paths"]["/v1/related"]["get"]["parameters"]
    limit = next(each for each in declared if each["name"] == "limit")["schema"]
    assert (limit["type"], limit["minimum"], limit["maximum"], limit["default"]) == ("integer", 1, 50, 6)
    refusal = client.get("/v1/related?nope=1").get_json()["detail"]
    assert all(each["name"] in refusal for each in declared)


def test_pages_show_text_as_text_and_allow_no_script(client: FlaskClient) -> None:
    for path in ("/", f"/article?id={BRIDGE}", "/docs"):
        page = client.get(path)
        assert page.status_code == 200
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        text = page.get_data(as_text=True)
        assert "<b>&" not in text
        assert "<script" not in text
        assert "style=" not in text
    assert "“Bridge” &lt;b&gt;&amp;" in client.get(f"/article?id={BRIDGE}").get_data(as_text=True)
    front = client.get("/").get_data(as_text=True)
    assert "News/Withdrawn" not in front
    assert "News/Embargoed" not in front


def test_the_demonstration_pages_are_there_only_where_they_are_asked_for(
    store: Store, make_client: Callable[..., FlaskClient]
) -> None:
    publish(store, "s1", RELEVANCE)
    assert Settings().demo == "off"
    client = make_client(demo="off")
    for path in ("/", f"/article?id={BRIDGE}"):
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
        assert make_client().get(path).status_code == 200
    docs = client.get("/docs")
    assert docs.status_code == 200
    assert 'href="/"' not in docs.text


def test_answering_by_id_loads_no_model_no_faiss_and_no_scikit_learn(store: Store) -> None:
    publish(store, "s1", RELEVANCE)
    program = f"""
import sys
from pathlib import Path
from service.app import create_app
from service.config import Settings
client = create_app(Settings(store=Path({str(store.root)!r})), lambda: {NOW}).test_client()
answer = client.get("/v1/articles/{BRIDGE}/related")
assert answer.status_code == 200 and len(answer.get_json()["items"]) >= 3, answer.data
heavy = ("torch", "sentence_transformers", "transformers", "sklearn", "scipy", "faiss")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_teasers_in_lists_are_those_of_the_article_call(client: FlaskClient) -> None:
    item = client.get(f"/v1/articles/{BRIDGE}/related").get_json()["items"][0]
    label = item["teaser"].pop("age_label")
    own = msgspec.json.decode(client.get(f"/v1/articles/{TENDER}").data)["teaser"]
    assert item["teaser"] == own
    assert label == "1 month old"


def test_excluding_a_story_excludes_its_copies(client: FlaskClient) -> None:
    assert BRIDGE not in ids(client.get(f"/v1/related?id={OPENING}&fallback=recent&exclude={COPY}"))


@pytest.mark.parametrize("policy", ["related", "latest", "background", "timeline"])
def test_every_shipped_policy_answers_for_an_archive_that_names_no_types(client: FlaskClient, policy: str) -> None:
    answer = client.get(f"/v1/articles/{BRIDGE}/related?policy={policy}&explain=true")
    assert answer.status_code == 200
    assert answer.get_json()["policy"] == policy


def test_a_problem_on_a_page_is_a_page(client: FlaskClient) -> None:
    answer = client.get("/article?id=nothing<b>")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    text = answer.get_data(as_text=True)
    assert "There is no article &#39;nothing&lt;b&gt;&#39; that readers may see." in text
    assert "default-src" in answer.headers["Content-Security-Policy"]


def test_a_story_that_fills_the_list_says_so(client: FlaskClient) -> None:
    items = client.get(f"/v1/related?id={BRIDGE}&explain=true&fallback=recent&min_relevance=0.9").get_json()["items"]
    assert {item["explain"]["reason"] for item in items} == {"Fills the list: among the newest."}
