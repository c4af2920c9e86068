"""Collects every operation of the API and registers their routes."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask

from service.api.admin import AdminEndpoints
from service.api.article_writer import ArticleWriter
from service.api.articles import ArticleEndpoints
from service.api.context import Wiring
from service.api.events import EventEndpoints
from service.api.health import HealthEndpoints
from service.api.openapi import document
from service.api.operations import Operation, register_operations
from service.api.related import Lists
from service.api.related_lists import RelatedEndpoints
from service.api.signal_editor import SignalEditor
from service.api.signals import SignalEndpoints
from service.api.webhooks import WebhookEndpoints
from service.http.responses import json_response


def register_routes(app: Flask, wiring: Wiring, lists: Lists, embedded: Sequence[Operation]) -> tuple[Operation, ...]:
    """Install the routes of version 1, the probes, the metrics and the OpenAPI document.

    Returns all documented operations in the order of the document. `embedded`: those of the widget, which are
    documented here and registered by its blueprint.
    """
    writer, health = ArticleWriter(wiring), HealthEndpoints(wiring)
    reading = (
        *RelatedEndpoints(wiring, lists).operations(),
        *ArticleEndpoints(wiring, writer).operations(),
        *AdminEndpoints(wiring).operations(),
    )
    receiving = (
        *EventEndpoints(wiring).operations(),
        *SignalEndpoints(SignalEditor(wiring, writer)).operations(),
        *WebhookEndpoints(wiring, writer).operations(),
        *health.probes(),
    )
    documented = (*reading, *embedded, *receiving)
    openapi = Operation(
        path="/openapi.json",
        handler=lambda _call: json_response(document(documented)),
        summary="The OpenAPI document",
        public=True,
    )
    register_operations(app, wiring.access, (*reading, *receiving, health.metrics_operation(), openapi))
    return documented
