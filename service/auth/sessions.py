"""Signs editors in to the console: the session cookie, and the token that proves a form came from our page.

Nothing is stored for a session but its early end. The cookie names the key, its digest and when the session ends,
signed with the installation's secret: a key that is revoked or replaced ends its sessions. Signing out leaves an
empty file beside the secret, which all workers see: a copy of the cookie is worth nothing then.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from itsdangerous import BadData, Signer, URLSafeSerializer

from service.auth.api_keys import Key
from service.auth.authorization import Access
from service.auth.secrets import secret_in

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
        return str(self._cookies.dumps([key.name, key.sha256[:16], named]))

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie, while it lasts and its key is an editor's. Raises OSError."""
        try:
            name, digest, named = self._cookies.loads(cookie)
        except BadData:
            return None
        key = self._access.named(name)
        if key is None or "editor" not in key.scopes or key.sha256[:16] != digest:
            return None
        if _ends(named) <= self._clock() or (self._directory / SIGNED_OUT / named).exists():
            return None
        form_token = Signer(self._secret, salt="console form").get_signature(f"{digest} {named}").decode()
        return Session(key, form_token, named)

    def end(self, session: Session) -> None:
        """End a session in all workers; what is kept of those that have ended by themselves goes. Raises OSError."""
        folder = self._directory / SIGNED_OUT
        folder.mkdir(exist_ok=True)
        (folder / session.named).touch()
        for path in folder.iterdir():
            if _ends(path.name) <= self._clock():
                path.unlink(missing_ok=True)

    @cached_property
    def _cookies(self) -> URLSafeSerializer:
        return URLSafeSerializer(self._secret, salt="console session")

    @cached_property
    def _secret(self) -> bytes:
        return secret_in(self._directory)


def _ends(named: str) -> int:
    """When a session that we named ends, in epoch seconds; 0 for a file that is not ours."""
    moment = named.partition("-")[0]
    return int(moment) if moment.isdecimal() else 0
