"""Reads what a host's robots.txt allows our agent.

*Source*: RFC 9309. `protego` parses and matches: the standard library's parser knows neither wildcards nor the rule
that the longest match decides. What an error status means and how long a delay may be are ours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from protego import Protego

from index.fetching.request import AGENT

MAX_BYTES = 500 << 10  # what RFC 9309 asks for; the rest is not read
MAX_DELAY_SECONDS = 60.0


class Robots(NamedTuple):
    """The rules for our agent; `delay_seconds` to wait between two requests, 0 where none is asked for."""

    rules: Protego
    delay_seconds: float = 0

    def allow(self, url: str) -> bool:
        """Whether the URL may be requested."""
        return bool(self.rules.can_fetch(url, AGENT))


ALL_FORBIDDEN = Robots(Protego.parse("User-agent: *\nDisallow: /"))


def robots_of(status: int, content: bytes) -> Robots:
    """The rules in an answer for robots.txt: 401, 403, 429 and 5xx forbid everything, another error nothing."""
    if status in (401, 403, 429) or status >= 500:
        return ALL_FORBIDDEN
    text = content[:MAX_BYTES].decode("utf-8-sig", "replace") if status == 200 else ""
    rules = Protego.parse(text)
    return Robots(rules, _seconds(rules.crawl_delay(AGENT)))


def _seconds(delay: float | None) -> float:
    return min(max(delay, 0), MAX_DELAY_SECONDS) if delay is not None and math.isfinite(delay) else 0
