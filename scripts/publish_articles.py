"""Publish a backlog of articles into the live service, one after the other.

    python scripts/publish_articles.py --service http://127.0.0.1:8000 --source archive.jsonl.gz --key-file KEYFILE

The key, of the scope write, stands alone in KEYFILE, or in the environment variable NEWSROOM_KEY. Waits while the
service is busy or away. With --position FILE, a run that ended early goes on where it was: the file holds how
many records are done, a digest of them, and how many of them were refused; it is of use with the same source only.

Of several records of one article the newest counts. An article that was withdrawn, here or in the service, stays so
unless the record is dated after that: it is named on stderr as kept withdrawn.

Exit codes: 0 all published, 1 some were refused (named on stderr), 2 usage, unreadable source, or a service that
takes nothing from this key, 69 the service cannot be reached, 74 I/O failure.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
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
from index.ingest.article_log import NO_AGE, age
from index.ingest.id_prefix import with_prefix
from index.ingest.merge import ALWAYS_NEWER
from index.sources import Rejection, Tally, Unpublished, UnreadableSource, Withdrawal, read_source
from index.sources.languages import with_languages
from service.http.request_bodies import ARTICLE_BYTES

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
    the article was not so before. `live_store`: the name of the service's live store, where the body gives it."""

    status: int
    retry_after: str
    code: str
    detail: str
    changed: bool = False
    live_store: str = ""


class Service:
    """A live service behind one connection that is kept open. `tell` hears when it is away.

    `no_longer_public`: articles withdrawn because their records are not public now. `kept_withdrawn`: articles that
    are withdrawn, and stay so because their records are not newer.
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
        self._base = parts.path.rstrip("/") + "/v1/"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._sleep = sleep
        self._tell = tell
        self.no_longer_public = 0
        self.kept_withdrawn = 0
        self._hidden = set[str]()

    def publish(self, article: Article, hidden_by_us: bool = False) -> str | None:
        """Why the service refused the article, None when it took it. Raises `TurnedAway`, `Unreachable`.

        A withdrawn article is published again by a newer version only, unless its source withdrew it by a draft.
        """
        raw = msgspec.json.encode(article)
        if len(raw) > ARTICLE_BYTES:
            return f"is larger than {ARTICLE_BYTES >> 20} MiB"
        address = _address(article.id)
        if not (hidden_by_us or article.id in self._hidden):
            address += "&keep_withdrawn=true"
        answer = self._insist("PUT", address, raw)
        if answer.code == "withdrawn":
            self.kept_withdrawn += 1
            self._tell(f"kept withdrawn: {article.id}: {answer.detail}")
            return None
        self._hidden.discard(article.id)
        return _verdict(answer)

    def withdraw(self, article_id: str) -> str | None:
        """The same of a withdrawal."""
        self._hidden.discard(article_id)
        return _verdict(self._insist("DELETE", _address(article_id), b""))

    def hide(self, article_id: str) -> str | None:
        """The same for an article that is not public now; nothing where the service has no such article."""
        answer = self._insist("DELETE", _address(article_id), b"", {"If-Match": "*"})
        if answer.status == 412:
            return None
        if answer.changed:
            self.no_longer_public += 1
            self._hidden.add(article_id)
        return _verdict(answer)

    def live_store(self) -> str:
        """The name of the service's live store, "" where it does not say. Raises `Unreachable`."""
        return self._insist("GET", "snapshots", b"").live_store

    def _insist(self, method: str, address: str, raw: bytes, condition: Mapping[str, str] | None = None) -> Answer:
        waits = iter(WAITS)
        while True:
            try:
                answer = self._ask(method, address, raw, condition or {})
            except (OSError, HTTPException) as error:
                self._connection.close()
                answer = Answer(0, "", "", str(error) or type(error).__name__)
            if answer.status not in (0, 429, 502, 503, 504) or answer.code == "no_live_store":
                return answer
            self._wait(answer, waits)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self, method: str, address: str, raw: bytes, condition: Mapping[str, str]) -> Answer:
        headers = {**self._headers, **condition}
        self._connection.request(method, self._base + address, raw, headers)
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


def _address(article_id: str) -> str:
    return "article?id=" + quote(article_id, safe="")


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
        str(problem.get("live_store") or ""),
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
    """Decides which of the records of one article count, as a rebuild of the source alone would
    (`index.ingest.merge`)."""

    def __init__(self) -> None:
        self._ages: dict[str, int] = {}
        self._withdrawn: set[str] = set()
        self._hidden: dict[str, int] = {}

    def is_outdated(self, record: Article | Withdrawal) -> bool:
        """Whether earlier records of the source count rather than this one; if not, it is what counts from now on."""
        if isinstance(record, Unpublished):
            return self._loses_as_hidden(record)
        if isinstance(record, Withdrawal) or record.status == "withdrawn":
            self._note_withdrawal(record)
            return False
        known = self._ages.get(record.id)
        if NO_AGE < age(record) < self._hidden.get(record.id, NO_AGE):
            return True
        if known is not None and (age(record) < known or (age(record) == known and record.id in self._withdrawn)):
            return True
        self._ages[record.id] = age(record)
        self._withdrawn.discard(record.id)
        self._hidden.pop(record.id, None)
        return False

    def _note_withdrawal(self, record: Article | Withdrawal) -> None:
        known = self._ages.get(record.id)
        if isinstance(record, Article):
            self._ages[record.id] = max(age(record), NO_AGE if known is None else known)
        elif known is None:
            self._ages[record.id] = ALWAYS_NEWER
        self._withdrawn.add(record.id)
        self._hidden.pop(record.id, None)

    def _loses_as_hidden(self, record: Unpublished) -> bool:
        updated_at = NO_AGE if record.updated_at is None else record.updated_at
        if record.id in self._withdrawn or NO_AGE < updated_at < self._ages.get(record.id, NO_AGE):
            return True
        self._hidden[record.id] = max(updated_at, self._hidden.get(record.id, NO_AGE))
        return False


class Position:
    """How many records are done, their digest, and how many of them were refused; in a file where there is one.

    The file is written at most once a second.
    """

    def __init__(self, path: Path | None) -> None:
        """Raises `Unusable`."""
        self._path = path
        self._written = float("-inf")
        self._digest = hashlib.blake2b(digest_size=16)
        self._begun_digest = ""
        self.done = self.refused = 0
        if path is not None and path.exists():
            text = path.read_text("utf-8", errors="replace").strip()
            found = re.fullmatch("([0-9]+)(?: ([0-9a-f]{32}) ([0-9]+))?", text)
            if not found:
                raise Unusable(f"--position {path} holds {text[:40]!r}, not a number of records")
            self.done, self._begun_digest, self.refused = int(found[1]), found[2] or "", int(found[3] or 0)

    def skip(self, records: Iterator[Article | Rejection], source: Path) -> Iterator[Article | Rejection]:
        """The records that are done, passed over in `records`. Raises `Unusable` where they are others."""
        found = 0
        for record in islice(records, self.done):
            found += 1
            self._add(record)
            yield record
        if found < self.done:
            raise Unusable(
                f"--position says that {self.done} records are done, but {source} holds {found}: another source?"
            )
        if self._begun_digest not in ("", self._digest.hexdigest()):
            raise Unusable(
                f"--position {self._path}: the first {self.done} records of {source} are not those that are done: "
                "another source, or one that has changed. Remove the file to send all of it; what the service has "
                "already does not change"
            )

    def advance(self, record: Article | Rejection, refused: bool, monotonic: float) -> None:
        """One more record is done."""
        self._add(record)
        self.done += 1
        self.refused += refused
        if monotonic - self._written >= 1:
            self._written = monotonic
            self.write()

    def write(self) -> None:
        """Write it, whole or not at all."""
        if self._path is not None:
            temporary = self._path.with_name(f".{self._path.name}.new")
            temporary.write_text(f"{self.done} {self._digest.hexdigest()} {self.refused}\n", "utf-8")
            temporary.replace(self._path)

    def _add(self, record: Article | Rejection) -> None:
        if isinstance(record, Rejection):  # wherever the source lies now
            record = msgspec.structs.replace(record, where="")
        self._digest.update(msgspec.json.encode(record))


class Counts(msgspec.Struct):
    """What became of the records of a run that were not published."""

    refused: int = 0
    unpublished: int = 0
    outdated: int = 0


def main(
    arguments: list[str] | None = None, environment: Mapping[str, str] = os.environ, sleep: Sleep = time.sleep
) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        position = Position(options.position)
        begun = position.done
        with tqdm(desc="publishing", unit=" articles", initial=begun, disable=options.quiet) as bar:
            service = Service(options.service, key_from(options.key_file, environment), sleep, _tell)
            order, tally = Order(), Tally()
            records = _rest(options.source, options.id_prefix, position, order, tally)
            position.write()
            counts = _publish_all(records, order, service, position, bar)
    except (Unusable, UnreadableSource, TurnedAway) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Unreachable as error:
        print(f"error: {options.service} cannot be reached: {error}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    print(_summary(position.done - begun, counts, service))
    if types := tally.left_out():
        print(f"  left out by type: {types}")
    if options.position and position.refused:
        print(
            f"  {position.refused:,} refused records count as done: {options.position} does not send them again. "
            "Correct them, and send them in a source of their own, or remove the file and send all"
        )
    return 1 if position.refused else 0


def _summary(read: int, counts: Counts, service: Service) -> str:
    left = counts.refused + counts.unpublished + counts.outdated + service.kept_withdrawn
    told = f"published {read - left:,} articles, {counts.refused:,} refused"
    if counts.unpublished:
        told += (
            f", {counts.unpublished:,} not public ({service.no_longer_public:,} of them withdrawn from the service)"
        )
    if counts.outdated:
        told += f", {counts.outdated:,} older than another record of their article"
    if service.kept_withdrawn:
        told += f", {service.kept_withdrawn:,} kept withdrawn"
    return told


def _publish_all(
    records: Iterator[Article | Rejection], order: Order, service: Service, position: Position, bar: tqdm[None]
) -> Counts:
    """Send the records; those that became no article or were refused are named on stderr."""
    counts = Counts()
    try:
        for record in records:
            refusal = _publish_one(record, order, service, counts)
            if refusal:
                counts.refused += 1
                _tell(f"refused: {refusal}")
            position.advance(record, refusal is not None, time.monotonic())
            bar.update()
    finally:
        position.write()
        service.close()
    return counts


def _publish_one(record: Article | Rejection, order: Order, service: Service, counts: Counts) -> str | None:
    """Send a record unless an earlier one counts rather than it; the refusal with the record's name, or None."""
    if isinstance(record, Rejection) and not isinstance(record, Withdrawal):
        return f"{record.place}: {record.reason}"
    counts.unpublished += isinstance(record, Unpublished)
    if order.is_outdated(record):
        counts.outdated += not isinstance(record, Unpublished)
        return None
    refusal = sent(record, service)
    return f"{record.id}: {refusal}" if refusal else None


def sent(record: Article | Withdrawal, service: Service) -> str | None:
    """Tell the service what the record says of its article; why the service refused that, None when it took it."""
    if isinstance(record, Unpublished):
        return service.hide(record.id)
    return service.withdraw(record.id) if isinstance(record, Withdrawal) else service.publish(record)


def _tell(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _rest(source: Path, prefix: str, position: Position, order: Order, tally: Tally) -> Iterator[Article | Rejection]:
    """The records after those that are done, which `order` gets. Raises `Unusable` where those are others."""
    records = with_languages(with_prefix(read_source(source, tally), prefix), _tell)
    for record in position.skip(records, source):
        if isinstance(record, Article | Withdrawal):
            order.is_outdated(record)
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
