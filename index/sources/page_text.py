"""The plain text of a saved article page: title, body, boilerplate, author note, teaser block.

The teaser block is a run of entries, each led by a line that holds only a dash: headline, then kicker
and standfirst run together on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from index.article import Article, InvalidArticle, article_from_record
from index.sources import Rejection

KNOWN_KICKERS = (
    "Today's Big Question", "In the Spotlight", "Talking Point", "Talking Points", "The Explainer", "Explainer",
    "In Depth", "Under the Radar", "The Big Read", "Long Read", "The Long Read", "Why We're Talking About",
    "Instant Opinion", "Opinion", "Analysis", "Comment", "Editorial", "Profile", "Interview", "Review", "Feature",
    "Features", "Speed Read", "Speed Reads", "Daily Briefing", "The Week Recommends", "Briefing", "Fact Check",
    "Live", "Breaking", "Exclusive", "Investigation", "Special Report", "Obituary", "Podcast", "Video", "Gallery",
    "Quiz", "Letters", "Q&A", "Background", "Timeline",
)  # fmt: skip

_DASH = re.compile(r"^\s*[-–—*•]\s*$")
_BOILERPLATE = re.compile(
    r"^(subscribe( to .{1,40})?|sign up (for|to) .*|.*\bnewsletters?\b.*(inbox|sign up|delivered).*"
    r"|.*delivered directly to your inbox.*|.*in your inbox\.?|escape your echo chamber\..*"
    r"|a free daily email with .*|advertisement|read more:?.*)$",
    re.IGNORECASE,
)
_AUTHOR_NOTE = re.compile(
    r"^(?P<name>(?:[A-Z][\w.'’-]+ ){1,3}[A-Z][\w.'’-]+) (?:is|was|has been) (?:a|an|the)\b"
    r".{0,80}\b(?:editor|writer|reporter|correspondent|columnist|journalist|contributor)\b"
)
_SPACES = re.compile(r"\s+")


class PageTeaser(msgspec.Struct, frozen=True):
    """A teaser of the page's block. `certain` is False when kicker and standfirst could not be told apart."""

    headline: str
    kicker: str
    standfirst: str
    certain: bool


class Page(msgspec.Struct, frozen=True):
    """A parsed page: its article and the teasers of its block."""

    article: Article
    teasers: tuple[PageTeaser, ...]


def read_page(path: Path) -> Iterator[Article | Rejection]:
    """The page's article (its ID is the file's stem), or one rejection."""
    try:
        yield parse_page(path.read_bytes().decode("utf-8-sig"), path.stem).article
    except UnicodeDecodeError as error:
        yield Rejection(str(path), 0, f"not UTF-8: {error.reason} at byte {error.start}")
    except InvalidArticle as error:
        yield Rejection(str(path), 0, str(error))


def parse_page(text: str, page_id: str, kickers: Sequence[str] = KNOWN_KICKERS) -> Page:
    """The article and teasers in a page's text. Raises `InvalidArticle` for a page without a title."""
    lines = text.splitlines()
    first_dash = next((at for at, line in enumerate(lines) if _DASH.match(line)), len(lines))
    title, paragraphs, authors = _article_parts(lines[:first_dash])
    record = {"id": page_id, "headline": title, "body": "\n\n".join(paragraphs), "authors": authors}
    return Page(article_from_record(record), tuple(_teasers(lines[first_dash:], kickers)))


def split_kicker(line: str, kickers: Sequence[str] = KNOWN_KICKERS) -> tuple[str, str, bool]:
    """Kicker, standfirst and whether the cut is certain, of a line on which they run together.

    A known kicker is certain. Else the typographic cue: a run of two to five capitalised words, followed
    by a quotation mark or by one more capitalised word and then lower case. With neither, all is standfirst.
    """
    line = _SPACES.sub(" ", line).strip()
    plain = line.replace("’", "'").casefold()
    for kicker in sorted(kickers, key=len, reverse=True):
        lead = kicker.replace("’", "'").casefold()
        if plain.startswith(lead) and plain[len(lead) : len(lead) + 1] in ("", " ", ":"):
            return line[: len(lead)], line[len(lead) :].lstrip(" :"), True
    return _typographic_cut(line)


def _typographic_cut(line: str) -> tuple[str, str, bool]:
    words = line.split(" ")
    run = 0
    while run < len(words) and run <= 6 and _is_title_word(words[run], run):
        run += 1
    if run < len(words) and words[run][0] in "'\"‘“" and 2 <= run <= 5:
        return " ".join(words[:run]), " ".join(words[run:]), False
    # The last capitalised word begins the standfirst's sentence.
    if 3 <= run <= 6 and run < len(words) and words[run][:1].islower() and words[run - 1][:1].isupper():
        return " ".join(words[: run - 1]), " ".join(words[run - 1 :]), False
    return "", line, False


def _is_title_word(word: str, at: int) -> bool:
    small = {"the", "of", "in", "a", "and", "to", "for", "on", "we're"}
    return word[:1].isupper() or (at > 0 and word in small)


def _article_parts(lines: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Title, body paragraphs and authors; boilerplate, its repetitions and the author note left out."""
    filled = [_SPACES.sub(" ", line).strip() for line in lines]
    filled = [line for line in filled if line]
    title, rest = (filled[0], filled[1:]) if filled else ("", [])
    note = next((found for line in reversed(rest[-3:]) if (found := _AUTHOR_NOTE.match(line))), None)
    body = [line for line in dict.fromkeys(rest) if not _BOILERPLATE.match(line) and not _AUTHOR_NOTE.match(line)]
    return title, body, [note["name"]] if note else []


def _teasers(lines: Sequence[str], kickers: Sequence[str]) -> Iterator[PageTeaser]:
    entry: list[str] = []
    for line in [*lines, "-"]:
        if not _DASH.match(line):
            if line.strip():
                entry.append(_SPACES.sub(" ", line).strip())
            continue
        if entry:
            kicker, standfirst, certain = split_kicker(" ".join(entry[1:]), kickers)
            yield PageTeaser(entry[0], kicker, standfirst, certain or len(entry) == 1)
        entry = []
