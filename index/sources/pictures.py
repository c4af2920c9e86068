"""The picture of a page: the first usable address of meta tags, JSON-LD, link tags and the article's own pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from urllib.parse import urljoin

from index.sources.json_ld import Node, urls_of
from index.sources.page_head import line, visible
from index.sources.page_tree import Tree
from index.values.urls import absolute_url

MOST_PICTURES = 200  # looked at in an article
LEAST_TEXT = 250  # characters; an <article> without a headline and with less text is a teaser
LEAST_SIDE = 100  # pixels; smaller pictures are icons and counters

_FIRST_METAS = ("og:image", "og:image:url", "og:image:secure_url")
_LATER_METAS = ("twitter:image", "twitter:image:src", "image", "thumbnailurl", "parsely-image-url",
                "sailthru.image.full")  # fmt: skip
_ALT_METAS = ("og:image:alt", "twitter:image:alt")
_LAZY = ("data-src", "data-lazy-src", "data-original", "data-srcset", "data-lazy-srcset")
_PLAIN = ("src", "srcset")
_ASIDE = frozenset({"aside", "nav", "footer", "button"})
_DECORATION = re.compile(
    r"(?:^|[\W_])(?:icons?|logos?|avatars?|gravatar|authors?|bylines?|sprites?|emojis?|badges?|share|sharing|social"
    r"|related|recommend\w*|promo|newsletter|advert\w*|ads?|sponsor\w*|pixel|track(?:er|ing)|spacer|blank|placeholder"
    r"|comments?|teasers?)(?:$|[\W_])",
    re.IGNORECASE,
)
_NO_PHOTO = re.compile(
    r"(?:^|[\W_])(?:icons?|logos?|favicon|avatars?|gravatar|sprites?|emojis?|pixel|tracking|spacer|blank|placeholder"
    r"|transparent|1x1|loading)(?:$|[\W_])|\.svg(?:$|\?)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r",\s|(?<=\d[wxh]),")  # candidates of a srcset, whose addresses may hold commas
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,3})?")
_PIXELS = re.compile(r"\s*(\d{1,6})(?:px)?\s*$")


def page_picture(tree: Tree, node: Node, base: str) -> dict[str, str] | None:
    """The address and alternative text of the page's picture; None for none. `base`: the page's address."""
    base = _base_of(tree, base)
    metas = list(_metas(tree))
    stated = chain(
        _contents(metas, _FIRST_METAS),
        urls_of(node.get("image")),
        _contents(metas, _LATER_METAS),
        _linked(tree),
        urls_of(node.get("thumbnailUrl")),
    )
    if url := _first_usable(stated, base):
        return {
            "url": url,
            "alt": next((text[:500] for content in _contents(metas, _ALT_METAS) if (text := line(content))), ""),
        }
    for image in _own_images(tree):
        if url := _first_usable((source for source in _sources(image) if not _NO_PHOTO.search(source)), base):
            return {"url": url, "alt": line(image.get("alt") or "")[:500]}
    return None


def _first_usable(urls: Iterable[str], base: str) -> str:
    return next((url for candidate in urls if (url := absolute_url(candidate, base))), "")


def _base_of(tree: Tree, address: str) -> str:
    """What relative addresses of the page are relative to."""
    declared: str = next((href for base in tree.iter("base") if (href := base.get("href"))), "")
    try:
        return urljoin(address, declared.strip())
    except ValueError:
        return address


def _metas(tree: Tree) -> Iterator[tuple[str, str]]:
    """Lower-case name and content of each meta tag, in their order."""
    for element in tree.iter("meta"):
        for name in (element.get("property"), element.get("name"), element.get("itemprop")):
            if name:
                yield name.strip().lower(), element.get("content") or ""


def _contents(metas: list[tuple[str, str]], names: tuple[str, ...]) -> Iterator[str]:
    """Contents of metas with one of these names, by name, then in their order."""
    return (content for wanted in names for name, content in metas if name == wanted)


def _linked(tree: Tree) -> Iterator[str]:
    for element in tree.iter("link"):
        names = {*(element.get("rel") or "").lower().split(), (element.get("itemprop") or "").lower()}
        if names & {"image_src", "image", "thumbnailurl"}:
            yield element.get("href") or ""


def _own_images(tree: Tree) -> Iterator[Tree]:
    """Pictures in the article's text, without icons, portraits, advertisements and counters."""
    for scope in _scopes(tree):
        for image in islice(scope.iter("img", "amp-img"), MOST_PICTURES):
            if not _is_decoration(image, scope):
                yield image


def _scopes(tree: Tree) -> Iterator[Tree]:
    """Elements that hold the article: those marked as its text, then those with a headline or enough text."""
    yield from tree.iterfind(".//*[@itemprop='articleBody']")
    for element in tree.iter("article", "main"):
        if next(element.iter("h1"), None) is not None or len(visible(element)) >= LEAST_TEXT:
            yield element


def _is_decoration(image: Tree, scope: Tree) -> bool:
    sides = [int(pixels[1]) for name in ("width", "height") if (pixels := _PIXELS.match(image.get(name) or ""))]
    if any(side < LEAST_SIDE for side in sides):
        return True
    ancestors = list(image.iterancestors())
    inside = ancestors[: ancestors.index(scope)] if scope in ancestors else []
    marks = (
        mark
        for element in (image, *inside)
        for mark in (element.get("class"), element.get("id"), element.get("rel"))
        if mark
    )
    return any(ancestor.tag in _ASIDE for ancestor in ancestors) or _DECORATION.search(" ".join(marks)) is not None


def _sources(image: Tree) -> Iterator[str]:
    """Addresses of a picture: those that a script loads later first, for `src` may be a placeholder then."""
    elements = [image, *(source for picture in image.iterancestors("picture") for source in picture.iter("source"))]
    for names in (_LAZY, _PLAIN):
        for element in elements:
            for name in names:
                value = element.get(name) or ""
                yield _largest(value) if name.endswith("srcset") else value


def _largest(srcset: str) -> str:
    """The address of the largest picture in a `srcset`, of equals the first."""
    sizes: dict[str, float] = {}
    for candidate in _BETWEEN.split(srcset):
        url, _, size = candidate.strip(", \n\t").partition(" ")
        number = size.strip()[:-1]
        sizes.setdefault(url, float(number) if _NUMBER.fullmatch(number) else 0)
    return max(sizes, key=sizes.__getitem__, default="")
