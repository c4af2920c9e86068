"""The console: who gets in, what its pages tell, and that what an editor does there acts at once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from newsroom import EDITOR, WRITER, Newsroom, story

from service.console import routes
from service.console.desk import with_wish

TOPIC = "ferry river crossing timetable harbour"


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path, search_socket=tmp_path / "nobody.sock")
    ferries = [story(f"ferry/{n}", TOPIC, 10 + n, headline=f"The ferry, part {n}") for n in range(12)]
    newsroom.rebuild([*ferries, story("market/day", "market stalls cheese bread", 2, headline="Market day")])
    yield newsroom
    newsroom.close()


@pytest.fixture
def editor(newsroom: Newsroom) -> FlaskClient:
    """Signed in."""
    client = newsroom.worker()
    assert client.post("/console/sign-in", data={"key": EDITOR}).status_code == 303
    return client


def form_token(client: FlaskClient) -> str:
    found = re.search(r'name="form_token" value="([\w-]+)"', client.get("/console/").text)
    assert found
    return found[1]


def send(client: FlaskClient, path: str, **form: Any) -> Any:
    return client.post(path, data={"form_token": form_token(client), **form})


def ids(newsroom: Newsroom, article: str = "ferry/3") -> list[str]:
    answer = newsroom.client.get("/v1/related", query_string={"id": article}).get_json()
    return [item["teaser"]["id"] for item in answer["items"]]


PAGES = [
    "/console/", "/console/article?id=ferry/3", "/console/compare?id=ferry/3", "/console/draft",
    "/console/storylines",
    "/console/storyline?id=ferry/3", "/console/experiments", "/console/snapshots", "/console/health",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_shown_to_who_is_not_signed_in(newsroom: Newsroom, path: str) -> None:
    answer = newsroom.client.get(path)
    assert answer.status_code == 303
    assert answer.location.startswith("/console/sign-in?next=")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_for_an_editor(editor: FlaskClient, path: str) -> None:
    answer = editor.get(path)
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("key", [WRITER, "rs_nobody", ""])
def test_only_an_editors_key_signs_in(newsroom: Newsroom, key: str) -> None:
    answer = newsroom.client.post("/console/sign-in", data={"key": key})
    assert answer.status_code == 403
    assert "no editor’s key" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_who_was_sent_to_sign_in_comes_back_to_the_page(newsroom: Newsroom) -> None:
    asked = newsroom.client.get("/console/article?id=ferry/3").location
    answer = newsroom.client.post(asked, data={"key": EDITOR})
    assert answer.location == "/console/article?id=ferry/3"
    assert newsroom.client.get(answer.location).status_code == 200


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example/", "/console/\\evil.example", "/v1/related"]
)
def test_signing_in_leads_nowhere_else(newsroom: Newsroom, next: str) -> None:
    answer = newsroom.client.post("/console/sign-in", query_string={"next": next}, data={"key": EDITOR})
    assert answer.location == "/console/"


def test_a_session_ends_after_twelve_hours(newsroom: Newsroom, editor: FlaskClient) -> None:
    newsroom.now += 12 * 3_600 - 1
    assert editor.get("/console/").status_code == 200
    newsroom.now += 1
    assert editor.get("/console/").status_code == 303


def test_a_revoked_key_ends_its_sessions(newsroom: Newsroom, editor: FlaskClient) -> None:
    keys = newsroom.settings.keys
    assert keys is not None
    keys.write_text(keys.read_text().replace("[editor]", "[former]"))
    newsroom.worker()
    fresh = newsroom.worker()
    fresh.set_cookie("related_console", editor.get_cookie("related_console", path="/console").value, path="/console")
    assert fresh.get("/console/").status_code == 303


def with_other_at(text: str, position: int) -> str:
    """The text with another character at a position."""
    characters = list(text)
    characters[position] = "A" if characters[position] != "A" else "B"
    return "".join(characters)


@pytest.mark.parametrize(
    "change", [lambda c: with_other_at(c, -2), lambda c: with_other_at(c, 5), lambda c: c[:9], lambda c: f"{c}.x"]
)
def test_a_cookie_that_was_changed_opens_nothing(newsroom: Newsroom, editor: FlaskClient, change: Any) -> None:
    cookie = editor.get_cookie("related_console", path="/console").value
    newsroom.client.set_cookie("related_console", change(cookie), path="/console")
    assert newsroom.client.get("/console/").status_code == 303


def test_a_form_without_its_token_does_nothing(newsroom: Newsroom, editor: FlaskClient) -> None:
    before = ids(newsroom)
    form = {"article": "ferry/3", "story": before[0], "do": "exclude", "where": "here"}
    for given in ({}, {"form_token": "0" * 40}):
        answer = editor.post("/console/signals", data={**form, **given})
        assert answer.status_code == 403
        assert "This form is not valid any more" in answer.text
    token = form_token(editor)
    answer = editor.post(
        "/console/signals", data={**form, "form_token": token}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert ids(newsroom) == before


def test_a_pin_acts_at_once_and_is_told(editor: FlaskClient) -> None:
    answer = send(
        editor,
        "/console/signals",
        article="ferry/3",
        story="market/day",
        do="pin",
        position="1",
        until="24h",
        note="harvest",
    )
    assert answer.status_code == 303
    page = editor.get(answer.location).text
    assert "Pinned. Readers see it from now on." in page
    assert "pinned at 1" in page
    assert "harvest" in page
    assert editor.get("/v1/related?id=ferry/3").get_json()["items"][0]["teaser"]["id"] == "market/day"


def test_a_pin_of_a_day_is_gone_the_day_after(newsroom: Newsroom, editor: FlaskClient) -> None:
    send(editor, "/console/signals", article="ferry/3", story="market/day", do="pin", position="1", until="24h")
    newsroom.now += 24 * 3_600
    items = editor.get("/v1/related?id=ferry/3").get_json()["items"]
    assert "market/day" not in [each["teaser"]["id"] for each in items]


def test_left_out_in_this_list_is_not_left_out_in_others(newsroom: Newsroom, editor: FlaskClient) -> None:
    story_id = ids(newsroom)[0]
    send(editor, "/console/signals", article="ferry/3", story=story_id, do="exclude", where="here")
    other = next(each for each in (f"ferry/{n}" for n in range(12)) if each not in ("ferry/3", story_id))
    listed = [each["teaser"]["id"] for each in editor.get("/v1/related?id=ferry/3&limit=50").get_json()["items"]]
    elsewhere = [each["teaser"]["id"] for each in editor.get(f"/v1/related?id={other}&limit=50").get_json()["items"]]
    assert story_id not in listed
    assert story_id in elsewhere


def test_left_out_everywhere_is_left_out_everywhere(editor: FlaskClient) -> None:
    send(editor, "/console/signals", article="ferry/5", story="ferry/5", do="exclude", where="everywhere")
    for other in ("ferry/1", "ferry/3"):
        items = editor.get(f"/v1/related?id={other}&limit=50").get_json()["items"]
        assert "ferry/5" not in [each["teaser"]["id"] for each in items]


def test_a_boost_takes_the_place_of_a_bury(newsroom: Newsroom, editor: FlaskClient) -> None:
    for do in ("bury:0.1", "boost:2", "boost:5"):
        send(editor, "/console/signals", article="ferry/3", story="ferry/5", do=do, where="here", until="")
    held = newsroom.live.signals_of("ferry/3")
    assert held is not None
    assert [(each.kind, each.multiplier, each.target) for each in held.signals] == [("boost", 5.0, "ferry/5")]


def test_a_signal_is_removed_by_its_place_in_the_set_that_was_seen(newsroom: Newsroom, editor: FlaskClient) -> None:
    for target in ("ferry/5", "ferry/6"):
        send(editor, "/console/signals", article="ferry/3", story=target, do="boost:2", where="here", until="")
    held = newsroom.live.signals_of("ferry/3")
    assert held is not None
    assert send(editor, "/console/signals/remove", article="ferry/3", at="0", version="stale").status_code == 409
    assert send(editor, "/console/signals/remove", article="ferry/3", at="0", version=held.version).status_code == 303
    left = newsroom.live.signals_of("ferry/3")
    assert left is not None
    assert [each.target for each in left.signals] == ["ferry/6"]


def test_of_several_editors_first_wishes_at_once_none_is_lost(
    newsroom: Newsroom, editor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*given: Any) -> Any:
        time.sleep(0.05)  # between reading the set and writing it
        return with_wish(*given)

    monkeypatch.setattr(routes, "with_wish", slowly)
    cookie, token = editor.get_cookie("related_console", path="/console").value, form_token(editor)

    def ask(number: int) -> int:
        client = newsroom.client.application.test_client()
        client.set_cookie("related_console", cookie, path="/console")
        form = {"article": "ferry/3", "story": f"ferry/{4 + number}", "do": "boost:2", "where": "here"}
        return client.post("/console/signals", data={"form_token": token, **form}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [303] * 4
    held = newsroom.live.signals_of("ferry/3")
    assert held is not None
    assert sorted(each.target or "" for each in held.signals) == [f"ferry/{n}" for n in range(4, 8)]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"do": "pin", "position": "no"}, "position: must be a number"),
        ({"do": "pin", "position": "51"}, "position: a pin needs one from 1 to 50"),
        ({"do": "boost:99"}, "multiplier: a boost needs one from 1 to 10"),
        ({"do": "praise"}, "This cannot be done"),
        ({}, "This cannot be done"),
        ({"do": "exclude", "note": "x" * 501}, "note: is longer than 500"),
    ],
)
def test_a_wish_that_cannot_be_is_said(editor: FlaskClient, form: dict[str, str], says: str) -> None:
    answer = send(editor, "/console/signals", article="ferry/3", story="ferry/5", where="here", **form)
    assert answer.status_code == 422
    assert says in answer.text


def test_words_find_articles_and_so_does_an_id(editor: FlaskClient) -> None:
    assert "Market day" in editor.get("/console/?q=MARKET").text
    assert "The ferry, part 7" in editor.get("/console/?q=ferry/7").text
    page = editor.get("/console/?q=zeppelin").text
    assert "No teaser holds this word." in page
    assert "only words were looked for" in page


def test_a_list_says_why_each_story_is_there(editor: FlaskClient) -> None:
    page = editor.get("/console/article?id=ferry/3").text
    assert "likely to be linked by an editor" in page
    assert re.search(r'<meter min="0" max="1" value="0\.\d{4}" aria-label="Relevance">', page)


def test_two_policies_are_compared_by_what_moved(editor: FlaskClient) -> None:
    page = editor.get("/console/compare?id=ferry/3&a=related&b=related").text
    assert "6 of 6 stories in common" in page
    assert page.count(">same place<") == 6


def test_an_unknown_article_is_a_page_that_says_so(editor: FlaskClient) -> None:
    answer = editor.get("/console/article?id=nobody")
    assert answer.status_code == 404
    assert "There is no article &#39;nobody&#39;" in answer.text
    assert answer.content_type == "text/html; charset=utf-8"


def test_another_snapshot_serves_when_an_editor_is_sure(newsroom: Newsroom, editor: FlaskClient) -> None:
    first = newsroom.store.active_id("default")
    newsroom.now += 60
    second = newsroom.rebuild(
        [story(f"ferry/{n}", TOPIC, 10 + n, headline=f"The ferry, part {n}") for n in range(12)]
    )
    assert newsroom.store.active_id("default") == second != first
    assert send(editor, "/console/snapshots/serve", id=first).status_code == 422
    assert send(editor, "/console/snapshots/serve", id="nosuch", sure="yes").status_code == 409
    assert newsroom.store.active_id("default") == second
    assert send(editor, "/console/snapshots/serve", id=first, sure="yes").status_code == 303
    assert newsroom.store.active_id("default") == first
    assert "Market day" in editor.get("/console/").text


def test_a_draft_that_cannot_be_compared_is_kept_and_told(editor: FlaskClient) -> None:
    page = send(editor, "/console/draft", headline="A new ferry", body="It crosses the river.").text
    assert "Drafts cannot be compared now" in page
    assert "It crosses the river." in page


def test_health_tells_of_the_lists_of_the_newest_articles(editor: FlaskClient) -> None:
    page = editor.get("/console/health").text
    assert re.search(r"12 of 13", page)


def test_only_a_copy_is_called_one(newsroom: Newsroom) -> None:
    newsroom.now += 60
    text = " ".join(f"The quay {n} was busy as boat {n * 7} landed catch {n * 13}." for n in range(60))
    copies = [story(f"quay/{n}", text, 2 + n, headline="Busy day at the quay") for n in range(2)]
    newsroom.rebuild(
        [*copies, story("market/day", "market stalls cheese bread", 2, headline="Market day")], force=True
    )
    client = newsroom.worker()
    client.post("/console/sign-in", data={"key": EDITOR})
    assert client.get("/console/").text.count('<span class="tag">copy</span>') == 1


def test_an_id_of_which_only_the_withdrawal_is_known_breaks_no_search(
    newsroom: Newsroom, editor: FlaskClient
) -> None:
    newsroom.delete("ghost")
    client = newsroom.worker()
    client.post("/console/sign-in", data={"key": EDITOR})
    assert client.get("/console/?q=ferry").status_code == 200
    assert editor.get("/console/article?id=ghost").status_code in (404, 410)


def test_a_snapshot_of_another_channel_is_not_served(newsroom: Newsroom, editor: FlaskClient) -> None:
    other = newsroom.rebuild([story("other/1", TOPIC, 1, headline="Other")], channel="exp")
    active = newsroom.store.active_id("default")
    assert send(editor, "/console/snapshots/serve", id=other, sure="yes").status_code == 409
    assert newsroom.store.active_id("default") == active


@pytest.mark.parametrize("position", ["nan", "inf", "1e400", "2.9", "-1"])
def test_an_odd_position_is_said(editor: FlaskClient, position: str) -> None:
    answer = send(editor, "/console/signals", article="ferry/3", story="ferry/5", do="pin", position=position)
    assert answer.status_code == 422


def test_a_pin_takes_the_place_of_leaving_out(newsroom: Newsroom, editor: FlaskClient) -> None:
    for form in ({"do": "exclude", "where": "here"}, {"do": "pin", "position": "1"}):
        send(editor, "/console/signals", article="ferry/3", story="market/day", until="", **form)
    held = newsroom.live.signals_of("ferry/3")
    assert held is not None
    assert [each.kind for each in held.signals] == ["pin"]


def test_ended_wishes_leave_with_the_next_one(newsroom: Newsroom, editor: FlaskClient) -> None:
    for target in ("ferry/5", "ferry/6"):
        send(editor, "/console/signals", article="ferry/3", story=target, do="boost:2", where="here", until="1h")
        newsroom.now += 2 * 3_600
    held = newsroom.live.signals_of("ferry/3")
    assert held is not None
    assert [each.target for each in held.signals] == ["ferry/6"]


def test_a_long_draft_in_any_script_is_taken(editor: FlaskClient) -> None:
    assert send(editor, "/console/draft", headline="Паром", body="слово " * 2_200).status_code == 200


def test_a_page_number_beyond_all_is_an_empty_page(editor: FlaskClient) -> None:
    assert "Nothing older" in editor.get("/console/?from=99999999999999999999").text


def test_a_pin_that_cannot_show_is_refused_with_the_reason(newsroom: Newsroom, editor: FlaskClient) -> None:
    answer = send(editor, "/console/signals", article="ferry/3", story="ferry/3", do="pin", position="1")
    assert answer.status_code == 422
    assert "cannot show: the story is this article itself." in answer.text
    assert newsroom.live.signals_of("ferry/3") is None


def test_a_pin_beyond_the_usual_length_is_saved_only_when_that_is_confirmed(
    newsroom: Newsroom, editor: FlaskClient
) -> None:
    form = {"article": "ferry/3", "story": "market/day", "do": "pin", "position": "7", "until": "", "note": "tip"}
    asked = send(editor, "/console/signals", **form)
    assert asked.status_code == 200
    assert "Not saved yet" in asked.text
    assert "A list usually has 6 stories, so at position 7 the pin shows only in longer ones." in asked.text
    assert newsroom.live.signals_of("ferry/3") is None
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text))
    assert editor.post("/console/signals", data=fields).status_code == 303
    held = newsroom.live.signals_of("ferry/3")
    assert held is not None
    assert [(each.target, each.position, each.note) for each in held.signals] == [("market/day", 7, "tip")]


def test_the_history_says_what_was_changed(editor: FlaskClient) -> None:
    form = {"article": "ferry/3", "story": "market/day", "do": "pin", "until": "24h", "note": "harvest"}
    send(editor, "/console/signals", **form, position="2")
    send(editor, "/console/signals", **form, position="1")
    page = editor.get("/console/article?id=ferry/3").text
    assert "editor pinned “Market day” at position 2 until 25 November 2026, 09:00 UTC: harvest" in page
    assert "editor changed the pin of “Market day” to position 1 until 25 November 2026, 09:00 UTC: harvest" in page


def test_a_copy_of_the_cookie_is_worth_nothing_after_signing_out(newsroom: Newsroom, editor: FlaskClient) -> None:
    cookie = editor.get_cookie("related_console", path="/console").value
    thief, colleague = newsroom.worker(), newsroom.worker()
    thief.set_cookie("related_console", cookie, path="/console")
    assert colleague.post("/console/sign-in", data={"key": EDITOR}).status_code == 303  # in the same second
    assert thief.get("/console/").status_code == 200
    assert send(editor, "/console/sign-out").status_code == 303
    assert thief.get("/console/").status_code == 303
    assert colleague.get("/console/").status_code == 200
    folder = newsroom.store.root / "events" / "signed-out"
    assert len(list(folder.iterdir())) == 1
    newsroom.now += 13 * 3_600
    assert colleague.post("/console/sign-in", data={"key": EDITOR}).status_code == 303
    assert send(colleague, "/console/sign-out").status_code == 303
    assert len(list(folder.iterdir())) == 1  # what has ended by itself is not kept


def test_signing_in_and_out_where_nothing_can_be_written_is_said(newsroom: Newsroom, editor: FlaskClient) -> None:
    folder = newsroom.store.root / "events"
    token = form_token(editor)
    (folder / "signed-out").write_text("in the way")
    answer = editor.post("/console/sign-out", data={"form_token": token})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "not possible now" in answer.text


@pytest.mark.parametrize("reads", ["key", "public"])
def test_a_report_is_read_by_who_is_signed_in_without_a_key(tmp_path: Path, reads: str) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "test.html").write_text("<h1>It helped</h1>")
    newsroom = Newsroom(tmp_path, reads=reads, reports=tmp_path / "reports")
    try:
        editor = newsroom.worker()
        assert editor.get("/reports/test.html").status_code == 404
        assert editor.get("/console/reports/test.html").status_code == 303
        assert editor.post("/console/sign-in", data={"key": EDITOR}).status_code == 303
        answer = editor.get("/console/reports/test.html")
        assert (answer.status_code, answer.text) == (200, "<h1>It helped</h1>")
        assert answer.headers["Cache-Control"] == "private, no-store"
        answer.close()
        assert 'href="/console/reports/test.html"' in editor.get("/console/experiments").text
        for path in ("../keys.toml", "..%2fkeys.toml", "%2e%2e/keys.toml", "a%00b", "/etc/passwd", "..\\keys.toml"):
            assert editor.get(f"/console/reports/{path}").status_code == 404
    finally:
        newsroom.close()


def test_without_a_snapshot_the_console_shows_what_there_is(newsroom: Newsroom) -> None:
    for snapshot in newsroom.store.snapshot_ids():
        (newsroom.store.directory(snapshot) / "manifest.json").unlink()
    editor = newsroom.worker()
    assert editor.post("/console/sign-in", data={"key": EDITOR}).status_code == 303
    page = editor.get("/console/snapshots")
    assert page.status_code == 200
    assert "Damaged" in page.text
    away = editor.get("/console/health")
    assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
