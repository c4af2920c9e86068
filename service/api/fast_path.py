"""Answers the most frequent request without Flask: the list under an article by its ID.

Routing, contexts and responses of Flask take half of the time of such an answer. The fast path takes an unconditional
GET whose query string was parsed before. Everything else, and everything that fails here, goes to Flask, whose answer
this is to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from service.api.context import Wiring
from service.api.parameters import checked_id, split_id
from service.api.related import NO_SEARCH, Lists
from service.http.headers import ON_EVERY_ANSWER, cross_origin
from service.http.responses import list_headers
from service.observability.request_info import noted
from service.recommend.response import RelatedList

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX, SUFFIX = "/v1/articles/", "/related"
BY_PATH, BY_QUERY = f"{PREFIX}{{id}}{SUFFIX}", "/v1/related"
LIST = "related.list"  # in the environ: the list or None, where it was looked for before


class FastPath:
    """A WSGI application in front of Flask's."""

    def __init__(self, application: WSGIApplication, lists: Lists, wiring: Wiring) -> None:
        self._application = application
        self._lists = lists
        self._wiring = wiring
        self._origins = frozenset(wiring.settings.cors_origins)
        of_lists = list_headers(None)
        self._others = tuple(each for each in ON_EVERY_ANSWER if each not in of_lists)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the application does."""
        found = environ[LIST] if LIST in environ else self.find(environ)
        if found is None:
            return self._application(environ, start_response)
        note = noted()
        note.lists, note.route = (found,), BY_QUERY if environ["PATH_INFO"] == BY_QUERY else BY_PATH
        headers = list_headers(found.etag)
        headers += (("Content-Length", str(len(found.body))), *self._others)
        headers += cross_origin(self._origins, environ.get("HTTP_ORIGIN"))
        start_response("200 OK", headers)
        return [found.body]  # granian sends a list whole, and hands anything else on piece by piece

    def find(self, environ: WSGIEnvironment) -> RelatedList | None:
        """The list that answers a request; None where Flask has to. Waits for no other process."""
        try:
            return self._find(environ)
        except Exception:  # Flask comes to it again, and answers with the problem
            return None

    def _find(self, environ: WSGIEnvironment) -> RelatedList | None:
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        if (
            environ["REQUEST_METHOD"] != "GET"
            or "HTTP_IF_NONE_MATCH" in environ
            or not self._wiring.catalogue.is_open
        ):
            return None
        if path == BY_QUERY:
            if (by_id := split_id(query)) is None:
                return None
            name, query = by_id
        elif path.startswith(PREFIX) and path.endswith(SUFFIX) and not path.startswith("/", len(PREFIX)):
            name = checked_id(path[len(PREFIX) : -len(SUFFIX)].encode("latin-1").decode())
        else:
            return None
        asked = self._lists.asked_before(query)
        if asked is None:
            return None
        archive = self._wiring.current()
        return self._lists.under(archive, archive.row_of_id(name), name, asked, NO_SEARCH)
