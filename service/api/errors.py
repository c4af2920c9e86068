"""Owns the mapping from exceptions to problem documents: one place, no traces."""

from __future__ import annotations

import logging

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from index.snapshot.manifest import DamagedSnapshot
from service.archive.manager import Catalogue, NoSnapshot
from service.http.problems import ProblemFound, problem
from service.live_store.errors import ArticleErased, LiveStoreUnavailable, OutdatedLiveStore, VersionConflict
from service.recommend.pipeline import ArticleNotFound, ArticleWithdrawn

log = logging.getLogger(__name__)

_CODES = {
    400: ("bad_request", "The request could not be read."),
    404: ("not_found", "There is nothing at this address; see /docs."),
    405: ("method_not_allowed", "This address does not take this method; see /docs."),
    413: ("body_too_large", "The body is larger than 64 KiB, or than 1 MiB for an article."),
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

    @app.errorhandler(LiveStoreUnavailable)
    @app.errorhandler(OutdatedLiveStore)
    def _live_store(error: Exception) -> Response:
        log.error("the live store: %s", error)
        detail = "The live store cannot be reached now; nothing was changed."
        if isinstance(error, OutdatedLiveStore):
            detail = "The live store needs an upgrade before it can be used; see /readyz."
        return problem(503, "live_store_unavailable", detail, retry_after_seconds=5)

    @app.errorhandler(VersionConflict)
    def _conflict(error: VersionConflict) -> Response:
        current = f"its ETag is {error.current}" if error.current else "it has no ETag yet"
        return problem(
            412, "version_conflict", f"{error.article_id[:200]!r} is not in the version of If-Match: {current}."
        )

    @app.errorhandler(ArticleErased)
    def _erased(error: ArticleErased) -> Response:
        return problem(409, "erased", f"{error.article_id[:200]!r} was erased for good: publish under another ID.")

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
