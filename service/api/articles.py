"""Owns the HTTP routes that change the live newsroom: articles, signals, webhooks."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from index.article import Article, Teaser, epoch_seconds, iso_time
from index.ingest.addresses import addresses, former_addresses, is_address, with_aliases
from index.ingest.article_log import age
from index.ingest.id_clashes import alias_clash_reason, clash_reason, clashes
from index.snapshot.attributes import NEVER
from service.api.context import Wiring
from service.api.openapi import Operation
from service.api.parameters import (
    ID,
    KEEP_WITHDRAWN,
    NOTE,
    REQUIRED_ID,
    Parameter,
    checked_id,
    read_parameters,
)
from service.archive.history import sentences
from service.archive.manager import NoSnapshot
from service.archive.view import Archive
from service.auth.api_keys import Key
from service.auth.webhook_signatures import SIGNATURE, TIMESTAMP, BadWebhook, Event, read_events, verify
from service.http.problems import ProblemFound
from service.http.request_bodies import ARTICLE_BYTES, body, read_article
from service.http.responses import json_response
from service.live_store.changes import (
    ABSENT,
    NO_SIGNALS_VERSION,
    AuditEntry,
    InvalidSignals,
    Signal,
    SignalChange,
    SignalSet,
    Written,
    read_signals,
)
from service.live_store.store import ArticleErased, LiveStore
from service.recommend.pins import PinFault, pin_faults

RETRY_SECONDS = 5
CLOCK_SLACK_SECONDS = 3600  # by which a sender's clock may be ahead; a later date is no date of a change
REPLAY_SECONDS = 900  # longer than a webhook's timestamp may differ from the clock, both ways

_READ_KEYED = {400: "Problem", 401: "Problem", 403: "Problem", 503: "Problem"}
_WRITE = {200: "Written", **_READ_KEYED, 412: "Problem", 422: "Problem"}


def _by_query(path: str, of_path: Operation) -> Operation:
    """The same operation under an address that takes the ID in the query."""
    parameters = (REQUIRED_ID, *of_path.parameters)
    summary = "The same, by ID in the query"
    return msgspec.structs.replace(of_path, path=path, summary=summary, description="", parameters=parameters)


_OF_ARTICLE = (
    Operation(
        path="/v1/articles/{id}",
        method="put",
        summary="Publish or update an article",
        description="Idempotent. At most 1 MiB. With If-Match: only if the article's ETag is still that one; with "
        "If-None-Match: * only if there is no such article yet.",
        parameters=(KEEP_WITHDRAWN,),
        body="Article",
        scope="write",
        responses={201: "Written", 409: "Problem", 413: "Problem", 429: "Problem", **_WRITE},
    ),
    Operation(
        path="/v1/articles/{id}",
        method="delete",
        summary="Withdraw an article",
        description="It leaves every list at once and no rebuild brings it back; a later PUT does.",
        parameters=(NOTE,),
        scope="write",
        responses={**_WRITE, 404: "Problem"},
    ),
)
_OF_SIGNALS = (
    Operation(
        path="/v1/articles/{id}/signals",
        summary="An article's signals and who gave them",
        scope="editor",
        responses={200: "Signals", **_READ_KEYED},
    ),
    Operation(
        path="/v1/articles/{id}/signals",
        method="put",
        summary="Replace an article's signals",
        description="Pin, boost, bury, exclude: with a target in this article's list only, without one in all lists. "
        "With If-Match: only if the set's ETag is still that one; with If-None-Match: * only if the set is empty.",
        body="SignalsGiven",
        scope="editor",
        responses={**_WRITE, 200: "SignalsWritten", 201: "SignalsWritten", 409: "Problem"},
    ),
)
OPERATIONS = (
    *_OF_ARTICLE,
    *(_by_query("/v1/article", each) for each in _OF_ARTICLE),
    *_OF_SIGNALS,
    *(_by_query("/v1/article/signals", each) for each in _OF_SIGNALS),
    Operation(
        path="/v1/webhooks/{key}",
        method="post",
        summary="Publish and withdraw by signed webhook",
        description="Signed with the webhook secret of that key: see docs/api.md.",
        body="Events",
        responses={
            200: "Received",
            **dict.fromkeys((401, 409, 413, 422, 429, 503), "Problem"),
        },
    ),
)


def register_writing(app: Flask, wiring: Wiring) -> None:
    """Install the routes."""
    newsroom = Newsroom(wiring)

    def by_path(id: str) -> Response:
        if id.endswith(("/related", "/signals")):  # what stands behind an ID; an ID that ends so goes by query
            raise MethodNotAllowed(["GET", "HEAD", "OPTIONS"])
        return article(checked_id(id), read_parameters(own_parameters(), request.args))

    def by_query() -> Response:
        values = read_parameters((ID, *own_parameters()), request.args)
        return article(_given(values), values)

    def own_parameters() -> tuple[Parameter, ...]:
        return (NOTE,) if request.method == "DELETE" else (KEEP_WITHDRAWN,)

    def article(article_id: str, values: dict[str, Any]) -> Response:
        key = wiring.access.require("write")
        if request.method == "DELETE":
            return _written(newsroom.withdraw(article_id, key, _note(), _expected()))
        sent = read_article(body(ARTICLE_BYTES), article_id)
        return _written(newsroom.publish(sent, key, _expected(), keep_withdrawn=values["keep_withdrawn"]))

    def signals_by_path(id: str) -> Response:
        read_parameters((), request.args)
        return signals(checked_id(id))

    def signals_by_query() -> Response:
        return signals(_given(read_parameters((ID,), request.args)))

    def signals(article_id: str) -> Response:
        key = wiring.access.require("editor")
        if request.method == "GET":
            return _signals_response(newsroom, article_id)
        try:
            given = read_signals(body())
        except InvalidSignals as error:
            raise ProblemFound(422, "invalid_signals", f"{error}.") from None
        written, warnings = newsroom.change_signals(article_id, lambda _: given, key, _expected())
        return _written(written, warnings=warnings)

    def webhook(key: str) -> Response:
        return json_response({"results": newsroom.receive(key, body(ARTICLE_BYTES))})

    for path, view, methods in (
        ("/v1/articles/<path:id>", by_path, ["PUT", "DELETE"]),
        ("/v1/article", by_query, ["PUT", "DELETE"]),
        ("/v1/articles/<path:id>/signals", signals_by_path, ["GET", "PUT"]),
        ("/v1/article/signals", signals_by_query, ["GET", "PUT"]),
        ("/v1/webhooks/<key>", webhook, ["POST"]),
    ):
        app.add_url_rule(path, endpoint=f"write_{view.__name__}", view_func=view, methods=methods)


class MayNotShow(Exception):
    """Pins that do not show yet, or only in longer lists: `faults`."""

    def __init__(self, faults: Sequence[PinFault]) -> None:
        super().__init__(" ".join(map(str, faults)))
        self.faults = faults


def signals_names(archive: Archive | None, article_id: str) -> tuple[str, list[str]]:
    """The ID that an article's signals are kept under, and former names of it that signals were given under."""
    row = archive.row_named(article_id) if archive else None
    own_id = archive.own_id(row) if archive and row is not None else None
    if archive is None or row is None or own_id is None:
        return article_id, []
    return own_id, archive.signals_under_former_names(row, own_id)


def _on_own_id(archive: Archive | None, signal: Signal) -> Signal:
    """The signal with its target by its own ID, where the article is known."""
    if signal.target is None:
        return signal
    return msgspec.structs.replace(signal, target=signals_names(archive, signal.target)[0])


def _checked_pins(
    archive: Archive | None, article_id: str, signals: Sequence[Signal], held: Sequence[Signal], now: int
) -> list[PinFault]:
    """Why new pins do not show yet. Raises `ProblemFound` 422 for one that cannot show."""
    row = archive.row_named(article_id) if archive else None
    faults = list(pin_faults(archive, row, signals, held, now)) if archive and row is not None else []
    for fault in faults:
        if fault.final:
            raise ProblemFound(422, "pin_cannot_show", str(fault))
    return faults


class Newsroom:
    """Writes for holders of a key: durable when a method returns, and known to this worker."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    @property
    def store(self) -> LiveStore:
        """Raises `ProblemFound` 503 where there is none."""
        store = self._wiring.catalogue.live_store
        if store is None:
            raise ProblemFound(503, "no_live_store", "This installation has no live store: RELATED_LIVE is off.")
        return store

    def publish(self, article: Article, key: Key, expected: str | None, keep_withdrawn: bool = False) -> Written:
        """Publish, or update, or with the status "withdrawn" withdraw. Raises `ProblemFound`.

        `keep_withdrawn`: leave a withdrawn article as it is unless this version is newer than the withdrawal.
        """
        archive = self.archive()
        if article.status == "published":
            self._check_queue(archive, 1)
        with self.store.transaction() as store:
            if keep_withdrawn and article.status == "published":
                self._check_withdrawn(store, archive, article)
            written = self._put(store, archive, article, key, expected)
        self._wiring.catalogue.catch_up()
        return written

    def _put(
        self, store: LiveStore, archive: Archive | None, article: Article, key: Key, expected: str | None
    ) -> Written:
        row = archive.row_of_id(article.id) if archive else None
        if archive and row is not None and (own := archive.own_id(row)) not in (None, article.id):
            raise ProblemFound(409, "moved", f"{article.id[:200]!r} is a former ID of {own!r}: write there.")
        if key.brand:
            article = self._branded(store, article, key, archive)
        article = _next_version(article, store, archive)
        version = archive.version(row) if archive and row is not None else None
        at = self._wiring.clock()
        return store.put(article, by=key.name, at=at, expected=expected, snapshot_version=version)

    def _check_withdrawn(self, store: LiveStore, archive: Archive | None, article: Article) -> None:
        """Raises `ProblemFound` 409 for a version that is not newer than the withdrawal of its article."""
        withdrawn_at = _withdrawn_at(store, archive, article.id)
        if withdrawn_at is None:
            return
        if not withdrawn_at < age(article) <= self._wiring.clock() + CLOCK_SLACK_SECONDS:
            when = iso_time(withdrawn_at)
            raise ProblemFound(409, "withdrawn", f"Withdrawn {when}, and this version is not dated after that.")

    def withdraw(self, article_id: str, key: Key, note: str, expected: str | None) -> Written:
        """Withdraw an article, also one that nobody has heard of yet. Raises `ProblemFound`."""
        with self.store.transaction() as store:
            written = self._withdraw(store, self.archive(), article_id, key, note, expected)
        self._wiring.catalogue.catch_up()
        return written

    def _withdraw(
        self, store: LiveStore, archive: Archive | None, article_id: str, key: Key, note: str, expected: str | None
    ) -> Written:
        row = archive.row_of_id(article_id) if archive else None
        if archive and row is not None:
            article_id = archive.own_id(row) or article_id  # by a former ID, the article itself is meant
        if key.brand:
            self._check_brand(store, article_id, key, archive)
            if row is None and expected in (None, ABSENT) and store.state_of(article_id) is None:
                reason = (
                    f"No article {article_id[:200]!r}: a key of a brand withdraws only articles known as its own."
                )
                raise ProblemFound(404, "article_not_found", reason)
        return store.withdraw(
            article_id,
            by=key.name,
            at=self._wiring.clock(),
            note=note,
            expected=expected,
            snapshot_version=archive.version(row) if archive and row is not None else None,
            known=row is not None,
        )

    def change_signals(
        self,
        article_id: str,
        change: Callable[[tuple[Signal, ...]], Sequence[Signal]],
        key: Key,
        expected: str | None,
        sure: bool = True,
    ) -> tuple[Written, list[str]]:
        """Give an article the signals that `change` makes of those it has; also gives warnings of pins.

        Nobody else writes between the two, so of several changes at once none is lost. Raises `ProblemFound`,
        `VersionConflict`, and `MayNotShow`, with nothing changed, for warnings unless `sure`.
        """
        self._wiring.catalogue.catch_up()  # a pin is judged by what another editor has just changed, too
        archive, at = self.archive(), self._wiring.clock()
        article_id, former = signals_names(archive, article_id)
        with self.store.transaction() as store:
            if key.brand:
                self._check_brand(store, article_id, key, archive)
            held = store.signals_of(article_id, former)
            before = tuple(_on_own_id(archive, signal) for signal in (held.signals if held else ()))
            signals = [_on_own_id(archive, signal) for signal in change(before)]
            faults = _checked_pins(archive, article_id, signals, before, at)
            if faults and not sure:
                raise MayNotShow(faults)
            written = store.set_signals(article_id, signals, by=key.name, at=at, expected=expected, former=former)
        self._wiring.catalogue.catch_up()
        return written, [str(fault) for fault in faults]

    def signals_and_history(self, article_id: str, most: int = 50) -> tuple[SignalSet, list[dict[str, Any]]]:
        """The signals of an article, and what was done to it, by whom, newest first."""
        archive = self.archive()
        article_id, former = signals_names(archive, article_id)
        held = self.store.signals_of(article_id, former) or SignalSet(article_id, 0, (), NO_SIGNALS_VERSION)
        entries = self.store.audit_of(article_id, most, former)
        return held, [_told(archive, entry) for entry in entries]

    def receive(self, name: str, raw: bytes) -> list[dict[str, Any]]:
        """Do what a signed webhook says, once. Raises `ProblemFound`, and then none of it is done.

        The signature is remembered in the transaction of the changes: the same webhook, sent again meanwhile, waits
        for it and is a replay; after a failure nothing is remembered, and the webhook may be sent again.
        """
        key = self._wiring.access.named(name)
        if key is None or key.webhook_secret is None or "write" not in key.scopes:
            raise ProblemFound(
                401, "unknown_webhook", f"No key {name[:60]!r} with a webhook secret and the scope write."
            )
        now = self._wiring.clock()
        signed = request.headers.get(TIMESTAMP, ""), request.headers.get(SIGNATURE, "")
        try:
            signature = verify(key.webhook_secret, *signed, raw, now)
            events = read_events(raw)
        except BadWebhook as error:
            raise ProblemFound(422 if error.code == "invalid_events" else 401, error.code, f"{error}.") from None
        publications = sum(event.article is not None for event in events)
        results, archive = [], self.archive()
        with self.store.transaction() as store:
            if not store.remember(signature, now, REPLAY_SECONDS):
                raise ProblemFound(409, "replayed", "This webhook was received before; nothing was done again.")
            if publications:
                self._check_queue(archive, publications)  # few senders read what became of each event
            for event in events:
                results.append(self._done(store, archive, event, key))
                if archive and event.article is not None and event.article.aliases:  # later events may name them
                    archive = archive.after(store.changes(archive.sequence, archive.id))
        self._wiring.catalogue.catch_up()
        return results

    def _done(self, store: LiveStore, archive: Archive | None, event: Event, key: Key) -> dict[str, Any]:
        """What one event of a webhook did, or why it could not."""
        try:
            if event.article is not None:
                written = self._put(store, archive, event.article, key, None)
            else:
                written = self._withdraw(store, archive, event.id, key, event.note, None)
        except (ProblemFound, ArticleErased) as error:
            code, detail = (error.code, error.detail) if isinstance(error, ProblemFound) else ("erased", str(error))
            return {"id": event.id, "done": False, "code": code, "detail": detail}
        return {"id": event.id, "done": True, "changed": written.changed}

    def archive(self) -> Archive | None:
        """What is served now; None before the first snapshot."""
        try:
            return self._wiring.current()
        except NoSnapshot:
            return None  # what is written now is served with the first snapshot

    def _check_queue(self, archive: Archive | None, more: int) -> None:
        waiting = archive.waiting_count if archive else 0
        if waiting and waiting + more > self._wiring.settings.queue_limit:
            raise ProblemFound(
                429, "queue_full", f"{waiting:,} articles wait to be compared: try again later.", RETRY_SECONDS
            )

    def _branded(self, store: LiveStore, article: Article, key: Key, archive: Archive | None) -> Article:
        """The article under the brand of the key, which must be that of all the articles whose IDs it takes."""
        if article.brand not in ("", key.brand):
            raise _other_brand(key, article.brand)
        for article_id in (article.id, *article.aliases):
            self._check_brand(store, article_id, key, archive)
        if archive:
            # The check of URLs needs what other workers have stored a moment ago.
            archive = archive.after(store.changes(archive.sequence, archive.id))
            self._check_brand_of_addresses(store, article, key, archive)
        return msgspec.structs.replace(article, brand=key.brand)

    def _check_brand_of_addresses(self, store: LiveStore, article: Article, key: Key, archive: Archive) -> None:
        """Raises `ProblemFound` 403 for a URL, or an alias that is one, of an article of another brand, or of none.

        A path without a host may stand for pages of several brands. An address that the article has already stays.
        """
        known = _known_version(store, archive, article.id)
        held = addresses(known.url, known.aliases) if known else set[str]()
        for address in sorted(addresses(article.url, article.aliases) - held):
            row = None if address.startswith("/") else archive.row_of_url(address)
            if row is None:
                continue
            brand = archive.names["brand"][archive.fact(row).brand]
            if brand != key.brand:
                raise _other_brand(key, brand, f"{address[:200]} is an address of an article of")

    def _check_brand(self, store: LiveStore, article_id: str, key: Key, archive: Archive | None) -> None:
        """Raises `ProblemFound` 403 for an article of another brand, or of none, here or in the live store."""
        row = archive.row_of_id(article_id) if archive else None
        if archive and row is not None and (archive.own_id(row) is not None or archive.fact(row).brand):
            brand = archive.names["brand"][archive.fact(row).brand]
            if brand != key.brand:
                raise _other_brand(key, brand)
        state = store.state_of(article_id)  # another worker may have taken it a moment ago
        if state is not None and state.summary is not None and state.summary.brand != key.brand:
            raise _other_brand(key, state.summary.brand)


def _withdrawn_at(store: LiveStore, archive: Archive | None, article_id: str) -> int | None:
    """When the article was withdrawn, epoch seconds; at the latest, where only the snapshot says that it was."""
    if (state := store.state_of(article_id)) is not None:
        return state.changed_at if state.state == "withdrawn" else None
    row = archive.row_of_id(article_id) if archive else None
    if archive is None or row is None or archive.fact(row).visible_from != NEVER:
        return None
    return archive.manifest.built_at


def _shown(archive: Archive, row: int) -> Article | None:
    """What readers see of a row's article, and its brand; None where only its withdrawal is known."""
    if archive.own_id(row) is None:
        return None
    teaser = msgspec.json.decode(archive.teaser(row), type=Teaser)
    return Article(
        id=teaser.id,
        url=teaser.url,
        headline=teaser.headline,
        published_at=epoch_seconds(teaser.published_at, "published_at"),
        brand=archive.names["brand"][archive.fact(row).brand],
    )


def _known_version(store: LiveStore, archive: Archive | None, article_id: str) -> Article | None:
    """What is known of the article that has this ID, or declares it as an alias; None where nothing is."""
    row = archive.row_of_id(article_id) if archive else None
    return store.article(article_id) or (_shown(archive, row) if archive and row is not None else None)


def _next_version(article: Article, store: LiveStore, archive: Archive | None) -> Article:
    """The article with the addresses it had before, also under a former ID, but those that another one has by now.

    Raises `ProblemFound` 409 where its ID, or an alias that it has not had before, is that of another site's article.
    """
    former, rows = tuple[str, ...](), set[int | None]([None])
    current = store.article(article.id)
    declared = current.aliases if current else ()
    for article_id in (article.id, *(alias for alias in article.aliases if not is_address(alias))):
        row = archive.row_of_id(article_id) if archive else None
        known = _known_version(store, archive, article_id)
        if known is None:
            continue
        if article_id == article.id:
            if clashes(known, article, may_have_moved=True):
                raise ProblemFound(409, "id_taken", f"{clash_reason(known, article)}.")
        elif article_id not in declared and not (archive and row is not None and archive.own_id(row) == article.id):
            reason = alias_clash_reason(article_id, known, article)
            if reason:
                raise ProblemFound(409, "id_taken", f"{reason}.")
        former = former_addresses(article, known, former)
        rows.add(row)
    if archive is None or not former:
        return article
    return with_aliases(
        article, tuple(each for each in former if {archive.row_of_url(each), archive.row_of_id(each)} <= rows)
    )


def _other_brand(key: Key, brand: str, what: str = "this is of") -> ProblemFound:
    whose = repr(brand) if brand else "no brand"
    return ProblemFound(403, "other_brand", f"The key {key.name!r} writes for {key.brand!r}, and {what} {whose}.")


def _given(values: dict[str, Any]) -> str:
    if values["id"] is None:
        raise ProblemFound(400, "invalid_id", "Give the parameter id.")
    identifier: str = values["id"]
    return identifier


def _note() -> str:
    note = request.args.get("note", "")
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in note):
        raise ProblemFound(400, "invalid_note", "The parameter note holds a control character.")
    return note


def _expected() -> str | None:
    """The version in If-Match, "*" for any, `ABSENT` for If-None-Match: *, None without either header."""
    unmatched = request.headers.get("If-None-Match")
    if unmatched and (unmatched.strip() != "*" or request.headers.get("If-Match")):
        raise ProblemFound(
            400, "invalid_if_none_match", "If-None-Match of a write must be *, and without If-Match beside it."
        )
    if unmatched:
        return ABSENT
    tags = request.if_match
    if not request.headers.get("If-Match"):
        return None
    if tags.star_tag:
        return "*"
    if len(tags.as_set()) != 1:
        raise ProblemFound(400, "invalid_if_match", 'If-Match must hold one ETag, in quotes, or "*".')
    return next(iter(tags))


def _written(written: Written, **more: Any) -> Response:
    response = json_response({**msgspec.structs.asdict(written), **more}, 201 if written.created else 200)
    if written.version:
        response.set_etag(written.version)
    return response


def _told(archive: Archive | None, entry: AuditEntry) -> dict[str, Any]:
    """An entry of the audit: who did what, when, as sentences too, and the signals added and removed."""

    def headline(name: str) -> str | None:
        row = archive.row_named(name) if archive else None
        if archive is None or row is None or archive.own_id(row) is None:
            return None
        return str(msgspec.json.decode(archive.teaser(row))["headline"])

    change = entry.change or SignalChange((), ())
    return {
        "at": iso_time(entry.at),
        "by": entry.by,
        "action": entry.action,
        "note": entry.note,
        "text": sentences(entry, headline),
        "added": [_signal_json(signal) for signal in change.added],
        "removed": [_signal_json(signal) for signal in change.removed],
    }


def _signal_json(signal: Signal) -> dict[str, Any]:
    return {
        **{name: value for name, value in msgspec.structs.asdict(signal).items() if value is not None},
        **{name: iso_time(getattr(signal, name)) for name in ("valid_from", "valid_until")},
    }


def _signals_response(newsroom: Newsroom, article_id: str) -> Response:
    held, history = newsroom.signals_and_history(article_id)
    signals = [_signal_json(signal) for signal in held.signals]
    response = json_response({"article_id": held.article_id, "signals": signals, "history": history})
    response.set_etag(held.version)
    return response
