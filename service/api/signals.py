"""Answers requests for the editorial signals of one article."""

from __future__ import annotations

from flask import Response

from service.api.articles import KEYED_ERRORS, WRITE_RESPONSES, by_query, required_id
from service.api.operations import Call, Operation
from service.api.signal_editor import SignalEditor, signal_json
from service.http.preconditions import expected_version
from service.http.problems import ProblemFound
from service.http.request_bodies import body
from service.http.responses import json_response, written_response
from service.live_store.changes import InvalidSignals, read_signals


class SignalEndpoints:
    """The operations on the signals of an article."""

    def __init__(self, editor: SignalEditor) -> None:
        self._editor = editor

    def operations(self) -> tuple[Operation, ...]:
        """Their declarations."""
        by_path = (
            Operation(
                path="/v1/articles/{id}/signals",
                handler=self.read,
                summary="An article's signals and who gave them",
                parameters=(),
                scope="editor",
                responses={200: "Signals", **KEYED_ERRORS},
            ),
            Operation(
                path="/v1/articles/{id}/signals",
                method="put",
                handler=self.replace,
                summary="Replace an article's signals",
                description="Pin, boost, bury, exclude: with a target in this article's list only, without one in "
                "all lists. With If-Match: only if the set's ETag is still that one; with If-None-Match: * only if "
                "the set is empty.",
                parameters=(),
                body="SignalsGiven",
                scope="editor",
                responses={**WRITE_RESPONSES, 200: "SignalsWritten", 201: "SignalsWritten", 409: "Problem"},
            ),
        )
        return (*by_path, *(by_query("/v1/article/signals", operation) for operation in by_path))

    def read(self, call: Call) -> Response:
        """The signals of an article, and their history."""
        held, history = self._editor.signals_and_history(required_id(call))
        signals = [signal_json(signal) for signal in held.signals]
        response = json_response({"article_id": held.article_id, "signals": signals, "history": history})
        response.set_etag(held.version)
        return response

    def replace(self, call: Call) -> Response:
        """Replace the signals of an article by those in the body."""
        article_id = required_id(call)
        try:
            signals = read_signals(body())
        except InvalidSignals as error:
            raise ProblemFound(422, "invalid_signals", f"{error}.") from None
        written, warnings = self._editor.change(article_id, lambda _: signals, call.key, expected_version())
        return written_response(written, warnings=warnings)
