"""Parses a URL once and strictly; refuses what can be read in two ways."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import quote, urlsplit

PORTS = {"http": 80, "https": 443}
MOST_URL_CHARS = 2_000

_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
_NETLOC = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@]+))(?::([0-9]{0,5}))?")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class NotFetched(Exception):
    """An address that gave nothing, and why."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason


class Refused(NotFetched):
    """An address that is not even asked."""


class Target(NamedTuple):
    """`host` is a name in ASCII, or an IP address without brackets; `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port as the beginning of an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port != PORTS[self.scheme] else "")


def target_of(url: str) -> Target:
    """Raises `Refused`."""
    if len(url) > MOST_URL_CHARS or _AMBIGUOUS.search(url):
        raise Refused(url[:200], "is too long, or holds spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        match = _NETLOC.fullmatch(parts.netloc)
        if parts.scheme not in PORTS or not match:
            raise ValueError("is no plain http or https address: no names, passwords or zones in it")
        host = str(IPv6Address(match[1])) if match[1] else _host(match[2])
        port = int(match[3] or PORTS[parts.scheme])
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, port, quote(path, safe=_ASCII))
    except ValueError as error:  # UnicodeError, of names and of half of a surrogate pair, among them
        raise Refused(url, str(error)) from None


def _host(text: str) -> str:
    """Raises `ValueError`."""
    name = text.encode("idna").decode("ascii").lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError("has no host that can be looked up")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise ValueError("writes an IP address in an unusual form") from None
    return name
