"""Owns the search process: one a machine, pre-warmed, over a Unix socket; `python -m service.search`.

It alone holds faiss, scikit-learn and the dense model. Web workers ask it for drafts and when filters leave the
candidate table short, and do without it, declared, when it is away. One faiss thread a request; never forked.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socketserver
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, InvalidArticle, article_from_record
from index.drafts import DraftSearcher, ModelMismatch
from index.embed import Embedder, UntrustedModel
from index.embed.choose import embedder_named
from index.nearest import one_thread_a_request
from index.searcher import Searcher
from index.snapshot import DamagedSnapshot, Snapshot
from index.store import Store, UnknownSnapshot
from service.config import Settings
from service.search_client import SearchAnswer, SearchRequest, receive_frame, send_frame

log = logging.getLogger(__name__)

HELD = 2  # snapshots held open: the live one and the one that workers may still be leaving


class Searchers:
    """The searchers of the snapshots asked for lately; opens a missing one once, keeps the newest two."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._lock = threading.Lock()
        self._open: dict[str, Searcher] = {}

    def for_drafts(self, snapshot_id: str) -> DraftSearcher:
        """The searcher of drafts. Raises `ModelMismatch` and as `of`."""
        return DraftSearcher(self.of(snapshot_id), self._embedder)

    def warm(self) -> None:
        """Load the dense model, some seconds, before anybody waits for it."""
        started = time.monotonic()
        self._embedder.embed(["A first text."])
        log.info("model %s is warm after %.1f s", self._embedder.fingerprint, time.monotonic() - started)

    def of(self, snapshot_id: str) -> Searcher:
        """The searcher of a snapshot. Raises `DamagedSnapshot`, `UnknownSnapshot`."""
        found = self._open.get(snapshot_id)
        if found is not None:
            return found
        with self._lock:
            if snapshot_id not in self._open:
                searcher = Searcher(Snapshot.open(self._store.directory(snapshot_id)))
                kept = list(self._open.items())[-(HELD - 1) :]
                self._open = {**dict(kept), snapshot_id: searcher}
            return self._open[snapshot_id]


def answer(searchers: Searchers, request: SearchRequest) -> SearchAnswer:
    """The candidates of a filtered query or a draft, best relevance first; an error is said in the answer."""
    try:
        searcher = searchers.of(request.snapshot_id)
        allowed = allowed_rows(searcher.snapshot, request)
        if request.draft is not None:
            draft = article_from_record({"id": "draft", **msgspec.structs.asdict(request.draft)})
            rows, features = searchers.for_drafts(request.snapshot_id).similar(draft, request.now, request.k, allowed)
        elif request.row is not None and 0 <= request.row < searcher.snapshot.rows:
            rows, features = searcher.similar_rows(request.row, request.k, allowed)
        else:
            return SearchAnswer(rows=[], features=[], error=f"row {request.row} is not in {request.snapshot_id}")
    except (DamagedSnapshot, UnknownSnapshot, ModelMismatch, UntrustedModel, InvalidArticle) as error:
        return SearchAnswer(rows=[], features=[], error=str(error))
    return SearchAnswer(rows=rows.tolist(), features=features.astype(float).round(5).tolist(), error=None)


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
                try:
                    reply = answer(self.server.searchers, decoder.decode(receive_frame(self.request)))
                except msgspec.DecodeError as error:
                    reply = SearchAnswer(rows=[], features=[], error=f"not a request: {error}")
                send_frame(self.request, encoder.encode(reply))


class SearchServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens on a Unix socket that only this user may open."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, socket_path: Path, searchers: Searchers) -> None:
        self.searchers = searchers
        socket_path.parent.mkdir(parents=True, exist_ok=True)
        socket_path.unlink(missing_ok=True)
        super().__init__(str(socket_path), _Handler)
        socket_path.chmod(0o600)


def follow_channel(store: Store, channel: str, searchers: Searchers, seconds: float, stop: threading.Event) -> None:
    """Open each new snapshot of the channel before anybody asks for it, until `stop`."""
    seen: str | None = None
    while not stop.is_set():
        active = store.active_id(channel)
        if active is not None and active != seen:
            seen = active
            try:
                searchers.of(active)
                log.info("searching %s", active)
            except (DamagedSnapshot, UnknownSnapshot) as error:
                log.error("cannot search %s: %s", active, error)
        stop.wait(seconds)


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s search: %(message)s")
    settings = Settings.from_environment()
    one_thread_a_request()
    store = Store(settings.store)
    searchers = Searchers(store, embedder_named(settings.model))
    stop = threading.Event()
    follower = threading.Thread(
        target=follow_channel,
        args=(store, settings.channel, searchers, settings.refresh_seconds, stop),
        daemon=True,
    )
    with SearchServer(settings.search_socket, searchers) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        follower.start()
        threading.Thread(target=searchers.warm, name="warm", daemon=True).start()
        log.info("listening on %s, process %s", settings.search_socket, os.getpid())
        server.serve_forever(poll_interval=0.1)
    stop.set()
    settings.search_socket.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
