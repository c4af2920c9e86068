"""The plain text of a saved article page: title, body, boilerplate, author note, teaser block.

The teaser block is a run of entries, each led by a line that holds only a dash: headline, then kicker
and standfirst run together on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from index.article import Article, InvalidArticle, article_from_record
from index.sources import Input, Rejection, Tally
from index.sources.html_text import without_html
from index.values.word_count import count_words

KNOWN_KICKERS = (
    "Today's Big Question", "In the Spotlight", "Talking Point", "Talking Points", "The Explainer", "Explainer",
    "In Depth", "Under the Radar", "The Big Read", "Long Read", "The Long Read", "Why We're Talking About",
    "Instant Opinion", "Opinion", "Analysis", "Comment", "Editorial", "Profile", "Interview", "Review", "Feature",
    "Features", "Speed Read", "Speed Reads", "Daily Briefing", "The Week Recommends", "Briefing", "Fact Check",
    "Live", "Breaking", "Exclusive", "Investigation", "Special Report", "Obituary", "Podcast", "Video", "Gallery",
    "Quiz", "Letters", "Q&A", "Background", "Timeline",
)  # fmt: skip

MOST_PAGE_BYTES = 8 << 20
MOST_TEASER_LINES = 3  # headline; kicker and standfirst, together or apart
MOST_KICKER_WORDS = 5
MOST_TEASER_HEADLINE = 200  # characters; a longer line is a paragraph
MOST_BOILERPLATE = 220  # characters; a paragraph that only mentions a newsletter is longer
NOTE_LINES = 3  # author notes stand among the last lines before the teasers

_DASH = re.compile(r"^[-–—―−*•·]$")
_FRONT_ID = re.compile(r"^id:\s*(\S.*)$", re.IGNORECASE)
_BOILERPLATE = re.compile(
    r"^(subscribe( to .{1,40})?|sign up (for|to) .*|.*\bnewsletters?\b.*(inbox|sign up|delivered).*"
    r"|.*delivered directly to your inbox.*|.*in your inbox\.?|escape your echo chamber\..*"
    r"|a free daily email with .*|advertisement|read more:?.*)$",
    re.IGNORECASE,
)
_CAPITALISED = r"[^\W\d_a-z][\w.'’-]+"
_PARTICLE = r"(?:(?:van|von|de|der|den|del|della|di|da|du|la|le|al|bin|ten|ter) )"
_AUTHOR_NOTE = re.compile(
    rf"^(?P<name>(?:{_CAPITALISED} ){{1,3}}{_PARTICLE}{{0,2}}{_CAPITALISED}) (?:is|was|has been) (?:an?|[Tt]he)\b"
    r".{0,80}\b(?:editor|writer|reporter|correspondent|columnist|journalist|contributor)\b"
)
_SPACES = re.compile(r"\s+")
_QUOTES = "'\"‘“’”«„"
_SMALL_WORDS = {"the", "of", "in", "a", "and", "to", "for", "on", "we're"}
_ONE_APOSTROPHE = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


class PageTeaser(msgspec.Struct, frozen=True):
    """A teaser of the page's block. `certain`: kicker and standfirst were told apart without guessing."""

    headline: str
    kicker: str
    standfirst: str
    certain: bool


class Page(msgspec.Struct, frozen=True):
    """A parsed page: its article and the teasers of its block."""

    article: Article
    teasers: tuple[PageTeaser, ...]


def read_page(source: Input, _: Tally) -> Iterator[Article | Rejection]:
    """The page's article (its ID is the file's stem unless the page names one), or one rejection; counts nothing."""
    content = source.file.read(MOST_PAGE_BYTES + 1)
    if len(content) > MOST_PAGE_BYTES:
        yield Rejection(source.where, 0, f"the page is longer than {MOST_PAGE_BYTES >> 20} MiB")
        return
    try:
        yield parse_page(content.decode("utf-8-sig"), source.stem).article
    except UnicodeDecodeError as error:
        yield Rejection(source.where, 0, f"not UTF-8: {error.reason} at byte {error.start}")
    except InvalidArticle as error:
        yield Rejection(source.where, 0, str(error))


def parse_page(text: str, page_id: str, kickers: Sequence[str] = KNOWN_KICKERS) -> Page:
    """The article and teasers in a page's text; a first line `id: ...` goes before `page_id`.

    Raises `InvalidArticle` for a page without a title.
    """
    lines = [_SPACES.sub(" ", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if lines and (front := _FRONT_ID.match(lines[0])):
        page_id, lines = front[1], lines[1:]
    article_lines, entries = _apart(lines)
    title, paragraphs, authors = _article_parts(article_lines)
    record = {"id": page_id, "headline": title, "body": "\n\n".join(paragraphs), "authors": authors}
    return Page(article_from_record(without_html(record)[0]), tuple(_teaser(entry, kickers) for entry in entries))


def split_kicker(line: str, kickers: Sequence[str] = KNOWN_KICKERS) -> tuple[str, str, bool]:
    """Kicker, standfirst and whether the cut is certain, of a line on which they run together.

    A known kicker is certain, unless the line goes on in lower case ("Live music returns"). Else the
    typographic cue, never certain: a run of capitalised words, one to five before a quotation that
    opens with a capital, two to five before one more capitalised word and then lower case (of one such
    word "Donald Trump says" would make a kicker). With neither, all is standfirst.
    """
    line = _SPACES.sub(" ", line).strip()
    for kicker in sorted(kickers, key=len, reverse=True):
        rest = line[len(kicker) :]
        standfirst = rest.lstrip(" :|–—-")
        if (
            _plain(line[: len(kicker)]) == _plain(kicker)
            and rest[:1] in ("", " ", ":")
            and not line[0].islower()
            and not standfirst[:1].islower()
        ):
            return line[: len(kicker)], standfirst, True
    return _typographic_cut(line)


def _plain(text: str) -> str:
    return text.translate(_ONE_APOSTROPHE).casefold()


def _typographic_cut(line: str) -> tuple[str, str, bool]:
    words = line.split()
    run = 0
    while run < len(words) and run <= 6 and (words[run][0].isupper() or (run and words[run] in _SMALL_WORDS)):
        run += 1
    cut = 0
    if run < len(words) and run <= 5 and words[run][0] in _QUOTES and words[run][1:2].isupper():
        cut = run
    elif run < len(words) and 3 <= run <= 6 and words[run - 1][0].isupper() and words[run][0].islower():
        cut = run - 1  # the last capitalised word begins the standfirst's sentence
    if cut == 0 or not words[cut - 1][0].isupper():
        return "", line, False
    return " ".join(words[:cut]), " ".join(words[cut:]), False


def _apart(lines: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The article's lines, and the entries of the teaser block at the end.

    A dash amid the text only divides sections: what follows it is too long for a teaser.
    """
    starts = [at for at, line in enumerate(lines) if _DASH.match(line)]
    entries = [list(lines[at + 1 : end]) for at, end in zip(starts, [*starts[1:], len(lines)], strict=False)]
    first = len(entries)
    while first > 0 and _may_be_a_teaser(entries[first - 1]):
        first -= 1
    block = starts[first] if first < len(starts) else len(lines)
    article = [line for line in lines[:block] if not _DASH.match(line)]
    return article, [entry for entry in entries[first:] if entry]


def _may_be_a_teaser(entry: Sequence[str]) -> bool:
    return not entry or (len(entry) <= MOST_TEASER_LINES and len(entry[0]) <= MOST_TEASER_HEADLINE)


def _article_parts(lines: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Title, body paragraphs and authors; boilerplate, doubled lines and author notes left out."""
    title, rest = (lines[0], lines[1:]) if lines else ("", [])
    kept = [line for line, _ in groupby(rest) if not _is_boilerplate(line)]
    notes = {line: match["name"] for line in kept[-NOTE_LINES:] if (match := _AUTHOR_NOTE.match(line))}
    return title, [line for line in kept if line not in notes], list(notes.values())


def _is_boilerplate(line: str) -> bool:
    return len(line) <= MOST_BOILERPLATE and _BOILERPLATE.match(line) is not None


def _teaser(entry: Sequence[str], kickers: Sequence[str]) -> PageTeaser:
    """The teaser in one to three lines; a short line of its own between the others is a certain kicker."""
    headline, *rest = entry
    if not rest:
        return PageTeaser(headline, "", "", True)
    if len(rest) == 2 and count_words(rest[0]) <= MOST_KICKER_WORDS and rest[0][-1] not in ".!?。！？":
        return PageTeaser(headline, rest[0], rest[1], True)
    return PageTeaser(headline, *split_kicker(" ".join(rest), kickers))
