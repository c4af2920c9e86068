"""Declares an operation of the API in one place, and registers declarations as routes.

A declaration holds the path, what a request may send, the scope of the key it needs, the answers, and the handler.
The OpenAPI document is made from the same declarations. A registered route authorizes the request, then reads the
query parameters, then calls the handler. Nothing comes before authorization but the choice of the route.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from service.api.parameters import Parameter, read_parameters
from service.auth.api_keys import Key, Scope
from service.auth.authorization import Access

_VARIABLE = re.compile(r"{(\w+)}")
_CONVERTERS = {"id": "path:id"}  # article IDs may hold slashes; every other variable is one segment of the path


class Call(NamedTuple):
    """An authorized request to an operation: path variables, and query parameters by name with defaults filled in.

    `authorized_by` is the key of an operation with a scope, and None for the others.
    """

    path: Mapping[str, str]
    query: dict[str, Any]
    authorized_by: Key | None

    @property
    def key(self) -> Key:
        """The key of an operation that declares a scope."""
        if self.authorized_by is None:
            raise LookupError("this operation declares no scope")
        return self.authorized_by


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of the API.

    `scope`: the request needs a key with it. Without a scope, the request needs a key with the scope read where the
    installation demands keys for reading, unless the operation is `public`.
    `parameters`: those of the query; any other is refused. None: the query is not read.
    `body` and `responses`: the names of schemas, "" for none.
    `reserved_suffixes`: a path whose ID ends so is the address of another operation, which only reads.
    """

    path: str
    method: Literal["get", "post", "put", "delete"] = "get"
    handler: Callable[[Call], Response]
    body: str = ""
    scope: Scope | None = None
    public: bool = False
    summary: str
    description: str = ""
    parameters: Sequence[Parameter] | None = None
    responses: Mapping[int, str] = {}
    reserved_suffixes: tuple[str, ...] = ()

    @property
    def operation_id(self) -> str:
        """A name that no other operation has."""
        return self.method + "".join(part.strip("{}").title() for part in self.path.split("/"))


def register_operations(app: Flask | Blueprint, access: Access, operations: Iterable[Operation]) -> None:
    """Install a route for each operation."""
    for operation in operations:
        app.add_url_rule(
            _VARIABLE.sub(lambda found: f"<{_CONVERTERS.get(found[1], found[1])}>", operation.path),
            endpoint=operation.operation_id.replace(".", "_"),  # Flask takes a dot for the end of a blueprint's name
            view_func=_view(access, operation),
            methods=[operation.method.upper()],
        )


def _view(access: Access, operation: Operation) -> Callable[..., Response]:
    """The Flask view of an operation."""
    declared, handler, reserved = operation.parameters, operation.handler, operation.reserved_suffixes

    def view(**path: str) -> Response:
        if path.get("id", "").endswith(reserved):
            raise MethodNotAllowed(["GET", "HEAD", "OPTIONS"])
        key = _authorize(access, operation)
        query = {} if declared is None else read_parameters(declared, request.args)
        return handler(Call(path, query, key))

    return view


def _authorize(access: Access, operation: Operation) -> Key | None:
    """The request's key where the operation declares a scope. Raises `ProblemFound` 401, 403."""
    if operation.scope is not None:
        return access.require(operation.scope)
    if not operation.public:
        access.check_read()
    return None
