"""Owns who gets into the console: signing in and out, and which forms count."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from flask import Blueprint, Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from service.api.context import Wiring
from service.auth.sessions import COOKIE, SECONDS, Sessions
from service.console.page import page, signed_in
from service.http.problems import ProblemFound

log = logging.getLogger(__name__)


def guard(console: Blueprint, wiring: Wiring) -> None:
    """Signing in and out; nothing else is open to who has not, and no form counts that is not ours."""
    sessions = Sessions(wiring.access, wiring.settings.events_directory or wiring.settings.store, wiring.clock)

    @console.before_request
    def only_signed_in() -> ResponseReturnValue | None:
        if request.endpoint in ("console.static", "console.sign_in"):
            if request.method == "POST" and _from_elsewhere():
                raise _not_ours()
            return None
        with _kept():
            g.session = sessions.read(request.cookies.get(COOKIE, ""))
        if g.session is None:
            asked = request.full_path.removesuffix("?") if request.method == "GET" else None
            return redirect(url_for("console.sign_in", next=asked), 303)
        if request.method == "POST":
            if request.endpoint == "console.draft":
                request.max_content_length = 400_000  # a form writes a letter of most scripts as six or nine bytes
            given = request.form.get("form_token", "")
            if _from_elsewhere() or not hmac.compare_digest(given.encode(), g.session.form_token.encode()):
                raise _not_ours()
        return None

    @console.route("/sign-in", methods=["GET", "POST"])
    def sign_in() -> ResponseReturnValue:
        if request.method == "GET":
            return page(wiring, "sign-in.html", refused=False)
        with _kept():
            cookie = sessions.opened(request.form.get("key", "").strip())
        if cookie is None:
            return page(wiring, "sign-in.html", refused=True), 403
        target = request.args.get("next", "")
        ours = target.startswith("/console/") and "\\" not in target and target.isprintable()
        response = redirect(target if ours else url_for("console.archive"), 303)
        response.set_cookie(
            COOKIE, cookie, SECONDS, path="/console", secure=_over_tls(), httponly=True, samesite="Lax"
        )
        return response

    @console.post("/sign-out")
    def sign_out() -> ResponseReturnValue:
        with _kept():
            sessions.end(signed_in())
        response = redirect(url_for("console.sign_in"), 303)
        response.delete_cookie(COOKIE, path="/console")
        return response

    @console.after_app_request
    def for_people(response: Response) -> Response:
        """A problem on an address of the console, as a page."""
        if not f"{request.path}/".startswith("/console/") or response.mimetype != "application/problem+json":
            return response
        told = page(wiring, "problem.html", problem=msgspec.json.decode(response.get_data()))
        told.status_code = response.status_code
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in response.headers:
                told.headers[name] = response.headers[name]
        return told


@contextmanager
def _kept() -> Iterator[None]:
    """Where sessions are signed and ended there is a file: without it, nobody gets in, and it is said."""
    try:
        yield
    except OSError as error:
        log.error("sessions: %s", error)
        detail = "Signing in and out is not possible now: what sessions need cannot be read or written."
        raise ProblemFound(503, "sessions_unavailable", detail, retry_after_seconds=5) from None


def _over_tls() -> bool:
    """Also before a proxy; a header that is made up can only make the cookie stricter."""
    return request.is_secure or request.headers.get("X-Forwarded-Proto") == "https"


def _from_elsewhere() -> bool:
    """Whether the browser says that another site sent this form."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")


def _not_ours() -> ProblemFound:
    return ProblemFound(
        403, "form_expired", "This form is not valid any more: go back, load the page again, and send."
    )
