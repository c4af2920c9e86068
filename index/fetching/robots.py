"""Owns what a host's robots.txt lets us do.

*Source*: RFC 9309. The standard library's parser knows no wildcards and takes the first rule instead of the longest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from index.fetching.request import AGENT
from index.fetching.target import target_of

MOST_BYTES = 500 << 10  # what RFC 9309 asks for; the rest is not read
MOST_RULES = 5_000
LONGEST_DELAY_SECONDS = 60.0

_SAFE = "".join(map(chr, range(0x21, 0x7F)))


class _Rule(NamedTuple):
    allow: bool
    pattern: str


class Robots(NamedTuple):
    """The rules for our agent, and how long to wait between two requests (0 where nothing is said)."""

    rules: tuple[_Rule, ...] = ()
    delay_seconds: float = 0

    def allow(self, url: str) -> bool:
        """Whether we may ask for it: the longest rule that fits decides, of equals the one that allows."""
        path = target_of(url).path
        fitting = [(len(rule.pattern), rule.allow) for rule in self.rules if _fits(rule.pattern, path)]
        return max(fitting, default=(0, True))[1]


ALL_FORBIDDEN = Robots((_Rule(False, "/"),))


def robots_of(status: int, content: bytes) -> Robots:
    """By the answer for robots.txt. With 401, 403, 429 or 5xx all is forbidden; where there is none, nothing is."""
    if status in (401, 403, 429) or status >= 500:
        return ALL_FORBIDDEN
    lines = list(_lines(content[:MOST_BYTES])) if status == 200 else []
    own = list(_of_agent(lines, AGENT))
    ours = own or list(_of_agent(lines, "*"))
    rules = [_Rule(field == "allow", value) for field, value in ours if field != "crawl-delay" and value]
    delays = [_seconds(value) for field, value in ours if field == "crawl-delay"]
    return Robots(tuple(rules[:MOST_RULES]), max(delays, default=0))


def _lines(content: bytes) -> Iterator[tuple[str, str]]:
    for line in content.decode("utf-8-sig", "replace").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield field.strip().lower(), quote(value.strip(), safe=_SAFE)


def _of_agent(lines: list[tuple[str, str]], agent: str) -> Iterator[tuple[str, str]]:
    """The rules of all groups that name the agent; an empty one where such a group has none."""
    agents: list[str] = []
    naming = False
    for field, value in lines:
        if field == "user-agent":
            agents = [*agents, value.lower()] if naming else [value.lower()]
            naming = True
            if agent in agents:
                yield "allow", ""
        elif field in ("allow", "disallow", "crawl-delay"):
            naming = False
            if agent in agents:
                yield field, value


def _fits(pattern: str, path: str) -> bool:
    """Whether the path begins so; `*` is any text, a final `$` the end. Linear in both."""
    anchored = pattern.endswith("$")
    first, *pieces = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for piece in pieces[:-1]:
        if (found := path.find(piece, at)) < 0:
            return False
        at = found + len(piece)
    return _ends(pieces, path, at, anchored)


def _ends(pieces: list[str], path: str, at: int, anchored: bool) -> bool:
    if not pieces:
        return at == len(path) or not anchored
    return path[at:].endswith(pieces[-1]) if anchored else path.find(pieces[-1], at) >= 0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0
    return min(max(seconds, 0), LONGEST_DELAY_SECONDS) if math.isfinite(seconds) else 0
