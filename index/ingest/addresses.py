"""The web addresses of an article: its URL, those among its aliases, and those that earlier versions had."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from index.article import MAX_LIST_ENTRIES, Article, canonical_url


def is_address(alias: str) -> bool:
    """Whether an alias is a web address and not a former ID."""
    return alias.startswith(("http://", "https://", "/"))


def addresses(url: str, aliases: Iterable[str]) -> set[str]:
    """The addresses that lead to an article with this URL and these aliases, each in its canonical spelling."""
    return {canonical_url(address) for address in (url, *aliases) if is_address(address)}


def former_addresses(article: Article, older: Article, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The addresses of an older version of the article that are none of its own, the newest first.

    `known`: former addresses that were found before.
    """
    own = addresses(article.url, article.aliases)
    former: dict[str, str] = {}
    for former_url in (older.url, *known, *older.aliases):
        if is_address(former_url):
            former.setdefault(canonical_url(former_url), former_url)
    return tuple(url for address, url in former.items() if address not in own)


def with_aliases(article: Article, former: tuple[str, ...]) -> Article:
    """The article with former addresses behind its own aliases, as many as there is room for."""
    return msgspec.structs.replace(article, aliases=(*article.aliases, *former)[:MAX_LIST_ENTRIES])
