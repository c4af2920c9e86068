"""Owns the mapping from exceptions to problem documents: one place, no traces."""

from __future__ import annotations

import logging

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from index.snapshot import DamagedSnapshot
from service.api.problems import ProblemFound, problem
from service.catalogue import Catalogue, NoSnapshot
from service.related import ArticleNotFound, ArticleWithdrawn

log = logging.getLogger(__name__)

_CODES = {
    400: ("bad_request", "The request could not be read."),
    404: ("not_found", "There is nothing at this address; see /docs."),
    405: ("method_not_allowed", "This address does not take this method; see /docs."),
    413: ("body_too_large", "The body is larger than 64 KiB."),
}


def register_errors(app: Flask, catalogue: Catalogue) -> None:
    """Install the handlers."""

    @app.errorhandler(ProblemFound)
    def _problem_found(error: ProblemFound) -> Response:
        return problem(error.status, error.code, error.detail, error.retry_after_seconds)

    @app.errorhandler(ArticleNotFound)
    def _not_found(error: ArticleNotFound) -> Response:
        return problem(404, "article_not_found", f"There is no article {error.asked[:200]!r} that readers may see.")

    @app.errorhandler(ArticleWithdrawn)
    def _withdrawn(error: ArticleWithdrawn) -> Response:
        return problem(410, "article_withdrawn", f"The article {error.asked[:200]!r} was withdrawn.")

    @app.errorhandler(NoSnapshot)
    def _no_snapshot(error: NoSnapshot) -> Response:
        return problem(503, "no_snapshot", f"Nothing can be served yet: {error.reason}.", retry_after_seconds=5)

    @app.errorhandler(DamagedSnapshot)
    def _damaged(error: DamagedSnapshot) -> Response:
        catalogue.condemn(error)
        return problem(503, "no_snapshot", "The snapshot turned out damaged; ask again.", retry_after_seconds=1)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        code, detail = _CODES.get(status, ("error", error.name))
        response = problem(status, code, detail)
        for name, value in error.get_headers():
            if name in ("Allow", "Location"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return problem(500, "internal_error", "Something went wrong on our side; it has been logged.")
