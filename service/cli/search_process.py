"""Runs the search process, one a machine: `python -m service.cli.search_process`.

It alone holds faiss (or asks an engine in its place), scikit-learn and the dense model. It compares live articles as
they come and counts clicks; web workers ask it for drafts and when filters leave the candidate table short, and do
without it, declared, when it is away.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from index.embedding.choose import embedder_named
from index.publishing.store import Store
from index.vector_index.faiss_index import one_thread_a_request
from service.config import Settings
from service.experiments.definitions import read_experiments
from service.experiments.popularity import keep_counting
from service.live_store.store import LiveStore
from service.observability.logging import configure
from service.recommend.policy import read_policies
from service.search.live_indexer import keep_comparing
from service.search.server import Searchers, SearchServer, current, vector_search_named
from service.search.socket_lock import SocketInUse

log = logging.getLogger("service.search")

COMPARE_SECONDS = 0.1
NICENESS = 15  # web workers on the same cores go first: a burst of articles must not slow lookups


def step_back() -> None:
    """Let web workers go first, and leave one core to them: beside an embedding, priority alone did not help them.

    Called before the model's libraries are loaded, which take as many threads as there are cores.
    """
    os.nice(NICENESS)
    if sys.platform == "linux" and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, cores[1:])


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = Settings.from_environment()
    configure(settings.log_level, settings.log_format, "search")
    step_back()
    one_thread_a_request()
    store = Store(settings.store)
    channels = {
        settings.channel,
        *read_experiments(settings.experiments, read_policies(settings.policies)).channels(),
    }
    searchers = Searchers(store, embedder_named(settings.model), len(channels), vector_search_named(settings.nearest))
    live = LiveStore(settings.live_url) if settings.live_url is not None else None
    stop = threading.Event()
    followers = [
        threading.Thread(
            target=keep_comparing,
            args=(live, partial(current, store, channel, searchers), store.snapshot_ids, COMPARE_SECONDS, stop),
            daemon=True,
        )
        for channel in sorted(channels)
    ]
    if settings.events_directory is not None:
        counting = threading.Thread(target=keep_counting, args=(settings.events_directory, stop), daemon=True)
        followers.append(counting)
    followers.append(threading.Thread(target=searchers.keep_warming, args=(stop,), name="warm", daemon=True))
    try:
        _serve(settings.socket, searchers, followers)
    except SocketInUse as error:
        log.error("%s", error)
        return 2
    finally:
        stop.set()
    return 0


def _serve(path: Path, searchers: Searchers, followers: list[threading.Thread]) -> None:
    """Listen until SIGTERM or SIGINT, with the followers at work meanwhile. Raises `SocketInUse`, OSError."""
    with SearchServer(path, searchers) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        for follower in followers:
            follower.start()
        log.info("listening on %s, process %s", path, os.getpid())
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    sys.exit(main())
