"""Receives signed webhooks, each of which publishes and withdraws articles once."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from service.api.article_writer import ArticleWriter
from service.api.context import Wiring
from service.api.operations import Call, Operation
from service.archive.view import Archive
from service.auth.api_keys import Key
from service.auth.webhook_signatures import SIGNATURE, TIMESTAMP, BadWebhook, Event, read_events, verify
from service.http.problems import ProblemFound
from service.http.request_bodies import ARTICLE_BYTES, body
from service.http.responses import json_response
from service.live_store.store import ArticleErased, LiveStore

REPLAY_SECONDS = 900  # longer than a webhook's timestamp may differ from the clock, both ways


class WebhookEndpoints:
    """The operation that receives webhooks."""

    def __init__(self, wiring: Wiring, writer: ArticleWriter) -> None:
        self._wiring = wiring
        self._writer = writer

    def operations(self) -> tuple[Operation, ...]:
        """Its declaration. The signature of the body takes the place of a key."""
        return (
            Operation(
                path="/v1/webhooks/{key}",
                method="post",
                handler=self.receive,
                summary="Publish and withdraw by signed webhook",
                description="Signed with the webhook secret of that key: see docs/api.md.",
                body="Events",
                public=True,
                responses={200: "Received", **dict.fromkeys((401, 409, 413, 422, 429, 503), "Problem")},
            ),
        )

    def receive(self, call: Call) -> Response:
        """Do what the webhook in the body says, and tell what became of each event."""
        return json_response({"results": self._received(call.path["key"], body(ARTICLE_BYTES))})

    def _received(self, name: str, raw: bytes) -> list[dict[str, Any]]:
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
        results, archive = [], self._writer.archive()
        with self._writer.store.transaction() as store:
            if not store.remember(signature, now, REPLAY_SECONDS):
                raise ProblemFound(409, "replayed", "This webhook was received before; nothing was done again.")
            if publications:
                self._writer.check_queue(archive, publications)  # few senders read what became of each event
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
                written = self._writer.put_within(store, archive, event.article, key, None)
            else:
                written = self._writer.withdraw_within(store, archive, event.id, key, event.note, None)
        except (ProblemFound, ArticleErased) as error:
            code, detail = (error.code, error.detail) if isinstance(error, ProblemFound) else ("erased", str(error))
            return {"id": event.id, "done": False, "code": code, "detail": detail}
        return {"id": event.id, "done": True, "changed": written.changed}
