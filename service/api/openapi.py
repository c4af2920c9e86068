"""Owns the OpenAPI document: made from the declared operations and parameters, never written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from service.api.parameters import TEASER_FIELDS, Parameter, schema
from service.api.problems import Problem
from service.policy import Policy
from service.search_client import Draft

VERSION = "1.0.0"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A path and method: its parameters, the schema of its body and of each response ("" for none)."""

    path: str
    method: Literal["get", "post"] = "get"
    body: str = ""
    summary: str
    description: str = ""
    parameters: Sequence[Parameter] = ()
    responses: Mapping[int, str] = {}


_TEXT = {"type": "string"}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_TEASER = {
    "type": "object",
    "required": ["id"],
    "properties": {
        **dict.fromkeys(TEASER_FIELDS, _TEXT),
        "authors": {"type": "array", "items": _TEXT},
        "image": {"type": ["object", "null"], "properties": {"url": _TEXT, "alt": _TEXT}},
        "published_at": {"type": ["string", "null"], "format": "date-time"},
    },
}
_NUMBERS = ("relevance", "recency", "type_weight", "signal", "dense", "lexical")
_ITEM = {
    "type": "object",
    "required": ["position", "score", "source", "relation", "teaser"],
    "properties": {
        "position": {"type": "integer", "minimum": 1},
        "score": {"type": ["number", "null"], "minimum": 0},
        "source": {"type": "string", "enum": ["similar", "same_section", "recent"]},
        "relation": {"type": ["string", "null"], "enum": ["same_event", "other_event", None]},
        "teaser": _TEASER,
        "explain": {
            "type": ["object", "null"],
            "properties": {
                "reason": _TEXT,
                **{name: {"type": "number"} for name in _NUMBERS},
                "same_storyline": {"type": "boolean"},
                "shared_names": {"type": "array", "items": _TEXT},
                "shared_terms": {"type": "array", "items": _TEXT},
            },
        },
    },
}
_LIST = {
    "type": "object",
    "required": ["list_id", "article_id", "snapshot_id", "policy", "fallback_used", "items"],
    "properties": {
        "list_id": _TEXT,
        "article_id": _TEXT,
        "snapshot_id": _TEXT,
        "policy": _TEXT,
        "experiment": _NULLABLE_TEXT,
        "variant": _NULLABLE_TEXT,
        "fallback_used": {"type": "boolean"},
        "degraded": {"type": ["array", "null"], "items": {"type": "string", "enum": ["search_unavailable"]}},
        "items": {"type": "array", "maxItems": 50, "items": _ITEM},
        "token": _NULLABLE_TEXT,
    },
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the operations."""
    _, components = msgspec.json.schema_components(
        [Problem, Policy, Draft], ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Related stories",
            "version": VERSION,
            "description": "Ranked related stories of an article. Errors are RFC 9457 problem documents.",
        },
        "paths": _paths(operations),
        "components": {
            "schemas": {
                **components,
                "RelatedList": _LIST,
                "ArticleState": _object(
                    state=_TEXT,
                    snapshot_id=_TEXT,
                    teaser={**_TEASER, "type": ["object", "null"]},
                    event_id=_TEXT,
                    storyline_id=_TEXT,
                ),
                "Policies": _object(default=_TEXT, policies={"type": "array", "items": _reference("Policy")}),
                "Snapshots": _object(channel=_TEXT, snapshots={"type": "array", "items": {"type": "object"}}),
                "State": _object(status=_TEXT),
            }
        },
    }


def _paths(operations: Sequence[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method] = _operation(each)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.method + "".join(part.strip("{}").title() for part in operation.path.split("/")),
        "responses": {str(status): _response(status, name) for status, name in operation.responses.items()},
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body:
        content = {"application/json": {"schema": _reference(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    described["parameters"] = [
        *([_path_id()] if "{id}" in operation.path else []),
        *(
            {
                "name": each.name,
                "in": "query",
                "required": False,
                "description": each.description,
                "schema": schema(each),
            }
            for each in operation.parameters
        ),
    ]
    return described


def _path_id() -> dict[str, Any]:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The article's ID; slashes in it may stand as they are.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 512},
    }


def _response(status: int, name: str) -> dict[str, Any]:
    meanings = {200: "The answer", 304: "Not changed since the given ETag", 400: "A parameter is wrong"}
    meanings |= {404: "No such article for readers", 410: "The article was withdrawn", 413: "The body is too large"}
    meanings |= {503: "Nothing to serve yet"}
    if not name:
        return {"description": meanings[status]}
    kind = "application/problem+json" if name == "Problem" else "application/json"
    return {"description": meanings[status], "content": {kind: {"schema": _reference(name)}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
