"""A polite guest: robots.txt, pauses, redirects, conditional requests, resuming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from loopback_site import HTML, Reply, Site, served

from index.fetching.kept import Kept
from index.fetching.reach import Reach, networks
from index.fetching.request import Requests
from index.fetching.target import NotFetched, Refused
from index.fetching.visitor import Clock, Visitor

LOOPBACK = Reach(networks(["127.0.0.0/8"]))


class Time:
    """A clock that only waiting, and tests, move."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.waits += [round(seconds, 6)] if seconds else []

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.now, self.sleep)

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def site() -> Iterator[Site]:
    with served(Site()) as site:
        site.pages = {"/a": Reply(b"A", headers=HTML), "/b": Reply(b"B", headers=HTML)}
        yield site


@pytest.fixture
def time() -> Time:
    return Time()


def visitor(time: Time, kept: Kept | None = None) -> Visitor:
    return Visitor(Requests(LOOPBACK), kept or Kept(), clock=time.clock)


def test_robots_txt_is_asked_for_once_and_obeyed(site: Site, time: Time) -> None:
    site.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /b")
    guest = visitor(time)
    assert guest.visit(f"{site.url}/a").content == b"A"
    with pytest.raises(Refused, match=r"is forbidden by the host's robots\.txt"):
        guest.visit(f"{site.url}/b")
    assert site.asked == ["/robots.txt", "/a"]
    assert site.headers[0]["User-Agent"].startswith("related-stories/")


def test_a_redirect_is_subject_to_robots_txt_too(site: Site, time: Time) -> None:
    site.pages |= {"/robots.txt": Reply(b"User-agent: *\nDisallow: /b"), "/c": _to("/b"), "/d": _to("a")}
    guest = visitor(time)
    with pytest.raises(Refused):
        guest.visit(f"{site.url}/c")
    assert guest.visit(f"{site.url}/d")[:2] == (f"{site.url}/a", HTML["Content-Type"])


def test_five_redirects_are_followed_and_not_a_sixth(site: Site, time: Time) -> None:
    site.pages |= {f"/{n}": _to(f"/{n + 1}") for n in range(5)} | {"/5": Reply(b"end"), "/-1": _to("/0")}
    assert visitor(time).visit(f"{site.url}/0").content == b"end"
    with pytest.raises(NotFetched, match="more than 5 redirects"):
        visitor(time).visit(f"{site.url}/-1")


def test_a_host_is_asked_once_a_second_or_as_slowly_as_it_wants(site: Site, time: Time) -> None:
    visitor(time).visit(f"{site.url}/a")
    assert time.waits == [1]
    site.pages["/robots.txt"] = Reply(b"User-agent: *\nCrawl-delay: 7")
    guest = visitor(time)
    for path in ("/a", "/b", "/b?2"):
        site.pages[path] = Reply()
        guest.visit(site.url + path)
    assert time.waits == [1, 1, 7, 7]


def test_other_hosts_are_not_waited_for(site: Site, time: Time) -> None:
    with served(Site("127.0.0.2")) as other:
        other.pages = {"/": Reply(b"O")}
        guest = visitor(time)
        guest.visit(f"{site.url}/a")
        assert guest.visit(f"{other.url}/").content == b"O"
    assert time.waits == [1, 1]


def test_a_busy_host_is_asked_again_when_it_says_and_given_up_in_the_end(site: Site, time: Time) -> None:
    replies = iter([Reply(status=429, headers={"Retry-After": "20"}), Reply(status=503), Reply(b"now")])
    site.pages["/busy"] = lambda _: next(replies)
    guest = visitor(time)
    assert guest.visit(f"{site.url}/busy").content == b"now"
    assert time.waits == [1, 20, 30]
    site.pages["/busier"] = Reply(status=503, headers={"Retry-After": "86400"})
    with pytest.raises(NotFetched, match="answers 503"):
        guest.visit(f"{site.url}/busier")
    assert time.waits[3:] == [1, 300, 300]


def test_what_did_not_change_is_not_sent_again(site: Site, time: Time, tmp_path: Path) -> None:
    content = {"is": b"first"}

    def answer(headers: Mapping[str, str]) -> Reply:
        tag = f'"{content["is"].decode()}"'
        if headers.get("If-None-Match") == tag and headers["If-Modified-Since"] == "Mon, 02 Mar 2026 07:30:00 GMT":
            return Reply(status=304)
        return Reply(content["is"], headers={"ETag": tag, "Last-Modified": "Mon, 02 Mar 2026 07:30:00 GMT"})

    site.pages["/p"] = answer
    guest = visitor(time, Kept(tmp_path / "state"))
    pages = []
    for change in (b"first", b"first", b"second"):
        content["is"] = change
        pages.append(guest.visit(f"{site.url}/p"))
        time.seconds += 3_601
    assert [page.content for page in pages] == [b"first", b"first", b"second"]
    assert pages[1].fetched_at >= pages[0].fetched_at + 3_601
    assert site.asked.count("/p") == 3


def test_an_import_that_ended_early_does_not_ask_again_for_what_it_has(
    site: Site, time: Time, tmp_path: Path
) -> None:
    first = Kept(tmp_path / "state")
    visitor(time, first).visit(f"{site.url}/a")
    first.close()
    guest = visitor(time, Kept(tmp_path / "state"))
    assert [guest.visit(f"{site.url}/{name}").content for name in "ab"] == [b"A", b"B"]
    assert site.asked == ["/robots.txt", "/a", "/robots.txt", "/b"]


def test_a_page_that_is_not_there_is_not_kept(site: Site, time: Time) -> None:
    kept = Kept()
    with pytest.raises(NotFetched, match="answers 404"):
        visitor(time, kept).visit(f"{site.url}/none")
    assert kept.find(f"{site.url}/none") is None


def _to(location: str) -> Reply:
    return Reply(status=302, headers={"Location": location})
