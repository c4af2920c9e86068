"""Asks the search process from a web worker: one frame out, one frame in, within a deadline."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec

log = logging.getLogger(__name__)

MAX_FRAME = 8 << 20
PING = b"{}"  # asks for the state of the search process, without a search
SILENT_SECONDS = 1.0
WARMING_SECONDS = 30.0  # for which a search process that was loading its model may be silent
MAX_WAITING = 8  # threads of a worker that wait for the search process at once


class SearchUnavailable(Exception):
    """The search process is away, late or at odds; the answer does without it, declared."""


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that is no article yet."""

    headline: str
    standfirst: str = ""
    body: str = ""


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are related to `row`, or to a draft, within filters. Times are epoch seconds.

    Rows from `FIRST_LIVE_ROW` on are live articles; `brands`: names, None for all.
    """

    snapshot_id: str
    row: int | None = None
    draft: Draft | None = None
    k: int
    now: int
    section: str | None = None
    language: str | None = None
    type: str | None = None
    published_after: int | None = None
    published_before: int | None = None
    exclude_canonical: list[int] = []
    brands: list[str] | None = None


class SearchAnswer(msgspec.Struct, frozen=True):
    """Rows by falling relevance and their features (relevance, dense, lexical); or why there are none.

    `model`: in answer to `PING`, whether the dense model is loaded; `model_error` says why it cannot be.
    """

    rows: list[int]
    features: list[list[float]]
    error: str | None
    model: Literal["loading", "loaded", "failed"] = "loaded"
    model_error: str | None = None


def send_frame(connection: socket.socket, content: bytes) -> None:
    """Write a length (4 bytes, big-endian) and the content."""
    connection.sendall(struct.pack(">I", len(content)) + content)


def receive_frame(connection: socket.socket) -> bytes:
    """The content of the next frame. Raises EOFError at the end, ConnectionError for an absurd length."""
    (length,) = struct.unpack(">I", _exactly(connection, 4))
    if length > MAX_FRAME:
        raise ConnectionError(f"a frame of {length} bytes")
    return _exactly(connection, length)


class Search(Protocol):
    """What answers a search."""

    def search(self, request: SearchRequest, /) -> SearchAnswer:
        """The answer. Raises `SearchUnavailable`."""


class SearchState(NamedTuple):
    """Whether the search process answers, what is wrong with it, and whether it is still loading its model."""

    answers: bool = True
    problem: str | None = None
    is_warming: bool = False


class SearchClient:
    """Asks over a new connection each time: 30 us on a Unix socket, and nothing to share between threads."""

    def __init__(self, socket_path: Path, deadline_ms: int, draft_deadline_ms: int = 5_000) -> None:
        """`draft_deadline_ms`: for a draft, which is embedded first: some tenths of a second, one after another."""
        self._path = str(socket_path)
        self._deadline_seconds = deadline_ms / 1000
        self._draft_deadline_seconds = draft_deadline_ms / 1000
        self._silent_until = 0.0
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._state = SearchState()
        self._warming_until = 0.0
        self._lock = threading.Lock()

    def search(self, request: SearchRequest) -> SearchAnswer:
        """The answer. Raises `SearchUnavailable` when it does not come in time, or too many wait for theirs.

        Who waited in vain spares the next ones the wait: for a second, nobody of this worker asks.
        """
        if time.monotonic() < self._silent_until:
            raise SearchUnavailable("the search process did not answer in time a moment ago")
        if not self._waiting.acquire(blocking=False):
            raise SearchUnavailable(f"{MAX_WAITING} requests of this worker wait for the search process already")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(
                    self._deadline_seconds if request.draft is None else self._draft_deadline_seconds
                )
                connection.connect(self._path)
                send_frame(connection, msgspec.json.encode(request))
                answer = msgspec.json.decode(receive_frame(connection), type=SearchAnswer)
        except TimeoutError as error:
            self._silent_until = time.monotonic() + SILENT_SECONDS
            raise SearchUnavailable("the search process did not answer in time") from error
        except (OSError, EOFError, msgspec.DecodeError) as error:
            self._noted(self._away(error))
            raise SearchUnavailable(f"no answer from the search process: {error}") from error
        finally:
            self._waiting.release()
        if answer.error is not None:
            raise SearchUnavailable(answer.error)
        return answer

    def state(self) -> SearchState:
        """Ask for the state of the search process, and log when it goes away or comes back.

        Who waited in vain spares the next ones the wait, as in `search`.
        """
        if time.monotonic() < self._silent_until and self._state.problem is not None:
            return self._state
        return self._noted(self._asked())

    def _noted(self, state: SearchState) -> SearchState:
        """Keep the state, and log it where it differs from the one before."""
        with self._lock:
            before, self._state = self._state, state
        if (before.answers, before.problem is None) != (state.answers, state.problem is None):
            if state.problem is None:
                log.info("the search process answers again")
            else:
                log.warning("%s", state.problem)
        return state

    def _away(self, error: Exception) -> SearchState:
        reason = str(error) or "the connection was closed"
        return SearchState(False, f"the search process does not answer on {self._path}: {reason}")

    def _asked(self) -> SearchState:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._deadline_seconds)
                connection.connect(self._path)
                send_frame(connection, PING)
                answer = msgspec.json.decode(receive_frame(connection), type=SearchAnswer)
        except TimeoutError:
            if self._state.is_warming and time.monotonic() < self._warming_until:
                return self._state  # loading the model leaves little for answers
            self._silent_until = time.monotonic() + SILENT_SECONDS
            return SearchState(False, f"the search process does not answer in time on {self._path}")
        except (OSError, EOFError, msgspec.DecodeError) as error:
            return self._away(error)
        if answer.model == "failed":
            return SearchState(True, f"the search process cannot load its model: {answer.model_error}")
        self._warming_until = time.monotonic() + WARMING_SECONDS
        return SearchState(True, None, answer.model == "loading")


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(min(65_536, length - len(parts)))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
