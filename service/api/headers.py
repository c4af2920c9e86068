"""Owns the headers that every answer bears, whichever route made it and whatever went wrong."""

from __future__ import annotations

from flask import Flask, Response

# What an answer that is no page may do in a browser that is made to show it: nothing.
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

ON_EVERY_ANSWER = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", NOTHING),
    ("Referrer-Policy", "same-origin"),
)


def register_headers(app: Flask) -> None:
    """Add what an answer has not: no guessed types, no content, no place in a frame, no address passed on."""

    @app.after_request
    def on_every_answer(response: Response) -> Response:
        headers = response.headers
        for name, value in ON_EVERY_ANSWER:
            if name not in headers:
                headers[name] = value
        return response
