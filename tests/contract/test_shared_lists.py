"""One list for all who ask for the same: the API, the fragment, the feed, the pages and the console."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from newsroom import EDITOR, Newsroom, story

from service.archive.candidates import Candidates
from service.archive.view import Archive

TOPIC = "ferry river crossing timetable harbour"


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path)
    newsroom.rebuild([story(f"ferry/{n}", TOPIC, 10 + n, url=f"https://x.example/{n}") for n in range(9)])
    yield newsroom
    newsroom.close()


@pytest.fixture
def selections(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often the candidates of each row were looked up, which is once for each list that is made."""
    counts: Counter[int] = Counter()
    candidates = Archive.candidates

    def counted(archive: Archive, row: int) -> Candidates:
        counts[row] += 1
        return candidates(archive, row)

    monkeypatch.setattr(Archive, "candidates", counted)
    return counts


def ask(newsroom: Newsroom, *paths: str) -> None:
    for path in paths:
        assert newsroom.client.get(path).status_code == 200, path


def test_the_api_the_fragment_and_the_feed_share_a_list(newsroom: Newsroom, selections: Counter[int]) -> None:
    ask(newsroom, "/v1/related.html?id=ferry/3", "/v1/related.feed.json?id=ferry/3", "/v1/related?id=ferry/3")
    ask(newsroom, "/v1/articles/ferry/3/related.html", "/v1/articles/ferry/3/related")
    assert selections.total() == 1
    newsroom.now += 60
    ask(newsroom, "/v1/related.html?id=ferry/3", "/v1/related.feed.json?id=ferry/3")
    assert selections.total() == 2


def test_the_console_the_demonstration_and_the_api_share_an_explained_list(
    newsroom: Newsroom, selections: Counter[int]
) -> None:
    assert newsroom.client.post("/console/sign-in", data={"key": EDITOR}).status_code == 303
    ask(newsroom, "/console/article?id=ferry/3", "/article?id=ferry/3", "/v1/related?id=ferry/3&explain=true")
    assert selections.total() == 1
    ask(newsroom, "/console/compare?id=ferry/3&a=related&b=latest", "/console/article?id=ferry/3&policy=latest")
    assert selections.total() == 2


def test_a_page_never_gets_a_list_of_other_fields(newsroom: Newsroom) -> None:
    before = newsroom.client.get("/v1/related.html?id=ferry/3").text
    newsroom.now += 60
    ask(newsroom, "/v1/related?id=ferry/3&fields=headline", "/v1/related?id=ferry/3&explain=true")
    assert newsroom.client.get("/v1/related.html?id=ferry/3").text == before
