"""Fetches politely: robots.txt, a pause between requests to a host, redirects, conditional requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urljoin

from index.fetching.kept import Kept, Page
from index.fetching.request import Answer, Requests
from index.fetching.robots import ALL_FORBIDDEN, Robots, robots_of
from index.fetching.target import NotFetched, Refused, target_of

MOST_REDIRECTS = 5
REDIRECTS = 301, 302, 303, 307, 308
BUSY = 429, 503
PAUSE_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
TRIES = 3  # of what answers that it is busy
FRESH_SECONDS = 3_600.0  # what was fetched so lately is not asked for again: an import that ended early resumes


class Clock(NamedTuple):
    """Times and waiting, in seconds."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Visitor:
    """Fetches pages from hosts, one at a time."""

    def __init__(
        self, requests: Requests, kept: Kept, pause_seconds: float = PAUSE_SECONDS, clock: Clock | None = None
    ) -> None:  # fmt: skip
        self._requests = requests
        self._kept = kept
        self._pause_seconds = pause_seconds
        self._clock = Clock() if clock is None else clock
        self._robots: dict[str, Robots] = {}
        self._earliest: dict[str, float] = {}  # by host: when it may be asked again

    def visit(self, url: str, fresh_seconds: float = FRESH_SECONDS) -> Page:
        """The page as it is, from what is kept where that is fresh, or where the host says that it did not change.

        Raises `NotFetched`.
        """
        known = self._kept.find(url)
        now = int(self._clock.now())
        if known is not None and 0 <= now - known.fetched_at < fresh_seconds:
            return known
        answer = self._followed(url, self._allowed, _conditions(known))
        if answer.status == 304 and known is not None:
            page = known._replace(fetched_at=now)
        elif answer.status == 200:
            page = _page(answer, now)
        else:
            raise NotFetched(url, f"answers {answer.status}")
        self._kept.keep(url, page)
        return page

    def _followed(
        self, url: str, ask: Callable[[str, Mapping[str, str]], Answer], headers: Mapping[str, str]
    ) -> Answer:
        """The answer behind redirects, each of which is an address like any other: checked anew."""
        for _ in range(1 + MOST_REDIRECTS):
            answer = ask(url, headers)
            location = answer.headers.get("Location", "") if answer.status in REDIRECTS else ""
            if not location:
                return answer
            url = _joined(url, location)
        raise NotFetched(url, f"more than {MOST_REDIRECTS} redirects")

    def _allowed(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Raises `Refused` for what robots.txt forbids."""
        where = target_of(url).origin + "/robots.txt"
        if where not in self._robots:
            self._robots[where] = self._read_robots(where)
        if not self._robots[where].allow(url):
            raise Refused(url, "is forbidden by the host's robots.txt")
        return self._patiently(url, headers, self._robots[where].delay_seconds)

    def _read_robots(self, where: str) -> Robots:
        """Raises `Refused` where the host is out of reach, too."""
        try:
            answer = self._followed(where, self._patiently, {})
        except Refused:
            raise
        except NotFetched:
            return ALL_FORBIDDEN
        return robots_of(answer.status, answer.content)

    def _patiently(self, url: str, headers: Mapping[str, str], delay_seconds: float = 0) -> Answer:
        """The answer, after the pause that the host is due; a busy host is asked again later."""
        host = target_of(url).host
        pause = max(self._pause_seconds, delay_seconds)
        for left in reversed(range(TRIES)):
            self._clock.sleep(max(0, self._earliest.get(host, 0) - self._clock.monotonic()))
            answer = self._requests.get(url, headers)
            busy = _retry_after(answer) if answer.status in BUSY else 0
            self._earliest[host] = self._clock.monotonic() + max(pause, busy)
            if answer.status not in BUSY or not left:
                break
        return answer


def _page(answer: Answer, now: int) -> Page:
    header = answer.headers.get
    return Page(
        answer.url, header("Content-Type", ""), header("ETag", ""), header("Last-Modified", ""), now, answer.content
    )


def _conditions(known: Page | None) -> dict[str, str]:
    if known is None:
        return {}
    given = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
    return {name: value for name, value in given.items() if value.isascii() and value.isprintable() and value}


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Refused(url, f"leads to no address: {error}") from None


def _retry_after(answer: Answer) -> float:
    """Seconds; a date, or nothing, is half a minute."""
    text = answer.headers.get("Retry-After", "").strip()
    return min(float(text), LONGEST_WAIT_SECONDS) if text.isascii() and text.isdecimal() else 30
