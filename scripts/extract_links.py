"""Find the links that editors placed in articles and that lead to other articles of the same archive.

    python scripts/extract_links.py --source RAW.jsonl.gz --out LINKS.tsv [--field body_html ...]

Reads raw JSON lines, before anything is cleaned, and looks in the named fields; without --field in every
field whose name contains body, content, html or text, and in `links`. Finds HTML anchors, Markdown links and
bare URLs. A link counts when its URL, or an alias of the article, is known; http and https, with and without
www, are the same. Writes article_id, related_id, grade (1) and anchor_text, ready for scripts/evaluate.py.

Exit codes: 0 written, 2 usage, a --field that no record has, or a source without a single link to another of its
articles, 74 I/O failure.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec
from source_options import add_sources_option, parse_sources
from tqdm import tqdm

from index.article import InvalidArticle, article_id, canonical_url
from index.sources.fields import our_names
from index.values.urls import page_address
from service.evaluation.relevance.link_extraction import Anchor, anchors

FIELD_WORDS = ("body", "content", "html", "text")
MOST_NAMES = 40  # fields that an error lists
COLUMNS = ("article_id", "related_id", "grade", "anchor_text")


class Record(NamedTuple):
    """An article as far as it matters here: its ID, URL, aliases and the links in it."""

    id: str
    url: str
    aliases: tuple[str, ...]
    links: tuple[Anchor, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parse_sources(_parser(), arguments)
    counts: Counter[str] = Counter()
    names: Counter[str] = Counter()
    try:
        lines = ((line, prefix) for name, prefix in options.source for line in _lines(Path(name)))
        records = [*_records(tqdm(lines, "read", disable=options.quiet), options.field, counts, names)]
        if missing := [name for name in options.field if name not in names]:
            print(f"error: no record has the field {missing[0]!r}; {_fields(names)}", file=sys.stderr)
            return 2
        links = _internal(records, counts)
        if links:
            _write(options.out, links)
    except (OSError, EOFError) as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    print(_summary(records, links, counts))
    if not links:
        print(
            f"error: no link leads to another article of the source; {_fields(names)}: see --field", file=sys.stderr
        )
        return 2
    return 0


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        yield from file


def _fields(names: Counter[str]) -> str:
    """The fields of the records, the commonest first."""
    return f"fields found: {', '.join(name for name, _ in names.most_common(MOST_NAMES)) or 'none'}"


def _records(
    lines: Iterable[tuple[bytes, str]], fields: Sequence[str], counts: Counter[str], names: Counter[str]
) -> Iterator[Record]:
    for line, prefix in lines:
        if not line.strip():
            continue
        try:
            raw = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
            names.update(raw.keys())
            yield _record(raw, fields, prefix)
        except (InvalidArticle, msgspec.MsgspecError, UnicodeDecodeError):
            counts["unreadable"] += 1


def _record(raw: Mapping[str, Any], fields: Sequence[str], prefix: str) -> Record:
    ours = our_names(raw)
    aliases = [ours.get("aliases", ())] if isinstance(ours.get("aliases"), str) else ours.get("aliases", ())
    texts = [text for name, value in raw.items() if _is_body(name, fields) for text in _texts(value)]
    found = [link for text in texts for link in anchors(text)]
    return Record(
        article_id(f"{prefix}{article_id(ours.get('id'))}"),
        str(ours.get("url", "")),
        tuple(map(str, aliases)),
        (*found, *([] if fields else _declared(ours.get("links")))),
    )


def _is_body(name: str, fields: Sequence[str]) -> bool:
    return name in fields if fields else any(word in name.lower() for word in FIELD_WORDS)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, also in an object such as {"rendered": "<p>..."} or a list of blocks."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _declared(links: Any) -> Iterator[Anchor]:
    """The links of our own format: URLs, or objects with url and text."""
    for each in links if isinstance(links, list) else ():
        link = {"url": each} if isinstance(each, str) else each
        if isinstance(link, dict) and isinstance(link.get("url"), str):
            yield Anchor(link["url"], " ".join(str(link.get("text") or "").split()))


def _internal(records: Sequence[Record], counts: Counter[str]) -> dict[tuple[str, str], str]:
    """(article, linked article) -> text of the first such link."""
    known = _known(records)
    hosts = {key.split("/")[0] for key in known} - {""}
    found: dict[tuple[str, str], str] = {}
    for record in records:
        for link in record.links:
            counts["links"] += 1
            exact, page = _keys(link.url, record.url)
            target = known.get(exact, known.get(page))
            kind = _kind(target, record.id, exact.split("/")[0] in hosts | {""})
            counts[kind] += 1
            if kind == "internal" and target is not None:
                found.setdefault((record.id, target), link.text)
    return found


def _kind(other: str | None, own: str, own_site: bool) -> str:
    if other is None:
        return "unknown" if own_site else "external"
    return "self" if other == own else "internal"


def _known(records: Sequence[Record]) -> dict[str, str]:
    """Article IDs by URL; a URL wins over another article's alias, both over what is only another spelling."""
    aliases = [
        (_keys(alias, record.url), record.id) for record in records for alias in record.aliases if "/" in alias
    ]
    urls = [(_keys(record.url, ""), record.id) for record in records if record.url]
    pages = {page: identifier for (_, page), identifier in (*aliases, *urls)}
    return pages | {exact: identifier for (exact, _), identifier in (*aliases, *urls)}


def _keys(url: str, base: str) -> tuple[str, str]:
    """Of a URL, resolved against the article's own, and of its page's address: the host without www and the path."""
    try:
        full = canonical_url(urljoin(base, url.strip()))
        host = urlsplit(full).netloc
    except ValueError:
        return url, url
    if not host:
        return full, page_address(full)
    exact, page = (each.partition("://")[2].removeprefix("www.") for each in (full, page_address(full)))
    return exact, page


def _write(path: Path, links: Mapping[tuple[str, str], str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(COLUMNS)
        writer.writerows((one, other, 1, text) for (one, other), text in sorted(links.items()))


def _summary(records: Sequence[Record], links: Mapping[tuple[str, str], str], counts: Counter[str]) -> str:
    return (
        f"{len(records):,} articles ({counts['unreadable']:,} lines unreadable), {counts['links']:,} links seen: "
        f"{counts['internal']:,} to other articles, {counts['self']:,} to the article itself, "
        f"{counts['unknown']:,} to unknown pages of the same site, {counts['external']:,} elsewhere\n"
        f"{len(links):,} different pairs from {len({one for one, _ in links}):,} articles"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add_sources_option(parser, "raw JSON lines", required=True)
    add("--out", type=Path, required=True, metavar="TSV")
    add("--field", action="append", default=[], metavar="NAME", help="a raw field to look in; repeatable")
    add("--quiet", action="store_true", help="no progress bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
