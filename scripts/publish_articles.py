"""Publish a backlog of articles into the live service, one after the other.

    python scripts/publish_articles.py --service http://127.0.0.1:8000 --source archive.jsonl.gz --key-file KEYFILE

The key, of the scope write, stands alone in KEYFILE, or in the environment variable NEWSROOM_KEY. Waits while the
service is busy or away. With --position FILE, a run that ended early goes on where it was: the file holds the number
of records done.

Exit codes: 0 all published, 1 some were refused (named on stderr), 2 usage, unreadable source, or a service that
takes nothing from this key, 69 the service cannot be reached, 74 I/O failure.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec
from source_options import add_prefix_option
from tqdm import tqdm

from index.article import Article
from index.sources import Rejection, UnreadableSource, Withdrawal, read_source
from index.sources.prefix import with_prefix
from service.api.bodies import ARTICLE_BYTES

WAITS = (0, 1, 2, 4, 8, 16, *[30] * 9)  # seconds; 0 for a connection that had merely been idle; 5 minutes in all
LONGEST_RETRY_SECONDS = 300
TIMEOUT_SECONDS = 60
KEY = "NEWSROOM_KEY"

Sleep = Callable[[float], None]
Tell = Callable[[str], None]


class Unusable(Exception):
    """An option that cannot be used."""


class TurnedAway(Exception):
    """What the service says of this article it would say of every other: a wrong key or address."""


class Unreachable(Exception):
    """The service was away for longer than we wait."""


class Answer(NamedTuple):
    """A response: `code` and `detail` of its problem document, "" and the status for another body."""

    status: int
    retry_after: str
    code: str
    detail: str


class Service:
    """A live service behind one connection that is kept open. `tell` hears when it is away."""

    def __init__(self, address: str, key: str, sleep: Sleep, tell: Tell) -> None:
        """Raises `Unusable` for what is no address."""
        try:
            parts = urlsplit(address)
            if not parts.hostname:
                raise ValueError("no host")
            kind = {"http": HTTPConnection, "https": HTTPSConnection}[parts.scheme]
            self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        except (KeyError, ValueError):
            raise Unusable(f"--service {address!r} must be an address such as http://127.0.0.1:8000") from None
        self._path = parts.path.rstrip("/") + "/v1/article?id="
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._sleep = sleep
        self._tell = tell

    def publish(self, article: Article) -> str | None:
        """Why the service refused the article, None when it took it. Raises `TurnedAway`, `Unreachable`."""
        raw = msgspec.json.encode(article)
        if len(raw) > ARTICLE_BYTES:
            return f"is larger than {ARTICLE_BYTES >> 20} MiB"
        return self._insist("PUT", article.id, raw)

    def withdraw(self, article_id: str) -> str | None:
        """The same of a withdrawal."""
        return self._insist("DELETE", article_id, b"")

    def _insist(self, method: str, article_id: str, raw: bytes) -> str | None:
        waits = iter(WAITS)
        while True:
            try:
                answer = self._ask(method, article_id, raw)
            except (OSError, HTTPException) as error:
                self._connection.close()
                answer = Answer(0, "", "", str(error) or type(error).__name__)
            if answer.status not in (0, 429, 502, 503, 504) or answer.code == "no_live_store":
                return _verdict(answer)
            self._wait(answer, waits)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self, method: str, article_id: str, raw: bytes) -> Answer:
        self._connection.request(method, self._path + quote(article_id, safe=""), raw, self._headers)
        with self._connection.getresponse() as response:
            return _read(response)

    def _wait(self, answer: Answer, waits: Iterator[int]) -> None:
        """As long as the service asks for; when it is away, longer each time. Raises `Unreachable`."""
        asked = min(int(answer.retry_after), LONGEST_RETRY_SECONDS) if answer.retry_after.isdecimal() else 0
        if answer.status == 429 and asked:
            seconds = asked  # it works its queue off: there is no end to our patience
        else:
            planned = next(waits, None)
            if planned is None:
                raise Unreachable(answer.detail)
            seconds = max(planned, asked)
            if seconds:
                self._tell(f"waiting {seconds} s: {answer.detail}")
        self._sleep(seconds)


def _read(response: HTTPResponse) -> Answer:
    detail = f"{response.status} {response.reason}"
    try:
        problem = msgspec.json.decode(response.read(), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = {}
    return Answer(
        response.status,
        response.headers.get("Retry-After", "").strip(),
        str(problem.get("code", "")),
        str(problem.get("detail") or detail),
    )


def _verdict(answer: Answer) -> str | None:
    if answer.status in (200, 201):
        return None
    for_all = answer.status in (401, 404, 405) or answer.status < 400
    if for_all or answer.code in ("scope_missing", "no_live_store"):
        raise TurnedAway(answer.detail)
    return answer.detail


class Position:
    """How many records are done, in a file where there is one; written at most once a second."""

    def __init__(self, path: Path | None) -> None:
        """Raises `Unusable`."""
        self._path = path
        self._written = float("-inf")
        self.done = 0
        if path is not None and path.exists():
            text = path.read_text("utf-8", errors="replace").strip()
            if not (text.isascii() and text.isdigit()):
                raise Unusable(f"--position {path} holds {text[:40]!r}, not a number of records")
            self.done = int(text)

    def advance(self, monotonic: float) -> None:
        """One more record is done."""
        self.done += 1
        if monotonic - self._written >= 1:
            self._written = monotonic
            self.write()

    def write(self) -> None:
        """Write it, whole or not at all."""
        if self._path is not None:
            temporary = self._path.with_name(f".{self._path.name}.new")
            temporary.write_text(f"{self.done}\n", "utf-8")
            temporary.replace(self._path)


def main(
    arguments: list[str] | None = None, environment: Mapping[str, str] = os.environ, sleep: Sleep = time.sleep
) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        position = Position(options.position)
        position.write()
        begun = position.done
        with tqdm(desc="publishing", unit=" articles", initial=begun, disable=options.quiet) as bar:
            service = Service(options.service, key_from(options.key_file, environment), sleep, _tell)
            refused = _publish_all(_rest(options.source, options.id_prefix, begun), service, position, bar)
    except (Unusable, UnreadableSource, TurnedAway) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Unreachable as error:
        print(f"error: {options.service} cannot be reached: {error}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    print(f"published {position.done - begun - refused:,} articles, {refused:,} refused")
    return 1 if refused else 0


def _publish_all(
    records: Iterator[Article | Rejection], service: Service, position: Position, bar: tqdm[None]
) -> int:
    """How many records became no article or were refused; each is named on stderr."""
    refused = 0
    try:
        for record in records:
            if reason := _refusal(record, service):
                refused += 1
                _tell(reason)
            position.advance(time.monotonic())
            bar.update()
    finally:
        position.write()
        service.close()
    return refused


def _refusal(record: Article | Rejection, service: Service) -> str | None:
    if isinstance(record, Withdrawal):
        reason = service.withdraw(record.id)
        return f"refused: {record.id}: {reason}" if reason else None
    if isinstance(record, Rejection):
        return f"refused: {record.place}: {record.reason}"
    reason = service.publish(record)
    return f"refused: {record.id}: {reason}" if reason else None


def _tell(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _rest(source: Path, prefix: str, done: int) -> Iterator[Article | Rejection]:
    """The records after the first `done`. Raises `Unusable` where there are not that many."""
    records = with_prefix(read_source(source), prefix)
    found = sum(1 for _ in islice(records, done))
    if found < done:
        raise Unusable(f"--position says that {done} records are done, but {source} holds {found}: another source?")
    return records


def key_from(path: Path | None, environment: Mapping[str, str]) -> str:
    try:
        key = (path.read_text("utf-8", errors="replace") if path else environment.get(KEY, "")).strip()
    except OSError as error:
        raise Unusable(f"--key-file {path}: {error.strerror}") from error
    if not key:
        raise Unusable(
            f"{path} is empty" if path else f"give the key: --key-file KEYFILE, or {KEY} in the environment"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Unusable(f"{path or KEY} must hold a key and nothing else")
    return key


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--service", required=True, metavar="URL", help="where the service is")
    add("--source", type=Path, required=True, metavar="PATH", help="a file or folder, as for rebuild_index.py")
    add_prefix_option(parser)
    add("--key-file", type=Path, metavar="KEYFILE", help=f"a file with the key (default: {KEY} of the environment)")
    add("--position", type=Path, metavar="FILE", help="keeps the number of records done, to go on from there")
    add("--quiet", action="store_true", help="no progress bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
