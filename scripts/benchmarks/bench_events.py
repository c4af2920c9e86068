"""How many events the service takes in, and what that costs readers who ask for lists.

    python scripts/benchmarks/bench_events.py [--rows 20000] [--seconds 5] [--rounds 3] [--fsync second ...]

Both web workers run on granian as scripts/serve.py starts it. Views and clicks with good tokens, none of them twice,
come in bodies of 1, 10 and 50 events (POST /v1/events), and every one is written down. First as fast as `wrk`
(needed here) can send them over 16 connections. Then 3,000 events a second (scripts/tools/steady_load.py; wrk has no
constant rate), or 1,000 in bodies of one, while another process asks for 200 lists a second: once the lists that all
readers share, once each reader's own, which are written down too; in turn with quiet times of the same lists. All of
it with each policy of fsync. What sends and what asks share the cores and the disk with the service. The snapshot is
synthetic: see scripts/benchmarks/bench_lookup.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import msgspec

from index.publishing.store import Store
from scripts.benchmarks.bench_live_lookup import machine
from scripts.benchmarks.bench_lookup import write_synthetic
from scripts.benchmarks.live_service import PATIENCE_SECONDS, AskForLists
from scripts.tools.http_load import Load, load_with_wrk
from scripts.tools.server_process import free_port, read_answer, running
from scripts.tools.steady_load import Ask, Latency, steady_load
from service.auth.secrets import secret_in
from service.experiments.event_log import lines, segments
from service.experiments.tokens import ListToken, Tokens
from service.live_store.migrate import migrate

BATCHES = (1, 10, 50)
PACES = ((0, 1), (1_000, 1), (3_000, 1), (3_000, 10), (3_000, 50))  # events a second, in bodies of so many
LISTS_A_SECOND = 200.0
CONNECTIONS = 16
MOST_REQUESTS_A_SECOND = 6_000  # that wrk may come to, and
MOST_EVENTS_A_SECOND = 100_000
WARM_SECONDS = 1
BEHIND_MS = 250  # events that wait so long have queued up
GRANIAN = (
    "granian --interface rsgi --loop uvloop --workers 2 --no-ws --http 1 --log-level error "
    "--host 127.0.0.1 --port {port} service.wsgi:front"
)
SEND_EACH_ONCE = """\
local bodies, at = {{}}, 0
for line in io.lines("{bodies}") do bodies[#bodies + 1] = line end
request = function()
  at = at + 1
  return wrk.format("POST", "/v1/events", {{["Content-Type"] = "text/plain"}}, bodies[(at - 1) % #bodies + 1])
end
"""


class Bodies:
    """Makes bodies of events that nobody has sent before, of an installation's lists."""

    def __init__(self, folder: Path, events: Path, articles: list[str]) -> None:
        self._folder = folder
        self._tokens = Tokens(secret_in(events))
        self._articles = articles
        self._lists = count()

    def file(self, bodies: int, batch: int) -> Path:
        """So many bodies of `batch` events, one a line."""
        path, events = self._folder / "bodies.jsonl", self._events()
        with path.open("wb") as file:
            for _ in range(bodies):
                file.write(msgspec.json.encode({"events": [next(events) for _ in range(batch)]}) + b"\n")
        return path

    def _events(self) -> Iterator[dict[str, str]]:
        for number in self._lists:
            first = number % (len(self._articles) - 7)
            article, *items = self._articles[first : first + 7]
            now = float(int(time.time()))
            shown = ListToken(f"{number:024x}", article, "default", "related", "newest", "control", now, now + 86_400,
                              tuple(items))  # fmt: skip
            token = self._tokens.signed(shown)
            yield {"kind": "view", "token": token}
            yield {"kind": "click", "token": token, "article_id": items[number % 6]}


@dataclass(frozen=True)
class SendEvents:
    """Opens a connection for a steady load: body number n is line n of the file."""

    port: int
    bodies: Path

    def __call__(self) -> Ask:
        """Right is what was accepted whole."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        bodies = _lines_of(self.bodies)

        def ask(number: int) -> bool:
            head = "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: "
            connection.sendall(f"{head}{len(bodies[number])}\r\n\r\n".encode() + bodies[number])
            return b'"refused":[]' in read_answer(connection)[1]

        return ask


@dataclass(frozen=True)
class AskForOwnLists:
    """The same of lists for readers, each of whom comes about once in an hour."""

    port: int
    articles: list[str]

    def __call__(self) -> Ask:
        """Right is a list with a token."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

        def ask(number: int) -> bool:
            article = self.articles[number * 7_919 % len(self.articles)]
            unit = number * 104_729 % 720_000
            head = f"GET /v1/related?id={article}&unit=reader-{unit} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            connection.sendall(head.encode())
            return b'"token":"' in read_answer(connection)[1]

        return ask


def main() -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="articles (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="length of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--fsync", choices=("second", "always"), action="append", help="only this one; repeatable")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("error: this needs wrk (https://github.com/wg/wrk; Debian and Ubuntu: apt-get install wrk)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started is ended
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        articles = prepare(folder, options.rows)
        for fsync in options.fsync or ("second", "always"):
            with served(folder, fsync) as port:
                bodies = Bodies(folder, folder / "events", articles)
                print(f"\nfsync {fsync}")
                as_fast_as_possible(port, bodies, options.seconds, options.rounds)
                for name, ask in (
                    ("shared lists", AskForLists(port, articles)),
                    ("readers' own lists", AskForOwnLists(port, articles)),
                ):
                    beside_readers(name, ask, port, bodies, options.seconds, options.rounds)
                refuse_a_wrong_load(folder / "events")
            shutil.rmtree(folder / "events")
    print(machine())
    return 0


def prepare(folder: Path, rows: int) -> list[str]:
    """A store with a synthetic snapshot; the IDs of its articles."""
    store = Store(folder / "store")
    store.begin("synthetic").rmdir()
    write_synthetic(store.snapshots / "synthetic", rows)
    store.activate("synthetic", "default")
    migrate(f"sqlite:///{store.root / 'live.db'}")
    return [f"section{at % 20}/article-number-{at}" for at in range(rows)]


@contextmanager
def served(folder: Path, fsync: str) -> Iterator[int]:
    """Serve the store, its events in `folder`, until the block ends; the port."""
    port = free_port()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "RELATED_STORE": str(folder / "store"),
                   "RELATED_EVENTS": str(folder / "events"), "RELATED_EVENTS_FSYNC": fsync}  # fmt: skip
    with running(GRANIAN.format(port=port).split(), port, folder):
        yield port


def as_fast_as_possible(port: int, bodies: Bodies, seconds: int, rounds: int) -> None:
    """Print events a second by the size of the body: medians of the rounds, in which the sizes take turns."""
    runs: dict[int, list[Load]] = defaultdict(list)
    for _ in range(rounds):
        for batch in BATCHES:
            runs[batch].append(sent(port, bodies, batch, seconds))
    for batch, loads in runs.items():
        rates = [batch * load.requests_per_second for load in loads]
        p50, p99 = (statistics.median(getattr(load, name) for load in loads) for name in ("p50_ms", "p99_ms"))
        print(f"  {batch:3} a body: {statistics.median(rates):8,.0f} events/s ({min(rates):,.0f}-{max(rates):,.0f})  "
              f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms a body", flush=True)  # fmt: skip


def sent(port: int, bodies: Bodies, batch: int, seconds: int) -> Load:
    """Load the service with fresh events by wrk, after a second to warm."""
    most = min(MOST_REQUESTS_A_SECOND, MOST_EVENTS_A_SECOND // batch)
    script = bodies.file(0, batch).with_name("send.lua")
    for length in (WARM_SECONDS, seconds):
        script.write_text(SEND_EACH_ONCE.format(bodies=bodies.file(most * length, batch)))
        load = load_with_wrk(f"http://127.0.0.1:{port}/", CONNECTIONS, length, script)
    return load


def beside_readers(
    name: str, asking: Callable[[], Ask], port: int, bodies: Bodies, seconds: int, rounds: int
) -> None:
    """Print what readers meet in quiet times and while events come in at each pace."""
    spans: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    with steady_load(asking, LISTS_A_SECOND) as lists:
        time.sleep(2 * WARM_SECONDS)
        for _ in range(rounds):
            for pace in PACES:
                spans[pace].append(a_while(port, bodies, *pace, seconds))
    print(f"  {LISTS_A_SECOND:.0f} {name} a second, and events:")
    quiet = [lists.during([span]) for span in spans[PACES[0]]]
    for (rate, batch), times in spans.items():
        found = [lists.during([span]) for span in times]
        print(_line(f"{rate:,}/s, {batch} a body" if rate else "quiet", found, quiet), flush=True)


def a_while(port: int, bodies: Bodies, rate: int, batch: int, seconds: int) -> tuple[float, float]:
    """Send so many events a second, in bodies of `batch`, for so many seconds; when that was."""
    if not rate:
        begin = time.monotonic()
        time.sleep(seconds)
        return begin, time.monotonic()
    path = bodies.file(rate // batch * (seconds + 5), batch)
    with steady_load(SendEvents(port, path), rate / batch) as events:
        time.sleep(WARM_SECONDS)
        begin = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
    came = events.during([(begin, end)])
    if came.failed or came.asked < 0.99 * rate / batch * seconds or came.p99_ms > BEHIND_MS:
        print(f"    not kept up with {rate:,}/s, {batch} a body: {came}")
    return begin, end


def refuse_a_wrong_load(events: Path) -> None:
    """Raises RuntimeError where an event was refused: refusing costs less than taking in."""
    refused = sum(line.startswith(b'{"kind":"refused"') for path in segments(events) for line in lines(path))
    if refused:
        raise RuntimeError(
            f"{refused} bodies were refused in part; as replays, if this machine is faster than MOST_..."
        )


def _line(name: str, found: list[Latency], quiet: list[Latency]) -> str:
    """Medians over the rounds; the ratio is of each round to its own quiet time."""
    p50, p99, late = (statistics.median(getattr(each, of) for each in found)
                      for of in ("p50_ms", "p99_ms", "late_p99_ms"))  # fmt: skip
    ratios = [each.p99_ms / before.p99_ms for each, before in zip(found, quiet, strict=True)]
    return (
        f"    {name:18} {sum(each.asked for each in found):6} asked, {sum(each.failed for each in found)} failed  "
        f"p50 {p50:5.2f} ms  p99 {p99:6.2f} ms = {statistics.median(ratios):.2f} x quiet "
        f"({min(ratios):.2f}-{max(ratios):.2f}); late itself {late:.2f} ms"
    )


@lru_cache(1)
def _lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


if __name__ == "__main__":
    sys.exit(main())
