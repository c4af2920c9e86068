"""Owns who is signed in to the console: a cookie that says so, and what proves that a form came from our page.

Nothing is stored: the cookie names the key and when it ends, signed with the installation's secret and the key's
digest, so that a key that is revoked or made anew ends its sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from service.api.access import Access
from service.experiments.tokens import secret_in
from service.keys import Key

COOKIE = "related_console"
SECONDS = 12 * 3_600  # a long day at the desk


class Session(NamedTuple):
    """Who is signed in; `form_token` must come back with every form."""

    key: Key
    form_token: str


class Sessions:
    """Opens and reads sessions. Several machines share them if they share the `directory` of the secret."""

    def __init__(self, access: Access, directory: Path, clock: Callable[[], int]) -> None:
        self._access = access
        self._directory = directory
        self._clock = clock

    def opened(self, presented: str) -> str | None:
        """The cookie of a new session for an editor's key; None for another key, or none. Raises OSError."""
        keys = self._access.keys
        key = None if keys is None else keys.get(time.monotonic()).find(presented, self._access.today())
        if key is None or "editor" not in key.scopes:
            return None
        ends = self._clock() + SECONDS
        return f"{key.name}.{ends}.{self._signature('session', key, ends)}"

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie, while it lasts and its key is an editor's. Raises OSError."""
        name, _, rest = cookie.partition(".")
        text, _, signature = rest.partition(".")
        key = self._access.named(name)
        if key is None or "editor" not in key.scopes or not (text.isascii() and text.isdecimal() and len(text) < 20):
            return None
        ends = int(text)
        signed = hmac.compare_digest(signature.encode(), self._signature("session", key, ends).encode())
        if not signed or ends <= self._clock():
            return None
        return Session(key, self._signature("form", key, ends))

    def _signature(self, purpose: str, key: Key, ends: int) -> str:
        message = "\n".join((purpose, key.name, key.sha256, str(ends)))
        return hmac.digest(self._secret, message.encode(), hashlib.sha256).hex()[:40]

    @cached_property
    def _secret(self) -> bytes:
        return secret_in(self._directory)
