"""Whether two records with one ID belong to different articles: the exports of two sites may number posts alike."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from index.article import Article
from index.ingest.addresses import addresses
from index.sources import Rejection, Withdrawal

_SAME_SITE = re.compile(r"^(?:(?:www|m|mobile|amp)\.)+(?=[^.]+\.)")


def clash(known: Article, record: Article | Withdrawal, *, may_have_moved: bool) -> Rejection | None:
    """The rejection of a record that `clashes` with the known article of its ID; None where it does not."""
    if isinstance(record, Withdrawal):
        article = Article(id=record.id, headline="", url=record.url, brand=record.brand)
        where, line = record.where, record.line
    else:
        article, where, line = record, record.url or record.headline, 0
    if not clashes(known, article, may_have_moved=may_have_moved):
        return None
    return Rejection(where, line, clash_reason(known, article))


def clashes(known: Article, record: Article, *, may_have_moved: bool) -> bool:
    """Whether a record of the same ID is of another article than the known one.

    It is when both name a host, or both a brand, and these differ, unless the two share an address (a URL or a
    declared alias). `may_have_moved`: a record with the headline and the date of publication of the known article is
    that article on another host, as after a change of domain.
    """
    if not (_differ(_site(known.url), _site(record.url)) or _differ(known.brand, record.brand)):
        return False
    if _absolute(known) & _absolute(record):
        return False
    return not (may_have_moved and _identity(known) == _identity(record))


def clash_reason(known: Article, record: Article) -> str:
    """What the rejection of a record that `clashes` says."""
    return (
        f"id: {record.id[:200]!r} is already the ID of {_called(known)}, and this is {_called(record)}: give each "
        "source a prefix (--id-prefix), or if the article has moved, declare its old address as an alias"
    )


def alias_clash_reason(alias: str, known: Article, record: Article) -> str | None:
    """Why the record may not take over the known article that has its alias as an ID; None where it may.

    The rule is that of `clashes`. An alias is declared on purpose, so the known article may always have moved.
    """
    if not clashes(known, record, may_have_moved=True):
        return None
    return (
        f"aliases: {alias[:200]!r} is the ID of {_called(known)}, and this is {_called(record)}: give each source a "
        "prefix (--id-prefix), or if the article has moved, declare its old address as an alias, too"
    )


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one.casefold() != other.casefold()


def _site(url: str) -> str:
    """The host without the parts that name a variant of one site; "" where the URL names none."""
    try:
        return _SAME_SITE.sub("", urlsplit(url).hostname or "")
    except ValueError:
        return ""


def _absolute(article: Article) -> set[str]:
    return {address for address in addresses(article.url, article.aliases) if not address.startswith("/")}


def _identity(article: Article) -> tuple[str, int | None]:
    return article.headline, article.published_at


def _called(article: Article) -> str:
    name = article.url or (repr(article.headline[:80]) if article.headline else "an article")
    return f"{name} of {article.brand!r}" if article.brand else name
