"""Reads API keys: their file, their scopes, and the key that a request presents."""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

Scope = Literal["read", "write", "editor"]

LEAST_SECRET_CHARS = 32
LOOK_SECONDS = 1.0
NAME = re.compile("[A-Za-z0-9_-]{1,60}")  # stands in the address of a webhook

_ENTRIES: dict[str, tuple[Any, str]] = {
    "sha256": (
        Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")],
        "the key's SHA-256: 64 hex digits, lower case",
    ),
    "scopes": (Annotated[frozenset[Scope], msgspec.Meta(min_length=1)], "a list of read, write or editor"),
    "brand": (str, "text"),
    "webhook_secret": (
        Annotated[str, msgspec.Meta(min_length=LEAST_SECRET_CHARS)],
        f"text of at least {LEAST_SECRET_CHARS} characters",
    ),
    "expires": (date, "a date, such as 2027-01-01"),
}
_REQUIRED = ("sha256", "scopes")


class BadKeys(ValueError):
    """A keys file that cannot be used; the message names file, table and key and says what is allowed."""


class BadCredentials(ValueError):
    """Headers that present two different keys, or none in a form that is one."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what. `brand`: the only one whose articles it writes, "" for all. `expires`: from that day not."""

    name: str
    sha256: str
    scopes: frozenset[Scope]
    brand: str = ""
    webhook_secret: str | None = None
    expires: date | None = None

    def __repr__(self) -> str:
        return f"Key({self.name!r}, scopes={sorted(self.scopes)}, brand={self.brand!r})"


class Keys(msgspec.Struct, frozen=True):
    """The keys of an installation by name."""

    by_name: Mapping[str, Key]

    def find(self, presented: str, today: date) -> Key | None:
        """The key whose text was presented, unless it has expired; takes the same time for any text."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for key in self.by_name.values():
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found if found is not None and not expired(found, today) else None

    def named(self, name: str, today: date) -> Key | None:
        """The key of a name, unless it has expired."""
        key = self.by_name.get(name)
        return key if key is not None and not expired(key, today) else None


def expired(key: Key, today: date) -> bool:
    """Whether a key no longer counts."""
    return key.expires is not None and today >= key.expires


class CurrentKeys:
    """The keys of a file, read again when it changes, so that revoking one needs no restart.

    A version that cannot be used leaves the keys as they were, and `problem` says why.
    """

    def __init__(self, path: Path) -> None:
        """Raises `BadKeys`."""
        self.problem: str | None = None
        self._path = path
        self._seen = self._signature()
        self._keys = read_keys(path)
        self._looked = 0.0

    def get(self, monotonic: float) -> Keys:
        """The keys; looks at the file at most once a second."""
        if monotonic - self._looked >= LOOK_SECONDS:
            self._looked = monotonic
            self._look()
        return self._keys

    def _look(self) -> None:
        signature = self._signature()
        if signature == self._seen and self.problem is None:  # a fault may pass without a trace: chmod leaves none
            return
        self._seen = signature
        try:
            self._keys, self.problem = read_keys(self._path), None
        except BadKeys as error:
            self.problem = f"{error}; the keys as they were before still count"

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_keys(path: Path) -> Keys:
    """The keys in a TOML file that only its owner can read, one table a key. Raises `BadKeys`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeys(f"{path}: {error}") from error
    if mode & 0o027:  # a group may read: that is how a secret is mounted into a container
        raise BadKeys(f"{path} can be used by others (mode {mode:04o}), and it may hold secrets: chmod 600 {path}")
    return parse_keys(text, str(path))


def parse_keys(text: str, where: str) -> Keys:
    """The keys in the text of such a file, which messages name as `where`. Raises `BadKeys`."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadKeys(f"{where}: {error}") from error
    keys = {name: _key(name, table, where) for name, table in given.items()}
    owners: dict[str, str] = {}
    for key in keys.values():
        if key.sha256 in owners:
            raise BadKeys(f"{where}: [{owners[key.sha256]}] and [{key.name}] are the same key: make one of them anew")
        owners[key.sha256] = key.name
    return Keys(keys)


def presented_key(authorization: str | None, plain: str | None) -> str | None:
    """The key in the headers `Authorization: Bearer KEY` or `X-API-Key: KEY`; None without.

    With `X-API-Key`, credentials of another kind (Basic, of a proxy in front) are not ours and may stand beside it.
    Raises `BadCredentials`.
    """
    kind, _, bearer = (authorization or "").strip().partition(" ")
    bearer, plain = bearer.strip(), (plain or "").strip()
    if kind.lower() != "bearer":
        if kind and not plain:
            raise BadCredentials("The header Authorization must read: Bearer KEY")
        return plain or None
    if not bearer:
        raise BadCredentials("The header Authorization must read: Bearer KEY")
    if plain and bearer != plain:
        raise BadCredentials("Authorization and X-API-Key hold two different keys")
    return bearer


def _key(name: str, table: Any, where: str) -> Key:
    if not isinstance(table, dict):
        raise BadKeys(f"{where}: {name!r} is not a key: a key is a table, [{name}]")
    if not NAME.fullmatch(name):
        raise BadKeys(f"{where}: the name {name!r} may hold only letters, digits, - and _, 60 at most")
    if unknown := sorted(set(table) - set(_ENTRIES)):
        raise BadKeys(f"{where}: [{name}] has an unknown entry {unknown[0]!r}; known are {', '.join(_ENTRIES)}")
    if missing := [entry for entry in _REQUIRED if entry not in table]:
        raise BadKeys(f"{where}: [{name}] lacks {missing[0]}: {_ENTRIES[missing[0]][1]}")
    read = {entry: _entry(entry, table[entry], f"{where}: [{name}]") for entry in table}
    return Key(name=name, **read | {"scopes": read["scopes"] | {"read"}})


def _entry(entry: str, value: Any, where: str) -> Any:
    type_, allowed = _ENTRIES[entry]
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        raise BadKeys(f"{where} {entry} must be {allowed}") from None
