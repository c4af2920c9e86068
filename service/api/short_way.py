"""Owns the short way of what is asked most: the list under an article by its ID, without Flask.

Routing, contexts and responses of Flask take half of the time of such an answer. Here is what by far the most
requests are: GET, a query string that was read before, nothing conditional. Whatever is not that, and whatever goes
wrong here, goes Flask's way, whose answer this is to the byte (tests/contract/test_short_way.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from service.api.headers import ON_EVERY_ANSWER, cross_origin
from service.api.lists import Lists
from service.api.parameters import checked_id
from service.api.responses import list_headers
from service.api.wiring import Wiring
from service.listing import RelatedList
from service.operations.noting import noted

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX, SUFFIX = "/v1/articles/", "/related"
ROUTE = f"{PREFIX}{{id}}{SUFFIX}"


class ShortWay:
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
        try:
            found = self._found(environ)
        except Exception:  # what no route has said yet: Flask's way comes to it again, and tells
            found = None
        if found is None:
            return self._application(environ, start_response)
        note = noted()
        note.lists, note.route = (found,), ROUTE
        headers = list_headers(found.etag)
        headers += (("Content-Length", str(len(found.body))), *self._others)
        headers += cross_origin(self._origins, environ.get("HTTP_ORIGIN"))
        start_response("200 OK", headers)
        return [found.body]  # granian sends a list whole, and hands anything else on piece by piece

    def _found(self, environ: WSGIEnvironment) -> RelatedList | None:
        path = environ.get("PATH_INFO", "")
        if not (path.startswith(PREFIX) and path.endswith(SUFFIX)) or environ["REQUEST_METHOD"] != "GET":
            return None
        asked = self._lists.asked_before(environ.get("QUERY_STRING", ""))
        if asked is None or "HTTP_IF_NONE_MATCH" in environ or path.startswith("/", len(PREFIX)):
            return None
        name = checked_id(path[len(PREFIX) : -len(SUFFIX)].encode("latin-1").decode())
        archive = self._wiring.current()
        return self._lists.under(archive, archive.row_of_id(name), name, asked)
