"""Measure how well saved pages are understood, against their truth, beside trafilatura alone and JSON-LD alone.

    python scripts/training/measure_extraction.py --pages DIR [--worst 10] [--out pages.tsv]

DIR holds manifest.jsonl (file, publisher), ground_truth.jsonl (title, authors, published, standfirst, body; one line
a page, in the manifest's order) and the pages, plain or gzip. Title and date: share of pages that are right, a title
apart from the form of quotation marks and spaces (also with its kicker before it, where the truth runs the two
together), a date to the day in the truth's zone. Authors: mean F1 of names.
Standfirst and body: F1 of words (of characters where a script has no spaces), over pages whose truth has one.

Pages of every third publisher (by a checksum of its name) were held out: rules were chosen without looking at them.
Exit codes: 0 written, 2 usage or unreadable truth.
"""

from __future__ import annotations

import argparse
import gzip
import re
import statistics
import sys
import time
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from index.article import Article, InvalidArticle, article_from_record
from index.sources.bylines import author_names
from index.sources.headline import folded
from index.sources.html_page import page_node, page_record
from index.sources.json_ld import text_of, texts_of
from index.sources.page_tree import page_tree

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+")
MEASURES = ("title", "date", "authors", "standfirst", "body")


class Page(msgspec.Struct):
    """A page with its truth."""

    file: str
    publisher: str
    content: bytes
    truth: dict[str, Any]

    @property
    def held_out(self) -> bool:
        """Whether rules were chosen without it."""
        return zlib.crc32(self.publisher.encode()) % 3 == 0


Fields = dict[str, Any]  # title, published, authors, standfirst, body


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        pages = list(_pages(options.pages))
    except (OSError, KeyError, msgspec.MsgspecError) as error:
        print(f"error: {options.pages}: {error}", file=sys.stderr)
        return 2
    started = time.process_time()
    scores = {"ours": [_scored(page, _ours) for page in pages]}
    spent = time.process_time() - started
    scores |= {name: [_scored(page, read) for page in pages] for name, read in OTHERS.items()}
    print(_table(pages, scores))
    print(f"ours: {len(pages) / spent:.1f} pages a second of one processor")
    ours = scores["ours"]
    if options.worst:
        print(_worst(pages, ours, options.worst))
    if options.out:
        rows = (
            "\t".join([page.file, *(f"{each[m]:.4f}" if m in each else "" for m in MEASURES)])
            for page, each in zip(pages, ours, strict=True)
        )
        options.out.write_text("\n".join(["\t".join(("file", *MEASURES)), *rows]) + "\n", "utf-8")
    return 0


def _pages(folder: Path) -> Iterator[Page]:
    manifest = (folder / "manifest.jsonl").read_bytes().splitlines()
    truth = (folder / "ground_truth.jsonl").read_bytes().splitlines()
    for entry, known in zip(map(msgspec.json.decode, manifest), map(msgspec.json.decode, truth), strict=True):
        raw = (folder / entry["file"]).read_bytes()
        yield Page(entry["file"], entry["publisher"], gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw, known)


def _ours(page: Page) -> Fields:
    article = _article(page)
    if article is None:
        return {}
    return {
        "title": article.headline,
        "kicker": article.kicker,
        "published": article.published_at,
        "authors": article.authors,
        "standfirst": article.standfirst,
        "body": article.body,
    }


def _article(page: Page) -> Article | None:
    try:
        return article_from_record(page_record(page.content, page.file))
    except InvalidArticle:
        return None


def _trafilatura(page: Page) -> Fields:
    import trafilatura

    found = trafilatura.bare_extraction(page.content, with_metadata=True, include_comments=False)
    if found is None:
        return {}
    return {
        "title": found.title or "",
        "published": _seconds(found.date or ""),
        "authors": (found.author or "").split("; "),
        "standfirst": found.description or "",
        "body": found.text or "",
    }


def _json_ld(page: Page) -> Fields:
    node = page_node(page_tree(page.content))
    author = node.get("author")
    return {
        "title": text_of(node.get("headline")),
        "published": _seconds(text_of(node.get("datePublished"))),
        "authors": author_names([author] if isinstance(author, str) else texts_of(author)),
        "standfirst": text_of(node.get("description")),
        "body": text_of(node.get("articleBody")),
    }


OTHERS: dict[str, Callable[[Page], Fields]] = {"trafilatura alone": _trafilatura, "JSON-LD alone": _json_ld}


def _scored(page: Page, read: Callable[[Page], Fields]) -> dict[str, float]:
    """Each measure of a page whose truth has the field."""
    found, truth = read(page), page.truth
    scores = {"title": float(_same_title(found, truth["title"]))}
    if truth["published"]:
        scores["date"] = float(_same_day(found.get("published"), truth["published"]))
    if truth["authors"]:
        scores["authors"] = _f1(_names(found.get("authors", ())), _names(truth["authors"]))
    for name in ("standfirst", "body"):
        if truth[name]:
            scores[name] = _f1(_words(found.get(name, "")), _words(truth[name]))
    return scores


def _same_title(found: Fields, truth: str) -> bool:
    title = found.get("title", "")
    return folded(title) == folded(truth) or _words(f"{found.get('kicker', '')} {title}") == _words(truth)


def _same_day(seconds: int | None, truth: str) -> bool:
    if seconds is None:
        return False
    known = datetime.fromisoformat(truth)
    zone = known.tzinfo or UTC
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone).date() == known.date()


def _seconds(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _names(names: Iterable[str]) -> Counter[str]:
    return Counter(folded(name) for name in names if name)


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", text.replace("\u00ad", "")).casefold()))


def _f1(found: Counter[str], truth: Counter[str]) -> float:
    same = (found & truth).total()
    return 2 * same / (found.total() + truth.total()) if same else 0.0


def _table(pages: Sequence[Page], scores: dict[str, list[dict[str, float]]]) -> str:
    held_out = [page.held_out for page in pages]
    lines = [
        f"{len(pages)} pages of {len({page.publisher for page in pages})} publishers",
        "| | title | date | authors F1 | standfirst F1 | body F1 median | mean |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in scores.items():
        lines.append(_row(name, each))
    lines.append(
        _row(
            f"ours, {sum(held_out)} pages held out",
            [score for score, out in zip(scores["ours"], held_out, strict=True) if out],
        )
    )
    return "\n".join(lines)


def _row(name: str, scores: Sequence[dict[str, float]]) -> str:
    values = {m: [score[m] for score in scores if m in score] for m in MEASURES}
    figures = [statistics.mean(values[m]) for m in MEASURES[:4]]
    figures += [statistics.median(values["body"]), statistics.mean(values["body"])]
    return f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |"


def _worst(pages: Sequence[Page], scores: Sequence[dict[str, float]], many: int) -> str:
    """The pages that cost most, by measure; of those held out none, so that they stay unseen."""
    lines = []
    for measure in MEASURES:
        known = [
            (each[measure], page.file)
            for page, each in zip(pages, scores, strict=True)
            if measure in each and not page.held_out
        ]
        lines += [f"{measure} {score:.2f} {file}" for score, file in sorted(known)[:many] if score < 1]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--pages", type=Path, required=True, metavar="DIR")
    add("--worst", type=int, default=0, metavar="N", help="name the N worst pages of each measure")
    add("--out", type=Path, metavar="TSV", help="write every page's figures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
