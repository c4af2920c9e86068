"""Owns list tokens: what a reader's page sends back with its events, signed, so that the service can believe it."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, urlsafe_b64encode
from typing import Literal

import msgspec

SIGNATURE_BYTES = 16
LONGEST = 48_000  # a list of 50 IDs of 512 characters, in base64


class BadToken(Exception):
    """A token that this installation did not sign as it stands."""

    def __init__(self, reason: Literal["malformed_token", "bad_signature"]) -> None:
        super().__init__(reason)
        self.reason = reason


class ListToken(msgspec.Struct, frozen=True, array_like=True):
    """What a list was: `items` are the IDs of its stories by position."""

    list_id: str
    article_id: str
    block: str
    policy: str
    experiment: str | None
    variant: str | None
    served_at: float
    expires_at: float
    items: tuple[str, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ListToken).decode


class Tokens:
    """Signs with HMAC-SHA-256, cut to 128 bits. One secret for all processes of an installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def signed(self, token: ListToken) -> str:
        """The token as URL-safe text: its signature, then its content, which anybody may read."""
        content = _encode(token)
        return urlsafe_b64encode(self._signature(content) + content).decode("ascii")

    def read(self, text: str) -> ListToken:
        """The token of a text that `signed` made, expired or not. Raises `BadToken`."""
        if len(text) > LONGEST:
            raise BadToken("malformed_token")
        try:
            raw = b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise BadToken("malformed_token") from None
        signature, content = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content)):
            raise BadToken("bad_signature")
        try:
            return _decode(content)
        except msgspec.DecodeError:  # of another version of this service
            raise BadToken("malformed_token") from None

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, hashlib.sha256)[:SIGNATURE_BYTES]
