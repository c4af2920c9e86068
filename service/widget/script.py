"""Builds the two files that a page loads: the widget, and the style that it shares with the fragment."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import msgspec

from service.widget.stories import RIGHT_TO_LEFT

_FOLDER = Path(__file__).parent
_PARTS = "drawing", "reporting", "widget"
_WIDGET = """(() => {
"use strict";
const SERVICE = document.currentScript?.src;
if (!SERVICE || customElements.get("related-stories")) return;
const CSS = %s;
const RTL = new Set(%s);
%s})();
"""


class Asset(NamedTuple):
    """A file as it is sent: plain, gzipped, and what names this version of it."""

    kind: str
    plain: bytes
    gzipped: bytes
    digest: str


def widget() -> Asset:
    """`embed.js`."""
    parts = "".join(_without_comments((_FOLDER / "js" / f"{each}.js").read_text("utf-8")) for each in _PARTS)
    return _asset("text/javascript", _WIDGET % (_json(_style()), _json(RIGHT_TO_LEFT), parts))


def style() -> Asset:
    """`embed.css`."""
    return _asset("text/css", _style())


def _style() -> str:
    text = (_FOLDER / "related.css").read_text("utf-8")
    text = re.sub(r"/\*.*?\*/\s*", "", text, flags=re.DOTALL)
    return re.sub(r"\s*([{};])\s*", r"\1", text)


def _without_comments(script: str) -> str:
    """The script without indentation and comments; ours begin a line, or stand at its end after two spaces or one."""
    lines = (re.sub(r"(^|\s)// .*$", "", line).strip() for line in script.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _asset(kind: str, text: str) -> Asset:
    plain = text.encode()
    return Asset(
        f"{kind}; charset=utf-8", plain, gzip.compress(plain, 9, mtime=0), hashlib.sha256(plain).hexdigest()[:24]
    )
