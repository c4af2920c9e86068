"""Owns what surrounds each request: its ID, its time, its line in the log, its numbers.

A WSGI application around Flask's, so that nothing that happens in between escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from service.observability.access_log import RequestLog
from service.observability.metrics import Measures
from service.observability.request_info import Noted, current

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Request-ID"
BEGAN = "related.began"  # in the environ: when the request came, in seconds of `perf_counter`
NO_ROUTE = "none"
_METHODS = {method: method for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")}
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


class Watching:
    """Answers as the application does, and tells of it."""

    def __init__(self, application: WSGIApplication, measures: Measures, log: RequestLog) -> None:
        self.log = log
        self._application = application
        self._measures = measures
        self._routes: dict[str, str] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """`route` is the pattern, never what was asked: that has no bounds."""
        began = environ.get(BEGAN) or perf_counter()
        noted = Noted(environ.get("HTTP_X_REQUEST_ID"))
        status, route = "500", NO_ROUTE

        def start(line: str, headers: list[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
            nonlocal status, route
            status, route = line, noted.route or self._route(environ)  # Flask forgets the route when it is done
            headers.append((HEADER, noted.request_id))
            return start_response(line, headers, *more)

        before = current.set(noted)
        try:
            return self._application(environ, start)
        finally:
            current.reset(before)
            seconds = perf_counter() - began
            method = _METHODS.get(environ["REQUEST_METHOD"], "other")
            self._count(noted, method, route, seconds)
            self.log(noted, method, route, int(status[:3]), seconds, environ.get("PATH_INFO", ""))

    def _route(self, environ: WSGIEnvironment) -> str:
        rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
        if rule is None:
            return NO_ROUTE
        route = self._routes.get(rule.rule)
        if route is None:
            route = self._routes[rule.rule] = _VARIABLE.sub(r"{\1}", rule.rule)
        return route

    def _count(self, noted: Noted, method: str, route: str, seconds: float) -> None:
        measures, lists = self._measures, noted.lists
        measures.took(seconds, method, route, lists[0].policy if lists else "")
        for list_ in lists:
            measures.count("related_lists_total", list_.policy, list_.result)
            for reason in list_.degraded:
                measures.count("related_degraded_lists_total", reason)
        if noted.problem is not None:
            code, answered = noted.problem
            measures.count("related_problems_total", code, str(answered))
        if noted.accepted:
            measures.count("related_events_accepted_total", amount=noted.accepted)
        for reason in noted.refused:
            measures.count("related_events_refused_total", reason)
