"""Authorizes requests: the key of a request against the scope that an operation needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from flask import request

from service.auth.api_keys import BadCredentials, CurrentKeys, Key, Scope, presented_key
from service.http.problems import ProblemFound

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Access:
    """Checks keys. `keys` is None where the installation has none: then nothing that needs one is possible."""

    def __init__(self, keys: CurrentKeys | None, reads_need_a_key: bool, clock: Callable[[], int]) -> None:
        self.keys = keys
        self._reads_need_a_key = reads_need_a_key
        self._clock = clock

    def today(self) -> date:
        """The day by the installation's clock, UTC."""
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def named(self, name: str) -> Key | None:
        """The key of a name, unless it has expired or there are no keys."""
        return None if self.keys is None else self.keys.get(time.monotonic()).named(name, self.today())

    def has_key(self, environ: WSGIEnvironment) -> bool:
        """Whether a request brings a key that is valid today, whatever its scopes. For the front, before Flask."""
        if self.keys is None:
            return False
        try:
            presented = presented_key(environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_API_KEY"))
        except BadCredentials:
            return False
        return presented is not None and self.keys.get(time.monotonic()).find(presented, self.today()) is not None

    def check_read(self) -> None:
        """Nothing where reading is public. Raises `ProblemFound` 401, 403."""
        if self._reads_need_a_key:
            self.require("read")

    def require(self, scope: Scope) -> Key:
        """The request's key, which has this scope. Raises `ProblemFound` 401, 403."""
        if self.keys is None:
            raise ProblemFound(
                401,
                "no_keys",
                "This installation has no API keys: set RELATED_KEYS to a file that scripts/keys.py makes.",
            )
        try:
            presented = presented_key(request.headers.get("Authorization"), request.headers.get("X-API-Key"))
        except BadCredentials as error:
            raise ProblemFound(401, "invalid_key", f"{error}.") from None
        if presented is None:
            raise ProblemFound(401, "key_missing", "Give an API key: Authorization: Bearer KEY, or X-API-Key: KEY.")
        key = self.keys.get(time.monotonic()).find(presented, self.today())
        if key is None:
            raise ProblemFound(401, "invalid_key", "The API key is not known here, or has expired.")
        if scope not in key.scopes:
            raise ProblemFound(403, "scope_missing", f"The key {key.name!r} lacks the scope {scope!r}.")
        return key
