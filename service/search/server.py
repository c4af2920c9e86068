"""Answers searches over a Unix socket: what the search process does for the web workers of a machine.

Web workers ask for the stories of a draft, and where filters leave an article's candidates short. Uses one faiss
thread a request; never forked.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import socketserver
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import IO, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article, InvalidArticle, article_from_record
from index.embedding.vector_cache import VectorCache
from index.live.comparator import Admits, Arrivals, ModelMismatch
from index.live.pair_comparison import Mask
from index.live.query_features import ArticleEmbedder
from index.live.snapshot_searcher import Searcher
from index.publishing.store import Store, UnknownSnapshot
from index.snapshot.attributes import FIRST_LIVE_ROW
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from index.types import Embedder, UntrustedModel
from index.vector_index.protocol import VectorSearchOf, VectorSearchUnavailable
from service.search.client import PING, SearchAnswer, SearchRequest, receive_frame, send_frame
from service.search.socket_lock import lock_socket

log = logging.getLogger(__name__)

HELD = 2  # snapshots of each channel held open: the live one and the one that workers may still be leaving
WARM_AGAIN_SECONDS = 60.0
OPENING_SECONDS = 2.0  # a question waits no longer while another one opens its snapshot: an engine may hang


class Searchers:
    """The searchers of the snapshots asked for lately; opens a missing one once, keeps the newest two a channel.

    Opening asks an engine, which may hang for seconds: meanwhile what is open goes on.
    """

    def __init__(
        self, store: Store, embedder: Embedder, channels: int = 1, vector_search: VectorSearchOf | None = None
    ) -> None:
        self._model: Literal["loading", "loaded", "failed"] = "loading"
        self._model_error: str | None = None
        self._vector_search = vector_search
        self._held = HELD * channels
        self._store = store
        self._embedder = embedder
        self._lock = threading.Lock()  # for what takes no time
        self._opening: dict[str, threading.Lock] = {}
        self._open: dict[str, Searcher] = {}
        self._arrivals: dict[str, Arrivals] = {}

    def keep_warming(self, stop: threading.Event) -> None:
        """Load the dense model before anybody waits for it; what fails is tried again each minute until `stop`."""
        while not self.warm() and not stop.wait(WARM_AGAIN_SECONDS):
            pass

    def warm(self) -> bool:
        """Load the dense model, which takes some seconds; whether that worked."""
        started = time.monotonic()
        try:
            self._embedder.embed(["A first text."])
        except Exception as error:  # `state` says why; searches by row go on
            self._model, self._model_error = "failed", f"{type(error).__name__}: {error}"[:300]
            log.exception("the model cannot be loaded")
            return False
        self._model, self._model_error = "loaded", None
        log.info("model %s is warm after %.1f s", self._embedder.fingerprint, time.monotonic() - started)
        return True

    def state(self) -> SearchAnswer:
        """The answer to a ping: no rows, and how far the model is."""
        return SearchAnswer([], [], None, self._model, self._model_error)

    def of(self, snapshot_id: str) -> Searcher:
        """The searcher of a snapshot. Raises `DamagedSnapshot`, `UnknownSnapshot`, `VectorSearchUnavailable`."""
        found = self._open.get(snapshot_id)
        if found is not None:
            return found
        with self._lock:
            opening = self._opening.setdefault(snapshot_id, threading.Lock())
        if not opening.acquire(timeout=OPENING_SECONDS):
            raise VectorSearchUnavailable(f"snapshot {snapshot_id} is only being opened")
        try:
            found = self._open.get(snapshot_id)  # another thread may have opened it meanwhile
            return found or self._opened(snapshot_id)
        finally:
            opening.release()

    def _opened(self, snapshot_id: str) -> Searcher:
        searcher = Searcher(Snapshot.open(self._store.directory(snapshot_id)), self._vector_search)
        self._hold(searcher)
        return searcher

    def _hold(self, searcher: Searcher) -> None:
        with self._lock:
            kept = list(self._open.items())[-(self._held - 1) :]
            self._open = {**dict(kept), searcher.snapshot.id: searcher}
            self._arrivals = {name: held for name, held in self._arrivals.items() if name in self._open}
            self._opening = {name: lock for name, lock in self._opening.items() if name not in self._open}

    def arrivals(self, snapshot_id: str) -> Arrivals:
        """The live segment of a snapshot, which also answers drafts. Raises `ModelMismatch` and as `of`."""
        searcher = self.of(snapshot_id)
        with self._lock:
            if snapshot_id not in self._arrivals:
                self._arrivals[snapshot_id] = Arrivals(searcher, self._article_embedder)
            return self._arrivals[snapshot_id]

    @cached_property
    def _article_embedder(self) -> ArticleEmbedder:
        cache = VectorCache(self._store.root / "cache", self._embedder.fingerprint, self._embedder.dimension)
        return ArticleEmbedder(self._embedder, cache)


def answer(searchers: Searchers, request: SearchRequest) -> SearchAnswer:
    """The candidates of a filtered query or a draft, best relevance first; an error is said in the answer."""
    try:
        searcher = searchers.of(request.snapshot_id)
        allowed = allowed_rows(searcher.snapshot, request)

        def admits(article: Article, canonical: int) -> bool:
            return admitted(article, canonical, request)

        if request.draft is not None:
            draft = article_from_record({"id": "draft", **msgspec.structs.asdict(request.draft)})
            arrivals = searchers.arrivals(request.snapshot_id)
            rows, features = arrivals.similar(draft, request.now, request.k, allowed, admits)
        elif request.row is not None and (0 <= request.row < searcher.snapshot.rows or request.row >= FIRST_LIVE_ROW):
            rows, features = _similar_rows(searchers, searcher, request.row, request, allowed, admits)
        else:
            return SearchAnswer(rows=[], features=[], error=f"row {request.row} is not in {request.snapshot_id}")
    except KeyError:
        return SearchAnswer(rows=[], features=[], error=f"row {request.row} was not compared yet")
    except (
        DamagedSnapshot,
        UnknownSnapshot,
        ModelMismatch,
        UntrustedModel,
        InvalidArticle,
        VectorSearchUnavailable,
    ) as error:
        return SearchAnswer(rows=[], features=[], error=str(error))
    return SearchAnswer(rows=rows.tolist(), features=features.astype(float).round(5).tolist(), error=None)


def _similar_rows(
    searchers: Searchers, searcher: Searcher, row: int, request: SearchRequest, allowed: Mask, admits: Admits
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """Of the snapshot alone where the model at hand cannot compare what came since."""
    try:
        arrivals = searchers.arrivals(request.snapshot_id)
    except (ModelMismatch, UntrustedModel):
        return searcher.similar_rows(row, request.k, allowed)
    return arrivals.similar_rows(row, request.k, allowed, admits)


def admitted(article: Article, canonical: int, request: SearchRequest) -> bool:
    """Whether the filters of a request admit a live article."""
    published_at = UNDATED if article.published_at is None else article.published_at
    wanted = ((request.section, article.section), (request.language, article.language), (request.type, article.type))
    return (
        (article.visible_from is None or article.visible_from <= request.now)
        and all(name is None or name == held for name, held in wanted)
        and (request.published_after is None or published_at >= request.published_after)
        and (request.published_before is None or UNDATED != published_at < request.published_before)
        and canonical not in request.exclude_canonical
        and (request.brands is None or article.brand in request.brands)
    )


def allowed_rows(snapshot: Snapshot, request: SearchRequest) -> npt.NDArray[np.bool_]:
    """(rows,) bool: what the filters of a request admit; an unknown section, language or type admits nothing."""
    attributes, manifest = snapshot.attributes, snapshot.manifest
    mask = np.asarray(attributes["visible_from"] <= request.now)
    coded = ((request.section, manifest.sections, "section"), (request.language, manifest.languages, "language"),
             (request.type, manifest.types, "type"))  # fmt: skip
    for wanted, names, column in coded:
        if wanted is not None:
            mask &= attributes[column] == names.index(wanted) if wanted in names else False
    if request.published_after is not None:
        mask &= attributes["published_at"] >= request.published_after
    if request.published_before is not None:
        mask &= (attributes["published_at"] < request.published_before) & (attributes["published_at"] != UNDATED)
    if request.brands is not None:
        mask &= np.isin(
            attributes["brand"], [at for at, name in enumerate(manifest.brands) if name in request.brands]
        )
    if request.exclude_canonical:
        mask &= ~np.isin(attributes["canonical"], request.exclude_canonical)
    return mask


class _Handler(socketserver.BaseRequestHandler):
    """Answers the frames of one connection until it closes."""

    server: SearchServer

    def handle(self) -> None:
        """One request, one answer, in order."""
        decoder, encoder = msgspec.json.Decoder(SearchRequest), msgspec.json.Encoder()
        with contextlib.suppress(ConnectionError, EOFError):
            while True:
                content = receive_frame(self.request)
                try:
                    searchers = self.server.searchers
                    reply = searchers.state() if content == PING else answer(searchers, decoder.decode(content))
                except msgspec.DecodeError as error:
                    reply = SearchAnswer(rows=[], features=[], error=f"not a request: {error}")
                send_frame(self.request, encoder.encode(reply))


class SearchServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens on a Unix socket that only this user may open, and that no other living process has.

    Replaces a socket that a killed process left. Where the socket is removed while it listens, it listens anew.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, socket_path: Path, searchers: Searchers) -> None:
        """Raises `SocketInUse`, OSError."""
        self.searchers = searchers
        self._path = socket_path
        self._lock: IO[bytes] | None = None
        self._bound: tuple[int, int] | None = None
        super().__init__(str(socket_path), _Handler)

    def server_bind(self) -> None:
        """Lock the path and listen there."""
        self._lock = lock_socket(self._path, "search")
        self._path.unlink(missing_ok=True)
        super().server_bind()
        self._path.chmod(0o600)
        self._bound = self._at_path()

    def service_actions(self) -> None:
        """Listen anew where the socket was removed or replaced. Raises `SocketInUse`."""
        if self._at_path() == self._bound:
            return
        log.warning("the socket %s was removed or replaced: listening anew", self._path)
        self._unlock()
        before, self.socket = self.socket, socket.socket(self.address_family, self.socket_type)
        self.server_bind()
        self.server_activate()
        os.dup2(self.socket.fileno(), before.fileno(), inheritable=False)  # the one that serve_forever waits on
        self.socket.close()
        self.socket = before

    def server_close(self) -> None:
        """Stop listening, and leave the path to the next process."""
        super().server_close()
        if self._lock is not None and self._at_path() == self._bound:
            self._path.unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _at_path(self) -> tuple[int, int] | None:
        try:
            found = self._path.lstat()
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns


def current(store: Store, channel: str, searchers: Searchers) -> tuple[Snapshot, Arrivals] | None:
    """The channel's snapshot and its live segment, opened before anybody asks; None without a snapshot.

    Raises `DamagedSnapshot`, `UnknownSnapshot`, `ModelMismatch`, `UntrustedModel`, `VectorSearchUnavailable`.
    """
    active = store.active_id(channel)
    return None if active is None else (searchers.of(active).snapshot, searchers.arrivals(active))


def vector_search_named(url: str) -> VectorSearchOf | None:
    """The engine at a URL; None, for the faiss file in each snapshot, without one."""
    if not url:
        return None
    from service.search.pgvector import VectorEngine  # psycopg is an extra

    return VectorEngine(url)
