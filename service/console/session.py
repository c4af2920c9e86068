"""Owns who is signed in to the console: a cookie that says so, and what proves that a form came from our page.

Only that a session ended early is stored: the cookie names the key and when it ends, signed with the installation's
secret and the key's digest, so that a key that is revoked or made anew ends its sessions. Who signs out leaves
an empty file beside the secret, which all workers see: a copy of the cookie is worth nothing then.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
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
SIGNED_OUT = "signed-out"  # the folder, beside the secret; a file is named as `Session.named`


class Session(NamedTuple):
    """Who is signed in; `form_token` must come back with every form. `named`: when it ends, and a random number."""

    key: Key
    form_token: str
    named: str


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
        named = f"{self._clock() + SECONDS}-{secrets.token_hex(8)}"
        return f"{key.name}.{named}.{self._signature('session', key, named)}"

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie, while it lasts and its key is an editor's. Raises OSError."""
        name, _, rest = cookie.partition(".")
        named, _, signature = rest.partition(".")
        key = self._access.named(name)
        if key is None or "editor" not in key.scopes:
            return None
        expected = self._signature("session", key, named)
        if not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            return None
        if _ends(named) <= self._clock() or (self._directory / SIGNED_OUT / named).exists():
            return None
        return Session(key, self._signature("form", key, named), named)

    def end(self, session: Session) -> None:
        """End a session in all workers; what is kept of those that have ended by themselves goes. Raises OSError."""
        folder = self._directory / SIGNED_OUT
        folder.mkdir(exist_ok=True)
        (folder / session.named).touch()
        for path in folder.iterdir():
            if _ends(path.name) <= self._clock():
                path.unlink(missing_ok=True)

    def _signature(self, purpose: str, key: Key, named: str) -> str:
        message = "\n".join((purpose, key.name, key.sha256, named))
        return hmac.digest(self._secret, message.encode(errors="replace"), hashlib.sha256).hex()[:40]

    @cached_property
    def _secret(self) -> bytes:
        return secret_in(self._directory)


def _ends(named: str) -> int:
    """When a session that we named ends, in epoch seconds; 0 for a file that is not ours."""
    moment = named.partition("-")[0]
    return int(moment) if moment.isdecimal() else 0
