"""Every declared operation is registered, and none is reached without the scope that its declaration names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from newsroom import EDITOR, READER, WRITER, Newsroom, story, with_key

from service.api.operations import Call, Operation, register_operations
from service.api.related import Lists
from service.api.routes import register_routes
from service.widget.routes import EmbedEndpoints

_WITHOUT = {"write": READER, "editor": WRITER}  # a key that lacks the scope; every key has the scope read
_KEYS = {"read": READER, "write": WRITER, "editor": EDITOR}
_QUERIES = "", "?id=ferry/3", "?no=such"


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path_factory.mktemp("operations"), log_level="error", reads="key")
    newsroom.rebuild([story(f"ferry/{n}", "ferry river crossing", 10 + n) for n in range(4)])
    yield newsroom
    newsroom.close()


@pytest.fixture(scope="module")
def operations(newsroom: Newsroom) -> tuple[Operation, ...]:
    """The declarations of the newsroom's installation."""
    wiring = newsroom.client.application.extensions["wiring"]
    return register_routes(Flask("other"), wiring, Lists(wiring), EmbedEndpoints(wiring).operations())


def refusal(client: FlaskClient, operation: Operation, query: str, key: str | None) -> tuple[int, str] | None:
    """The status and code of a refusal for want of a key or a scope; None for any other answer."""
    address = operation.path.replace("{id}", "ferry/3").replace("{key}", "courier") + query
    answer = client.open(address, method=operation.method.upper(), headers=with_key(key) if key else {})
    code = re.search(r'"code":"(\w+)"|related stories: (\w+)', answer.text)
    return (answer.status_code, code[1] or code[2]) if code and answer.status_code in (401, 403) else None


def test_no_operation_is_reached_without_the_scope_that_it_declares(
    newsroom: Newsroom, operations: tuple[Operation, ...]
) -> None:
    scoped = [operation for operation in operations if operation.scope is not None]
    assert {operation.scope for operation in scoped} == {"read", "write", "editor"}
    for operation in scoped:
        for query in _QUERIES:
            asked = newsroom.client, operation, query
            assert refusal(*asked, None) == (401, "key_missing"), asked
            assert refusal(*asked, "rs_unknown") == (401, "invalid_key"), asked
            if operation.scope in _WITHOUT:
                assert refusal(*asked, _WITHOUT[operation.scope]) == (403, "scope_missing"), asked
            assert refusal(*asked, _KEYS[str(operation.scope)]) is None, asked


def test_where_reads_need_a_key_only_public_operations_do_without(
    newsroom: Newsroom, operations: tuple[Operation, ...]
) -> None:
    unscoped = [operation for operation in operations if operation.scope is None]
    for operation in unscoped:
        for query in _QUERIES:
            refused = refusal(newsroom.client, operation, query, None)
            assert (refused == (401, "key_missing")) is not operation.public, (operation, query)
    public = {operation.path for operation in unscoped if operation.public}
    assert public == {"/livez", "/readyz", "/embed.js", "/embed.css", "/v1/events", "/v1/webhooks/{key}"}


def test_every_route_of_version_1_is_declared(newsroom: Newsroom, operations: tuple[Operation, ...]) -> None:
    registered = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in newsroom.client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1/")
    }
    declared = {(operation.path, operation.method) for operation in operations if operation.path.startswith("/v1/")}
    assert registered == declared


def test_a_handler_that_asks_for_a_key_without_a_scope_is_a_mistake_of_ours() -> None:
    with pytest.raises(LookupError, match="declares no scope"):
        _ = Call({}, {}, None).key


def test_the_query_is_ignored_unless_parameters_are_declared(newsroom: Newsroom) -> None:
    access = newsroom.client.application.extensions["wiring"].access
    calls: list[Call] = []

    def handler(call: Call) -> object:
        calls.append(call)
        return app.response_class()

    app = Flask("other")
    operation = Operation(path="/x/{id}/y.html", handler=handler, summary="", public=True)  # type: ignore[arg-type]
    register_operations(app, access, [operation])
    assert app.test_client().get("/x/a/b/y.html?no=such").status_code == 200
    assert calls == [Call({"id": "a/b"}, {}, None)]
