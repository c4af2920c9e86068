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
from index.sources import Rejection, Tally, Unpublished, UnreadableSource, Withdrawal, read_source
from index.sources.languages import with_languages
from index.sources.prefix import with_prefix
from index.spool import NO_AGE, age
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
    """A response: `code` and `detail` of its problem document, "" and the status for another body; `changed`: whether
    the article was not so before."""

    status: int
    retry_after: str
    code: str
    detail: str
    changed: bool = False


class Service:
    """A live service behind one connection that is kept open. `tell` hears when it is away.

    `no_longer_public`: articles withdrawn because their records are not public now.
    """

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
        self.no_longer_public = 0

    def publish(self, article: Article) -> str | None:
        """Why the service refused the article, None when it took it. Raises `TurnedAway`, `Unreachable`."""
        raw = msgspec.json.encode(article)
        if len(raw) > ARTICLE_BYTES:
            return f"is larger than {ARTICLE_BYTES >> 20} MiB"
        return _verdict(self._insist("PUT", article.id, raw))

    def withdraw(self, article_id: str) -> str | None:
        """The same of a withdrawal."""
        return _verdict(self._insist("DELETE", article_id, b""))

    def hide(self, article_id: str) -> str | None:
        """The same for an article that is not public now; nothing where the service has no such article."""
        answer = self._insist("DELETE", article_id, b"", {"If-Match": "*"})
        if answer.status == 412:
            return None
        self.no_longer_public += answer.changed
        return _verdict(answer)

    def _insist(self, method: str, article_id: str, raw: bytes, condition: Mapping[str, str] | None = None) -> Answer:
        waits = iter(WAITS)
        while True:
            try:
                answer = self._ask(method, article_id, raw, condition or {})
            except (OSError, HTTPException) as error:
                self._connection.close()
                answer = Answer(0, "", "", str(error) or type(error).__name__)
            if answer.status not in (0, 429, 502, 503, 504) or answer.code == "no_live_store":
                return answer
            self._wait(answer, waits)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self, method: str, article_id: str, raw: bytes, condition: Mapping[str, str]) -> Answer:
        headers = {**self._headers, **condition}
        self._connection.request(method, self._path + quote(article_id, safe=""), raw, headers)
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
        problem.get("changed") is True,
    )


def _verdict(answer: Answer) -> str | None:
    if answer.status in (200, 201):
        return None
    for_all = answer.status in (401, 404, 405) or answer.status < 400
    for_all = for_all or answer.code in ("scope_missing", "no_live_store")
    if for_all and answer.code != "article_not_found":
        raise TurnedAway(answer.detail)
    return answer.detail


class Order:
    """Which of the records of one article count: a draft or the like, or an article that was updated after it."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        self._hidden: dict[str, int] = {}

    def is_outdated(self, record: Article | Withdrawal) -> bool:
        """Whether an earlier record of the source is newer; where one does not say when, the later record counts."""
        if isinstance(record, Unpublished):
            if record.updated_at is not None and self._shown.get(record.id, NO_AGE) > record.updated_at:
                return True
            self._shown.pop(record.id, None)
            self._hidden[record.id] = NO_AGE if record.updated_at is None else record.updated_at
        elif isinstance(record, Article):
            if NO_AGE < age(record) < self._hidden.get(record.id, NO_AGE):
                return True
            self._hidden.pop(record.id, None)
            self._shown[record.id] = age(record)
        else:
            self._hidden.pop(record.id, None)
        return False


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
            order, tally = Order(), Tally()
            records = _rest(options.source, options.id_prefix, begun, order, tally)
            refused, unpublished = _publish_all(records, order, service, position, bar)
    except (Unusable, UnreadableSource, TurnedAway) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Unreachable as error:
        print(f"error: {options.service} cannot be reached: {error}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    told = f"published {position.done - begun - refused - unpublished:,} articles, {refused:,} refused"
    if unpublished:
        told += f", {unpublished:,} not public ({service.no_longer_public:,} of them withdrawn from the service)"
    print(told + (f"\n  left out by type: {types}" if (types := tally.left_out()) else ""))
    return 1 if refused else 0


def _publish_all(
    records: Iterator[Article | Rejection], order: Order, service: Service, position: Position, bar: tqdm[None]
) -> tuple[int, int]:
    """How many records became no article or were refused, each named on stderr; how many were not public."""
    refused = unpublished = 0
    try:
        for record in records:
            unpublished += isinstance(record, Unpublished)
            if reason := _refusal(record, order, service):
                refused += 1
                _tell(reason)
            position.advance(time.monotonic())
            bar.update()
    finally:
        position.write()
        service.close()
    return refused, unpublished


def _refusal(record: Article | Rejection, order: Order, service: Service) -> str | None:
    if isinstance(record, Rejection) and not isinstance(record, Withdrawal):
        return f"refused: {record.place}: {record.reason}"
    if order.is_outdated(record):
        return None
    reason = sent(record, service)
    return f"refused: {record.id}: {reason}" if reason else None


def sent(record: Article | Withdrawal, service: Service) -> str | None:
    """Tell the service what the record says of its article; why the service refused that, None when it took it."""
    if isinstance(record, Unpublished):
        return service.hide(record.id)
    return service.withdraw(record.id) if isinstance(record, Withdrawal) else service.publish(record)


def _tell(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _rest(source: Path, prefix: str, done: int, order: Order, tally: Tally) -> Iterator[Article | Rejection]:
    """The records after the first `done`, which `order` gets. Raises `Unusable` where there are not that many."""
    records, found = with_languages(with_prefix(read_source(source, tally), prefix), _tell), 0
    for record in islice(records, done):
        found += 1
        if isinstance(record, Article | Withdrawal):
            order.is_outdated(record)
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
