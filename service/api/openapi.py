"""Makes the OpenAPI document from the declared operations and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from service.api.operations import Operation
from service.api.parameters import TEASER_FIELDS, Parameter, schema
from service.http.problems import Problem
from service.http.request_bodies import BATCH, Batch
from service.live_store.changes import MAX_SIGNALS, Written
from service.recommend.multi_seed import Examples
from service.recommend.policy import Policy, Tier
from service.search.client import Draft

VERSION = "1.0.0"


DEGRADED = "search_unavailable", "not_yet_compared", "channel_unavailable", "not_in_channel"
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
        "source": {"type": "string", "enum": ["similar", "pinned", *get_args(Tier)]},
        "relation": {"type": ["string", "null"], "enum": ["same_event", "other_event", None]},
        "teaser": _TEASER,
        "explain": {
            "type": "object",
            "required": ["reason"],
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
        "article_id": _NULLABLE_TEXT,
        "snapshot_id": _TEXT,
        "policy": _TEXT,
        "experiment": _NULLABLE_TEXT,
        "variant": _NULLABLE_TEXT,
        "fallback_used": {"type": "boolean"},
        "degraded": {
            "type": ["array", "null"],
            "items": {"type": "string", "enum": list(DEGRADED)},
        },
        "items": {"type": "array", "maxItems": 50, "items": _ITEM},
        "token": _NULLABLE_TEXT,
    },
}


_MOMENT = {"type": ["string", "number", "null"], "description": "ISO 8601, with a time or not, or epoch seconds."}
_SIGNAL = {
    "type": "object",
    "required": ["kind"],
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "enum": ["pin", "boost", "bury", "exclude"]},
        "target": _TEXT,
        "position": {"type": "integer", "minimum": 1, "maximum": 50},
        "multiplier": {"type": "number", "minimum": 0, "maximum": 10},
        "valid_from": _MOMENT,
        "valid_until": _MOMENT,
        "note": {"type": "string", "maxLength": 500},
    },
}
_DATE = {"type": "string", "format": "date"}
_EXPERIMENT = {
    "type": "object",
    "required": ["key", "block", "mode", "starts_on", "ends_on", "state", "variants"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("key", "block"), _TEXT),
        "mode": {"type": "string", "enum": ["split", "interleave"]},
        "starts_on": _DATE,
        "ends_on": _DATE,
        "state": {"type": "string", "enum": ["planned", "running", "ended"]},
        "variants": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key", "weight"],
                "additionalProperties": False,
                "properties": {"key": _TEXT, "weight": {"type": "number"}},
            },
        },
    },
}
_READER_EVENT = {
    "type": "object",
    "required": ["kind", "token"],
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "enum": ["view", "click"]},
        "token": _TEXT,
        "article_id": _NULLABLE_TEXT,
        "occurred_at": {"type": ["string", "null"], "description": "ISO 8601; else this event is refused."},
    },
}
_TEXTS = {"type": ["array", "string", "null"], "items": _NULLABLE_TEXT}
_ARTICLE = {
    "type": "object",
    "required": ["headline"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("id", "headline"), _TEXT),
        **dict.fromkeys(("url", "kicker", "standfirst", "body", "section"), _NULLABLE_TEXT),
        **dict.fromkeys(("language", "type", "brand"), _NULLABLE_TEXT),
        **dict.fromkeys(("aliases", "tags", "authors"), _TEXTS),
        **dict.fromkeys(("published_at", "updated_at", "embargo_until"), _MOMENT),
        "links": {
            "type": ["array", "null"],
            "items": {"type": ["object", "string"], "properties": dict.fromkeys(("url", "text"), _NULLABLE_TEXT)},
        },
        "image": {
            "type": ["object", "string", "null"],
            "properties": {"url": _NULLABLE_TEXT, "alt": {"description": "Text."}},
        },
        "status": {"enum": ["published", "withdrawn", "", None]},
        "evergreen": {"type": ["boolean", "null"]},
    },
}
_THE_ID = "The article's ID, at most 512 characters; slashes in it may stand as they are."
_MEANINGS = {
    200: "The answer",
    201: "Created",
    202: "Taken in, but for those that are named as refused",
    304: "Not changed since the given ETag",
    400: "A parameter is wrong",
    401: "No API key, or one that is not known",
    403: "The key may not do this",
    404: "No such article for readers",
    408: "The body did not come",
    409: "Cannot be done, or was done before",
    410: "The article was withdrawn",
    411: "The body has no declared length",
    412: "The article is not in the version of If-Match",
    413: "The body is too large",
    422: "The body cannot be used",
    429: "Too much is waiting: Retry-After says when to ask again",
    503: "Not to be had now",
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the operations."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Related stories",
            "version": VERSION,
            "description": "Ranked related stories of an article. Errors are RFC 9457 problem documents.",
        },
        "paths": _paths(operations),
        "components": {
            "schemas": {**_generated_schemas(), **_schemas()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _generated_schemas() -> dict[str, Any]:
    """The schemas of what is decoded to and encoded from types."""
    _, components = msgspec.json.schema_components(
        [Problem, Policy, Draft, Examples, Batch, Written], ref_template="#/components/schemas/{name}"
    )
    return components


def _schemas() -> dict[str, Any]:
    """The schemas of bodies and answers that no single type stands for."""
    return {
        "RelatedList": _LIST,
        "DraftOrExamples": {"oneOf": [_reference("Draft"), _reference("Examples")]},
        "Lists": _object(lists={"type": "array", "maxItems": BATCH, "items": {"type": "object"}}),
        "Article": _ARTICLE,
        "SignalsGiven": _given(signals={"type": "array", "maxItems": MAX_SIGNALS, "items": _SIGNAL}),
        "Signals": _object(
            article_id=_TEXT,
            signals={"type": "array", "items": _SIGNAL},
            history={
                "type": "array",
                "items": _object(
                    **dict.fromkeys(("at", "by", "action", "note"), _TEXT),
                    text={"type": "array", "items": _TEXT},
                    added={"type": "array", "items": _SIGNAL},
                    removed={"type": "array", "items": _SIGNAL},
                ),
            },
        ),
        "SignalsWritten": {"allOf": [_reference("Written"), _object(warnings={"type": "array", "items": _TEXT})]},
        "Events": {"type": "object", "description": 'One event, or {"events": [...]}: see docs/api.md.'},
        "ReaderEvents": _given(events={"type": "array", "minItems": 1, "maxItems": 100, "items": _READER_EVENT}),
        "EventsTaken": _object(
            accepted={"type": "integer"},
            refused={"type": "array", "items": _object(index={"type": "integer"}, code=_TEXT, detail=_TEXT)},
        ),
        "Experiments": _object(experiments={"type": "array", "items": _EXPERIMENT}),
        "Received": _object(results={"type": "array", "items": {"type": "object"}}),
        "ArticleState": _object(
            state={"type": "string", "enum": ["published", "withdrawn"]},
            snapshot_id=_TEXT,
            teaser={**_TEASER, "type": ["object", "null"]},
            live={"type": "boolean"},
            compared={"type": "boolean"},
            event_id=_NULLABLE_TEXT,
            storyline_id=_NULLABLE_TEXT,
        ),
        "Policies": _object(default=_TEXT, policies={"type": "array", "items": _reference("Policy")}),
        "Snapshots": _object(
            channel=_TEXT,
            live_store=_NULLABLE_TEXT,
            snapshots={"type": "array", "items": {"type": "object"}},
        ),
        "State": _object(status=_TEXT),
    }


def _paths(operations: Sequence[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.operation_id,
        "responses": {str(status): _response(status, name) for status, name in sorted(_responses(operation).items())},
    }
    if operation.scope is not None:
        described["security"] = [{"bearer": []}, {"header": []}]
        described["x-scope"] = operation.scope
    if operation.description:
        described["description"] = operation.description
    if operation.body:
        content = {"application/json": {"schema": _reference(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    described["parameters"] = [
        *([_in_path("id", _THE_ID)] if "{id}" in operation.path else []),
        *([_in_path("key", "The name of the key whose secret signs.")] if "{key}" in operation.path else []),
        *(_in_query(parameter) for parameter in operation.parameters or ()),
    ]
    return described


def _responses(operation: Operation) -> Mapping[int, str]:
    """What is declared, and what follows from what is asked for: parameters, a body, a key."""
    follows = []
    if operation.parameters or "{" in operation.path:
        follows.append(400)
    if "{" in operation.path:
        follows.append(404)
    if operation.body:
        follows += [408, 411, 413, 422]
    if not operation.public:
        follows += [401, 403]
    error = "Problem" if 200 not in operation.responses or operation.responses[200] else ""
    return {**dict.fromkeys(follows, error), **operation.responses}


def _in_query(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": schema(parameter),
    }


def _in_path(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


def _response(status: int, name: str) -> dict[str, Any]:
    if not name:
        return {"description": _MEANINGS[status]}
    kind = "application/problem+json" if name == "Problem" else "application/json"
    return {"description": _MEANINGS[status], "content": {kind: {"schema": _reference(name)}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _given(**properties: Any) -> dict[str, Any]:
    """What a body holds, and nothing else."""
    return {**_object(**properties), "additionalProperties": False}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
