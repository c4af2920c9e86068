"""Removes from a text what is no part of it: WordPress shortcodes, "Continue reading", "The post ... appeared first".

A shortcode is told by its attributes, its closing tag, an underscore in its name, or a known name, so that bracketed
words such as [sic] stay. The text between an opening and a closing shortcode stays too, but for captions and embeds.
"""

from __future__ import annotations

import re

_WHOLE = re.compile(
    r"\[caption\b[^\]]{0,2000}\](?:(?!\[/?caption\b).){0,5000}\[/caption\]|\[embed\b[^\]]{0,2000}\]\s*https?://[^\s\[\]<]{1,2000}\s*\[/embed\]",
    re.DOTALL,
)
_KNOWN = re.compile(
    r"\[/?(?:[a-z]+_[a-z_]+|gallery|embed|audio|video|playlist|caption|ads?|newsletter|iframe|youtube|vimeo|dailymotion"
    r"|wpvideo|tweet|twitter|instagram|facebook|tiktok|soundcloud|spotify|googlemaps|gist|scribd|slideshare|flickr)"
    r"\b[^\]]{0,2000}\]"
)
_WITH_ATTRIBUTES = re.compile(
    r"\[[a-z][a-z0-9-]{1,40}(?:\s[^\[\]]{0,500})?\s[a-z][\w-]{0,40}=[^\s\[\]=][^\[\]]{0,2000}\]"
)
_CLOSING = re.compile(r"\[/([a-z][a-z0-9-]{0,40})\]")
_OPENING = re.compile(r"\[([a-z][a-z0-9-]{0,40})\]")

_MORE = (
    "Continue reading|Read more|Read the rest|Keep reading|Weiterlesen|Mehr lesen|Lire la suite|Continuer la lecture"
    "|Leer más|Seguir leyendo|Continuar leyendo|Continua a leggere|Leggi tutto|Leggi di più|Lees verder|Lees meer"
    "|Continue lendo|Leia mais|Läs mer|Les mer|Læs mere|Czytaj więcej|Czytaj dalej|Читать далее"
)
_LAST_WORDS = re.compile(
    rf"(?P<before>^|[.!?…»”\"’')\]→]|\n)\s{{0,5}}(?:→|»|\()?\s{{0,5}}(?:{_MORE})\b(?![^\n]{{0,200}}[^.][.!?]$)[^\n]{{0,200}}$"
)
_FEED_NOTE = re.compile(  # after the text: a text may begin so
    r"(?P<before>\n|[.!?…»”\"’')\]]\s)\s{0,5}(?:The post [^a-z].{0,400} (?:first appeared|appeared first) on"
    r"|Der Beitrag .{1,400} erschien zuerst auf|L[’']article .{1,400} est apparu en premier sur"
    r"|La entrada .{1,400} (?:se publicó primero|aparece primero) en|L[’']articolo .{1,400} proviene da"
    r"|Het bericht .{1,400} verscheen eerst op|O post .{1,400} apareceu primeiro em) [^\n]{1,300}$"
)
_CUT = re.compile(r"\s{0,5}\[\s{0,5}(?:…|\.\.\.)\s{0,5}\]$")
_TAIL = 1_000  # characters at the end of a text that are looked at


def text_without_codes(text: str) -> str:
    """The text without shortcodes; of one around a text only its two tags."""
    if "[" not in text:
        return text
    text = _WITH_ATTRIBUTES.sub("", _KNOWN.sub("", _WHOLE.sub("", text)))
    closed = set(_CLOSING.findall(text))
    if not closed:
        return text
    return _CLOSING.sub("", _OPENING.sub(lambda code: "" if code[1] in closed else code[0], text))


def without_tail(text: str) -> str:
    """A plain text without the last words that a feed or a theme adds; a cut is an ellipsis without brackets."""
    text = text.strip()
    while (last := _last_words(text)) is not None:
        text = text[:last].rstrip()
    cut = _CUT.search(text, max(0, len(text) - _TAIL))
    return text if cut is None else f"{text[: cut.start()]} …".strip()


def _last_words(text: str) -> int | None:
    """Where the added last words begin."""
    start = max(0, len(text) - _TAIL)
    if (note := _FEED_NOTE.search(text, start)) is not None:
        return note.end("before")
    more = _LAST_WORDS.search(text, start)
    return None if more is None else more.end("before")
