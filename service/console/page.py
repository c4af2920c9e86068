"""Owns what the console's pages share: how one is made, and how a request names an article and a policy."""

from __future__ import annotations

from typing import Any

from flask import Response, g, render_template

from service.api.context import Wiring
from service.archive.view import Archive
from service.auth.sessions import Session
from service.http.responses import html_response
from service.recommend.pipeline import ArticleNotFound
from service.recommend.policy import Policy

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https: data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def page(wiring: Wiring, template: str, **content: Any) -> Response:
    """A page of `templates/console`, for nobody to keep."""
    session: Session | None = g.get("session")
    told = render_template(f"console/{template}", title=wiring.settings.title, session=session, **content)
    response = html_response(told, CONTENT_SECURITY_POLICY, "private, no-store")
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def signed_in() -> Session:
    """Who asks: nobody else gets as far."""
    session: Session = g.session
    return session


def row_of(archive: Archive, asked: str) -> int:
    """The row of an ID, alias or URL; an editor may see what readers may not yet. Raises `ArticleNotFound`."""
    row = archive.row_named(asked) if asked else None
    if row is None or archive.own_id(row) is None:
        raise ArticleNotFound(asked, archive.id)
    return row


def usual_policy(wiring: Wiring) -> Policy:
    """The policy that answers where none is asked for."""
    return wiring.policies.usual


def policy_of(wiring: Wiring, name: str | None) -> Policy:
    """The policy of a name; the usual one where there is none."""
    return wiring.policies.by_name.get(name or "", usual_policy(wiring))
