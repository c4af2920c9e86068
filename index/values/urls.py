"""Addresses made absolute, and which spellings of one lead to the same page: escapes, http, www., AMP, campaign tags.

IDs are made by `index.article.canonical_url`, which unifies less and never changes: an address is looked up as it is
first, and by these spellings only where no article has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

_LINE_ENDS = re.compile(r"[\t\r\n]")
_WEB = re.compile("https?://", re.IGNORECASE)
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3
# Query parameters that name a campaign, a click or a visitor. Those that `canonical_url` drops are not repeated.
_CAMPAIGN = re.compile(
    r"(?:gclsrc|dclid|gbraid|wbraid|gad_source|gad_campaignid|srsltid|msclkid|yclid|ysclid|twclid|ttclid|li_fat_id"
    r"|igshid|igsh|epik|rdt_cid|sccid|mkt_tok|_ga|_gl|_hsenc|_hsmi|__hs[a-z]+|hsctatracking|vero_id|vero_conv"
    r"|wickedid|oly_anon_id|oly_enc_id|fb_action_ids|fb_action_types|fb_source|fb_ref|__twitter_impression"
    r"|at_(?:medium|campaign|campaign_type|format|creation|channel|ptr_name|bbc_team|link_\w+|custom\d)"
    r"|ns_(?:campaign|mchannel|source|linkname|fee)|(?:pk|piwik|mtm|matomo)_(?:campaign|kwd|keyword|source|medium"
    r"|content|cid|group|placement)|cmpid|ocid|ncid|s_cid|xtor|amp_js_v|amp_gsa|amp_ct|usqp)",
    re.IGNORECASE,
)
_AMP_VALUES = ("", "1", "true")

MOST_URL_CHARS = 2_000


def absolute_url(url: str, base: str) -> str:
    """The http(s) URL that a reference means on the page `base`, spaces escaped; "" where it means none.

    A reference without a scheme ("//host/...") is https.
    """
    reference = _LINE_ENDS.sub("", url.strip()).replace(" ", "%20")
    reference = f"https:{reference}" if reference.startswith("//") else reference
    try:
        absolute = reference if _WEB.match(reference) or not reference else urljoin(base, reference)
        usable = urlsplit(absolute).scheme in ("http", "https") and urlsplit(absolute).hostname
    except ValueError:
        return ""
    return absolute if usable and len(absolute) <= MOST_URL_CHARS else ""


def page_address(canonical: str) -> str:
    """The address of the page behind a canonical URL: what RFC 3986 calls equal is equal, no AMP, no campaign tags.

    Scheme and host stay, but for a host's `amp.`: see `other_spellings`.
    """
    lowered = canonical.lower()
    if "?" not in lowered and "%" not in lowered and "amp" not in lowered:
        return canonical
    try:
        parts = urlsplit(canonical)
    except ValueError:
        return canonical
    host = parts.netloc.removeprefix("amp.") if parts.netloc.count(".") > 1 else parts.netloc
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if _tells(name, value)]
    path = _without_amp(_ESCAPE.sub(_normal_escape, parts.path))
    return urlunsplit((parts.scheme, host, path, urlencode(query), ""))


def other_spellings(canonical: str) -> Iterator[str]:
    """Canonical URLs and page addresses under which the page of a canonical URL may be known, the likeliest first."""
    address = page_address(canonical)
    scheme, separator, rest = address.partition("//")
    if not separator:
        hosts = [address]
    else:
        bare = rest.removeprefix("www.")
        hosts = [f"{prefix}//{name}" for prefix in _schemes(scheme) for name in (rest, _other_host(rest, bare))]
    for spelling in hosts:
        if spelling != canonical:
            yield spelling
    for spelling in hosts:  # as WordPress writes escapes, and as earlier snapshots hold them
        lowered = _ESCAPE.sub(lambda escape: escape[0].lower(), spelling)
        if lowered not in (spelling, canonical):
            yield lowered


def _schemes(scheme: str) -> tuple[str, ...]:
    return {"http:": ("http:", "https:"), "https:": ("https:", "http:"), "": ("https:", "http:")}.get(
        scheme, (scheme,)
    )


def _other_host(rest: str, bare: str) -> str:
    return f"www.{rest}" if rest == bare else bare


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _tells(name: str, value: str) -> bool:
    """Whether a query parameter can tell one page from another."""
    if name.lower() == "amp":
        return value.lower() not in _AMP_VALUES
    if name.lower() == "outputtype":
        return value.lower() != "amp"
    return not _CAMPAIGN.fullmatch(name)


def _without_amp(path: str) -> str:
    """The path without `amp` as its first or last segment or as its ending; "/amp" alone is a page."""
    if path.lower().endswith("/amp"):
        return path[:-4] or path
    if path.lower().startswith("/amp/"):
        return path[4:]
    stem, dot, ending = path.rpartition(".")
    if dot and ending.lower() == "amp":
        return stem
    if dot and ending.lower() in ("html", "htm", "php") and stem.lower().endswith(".amp"):
        return f"{stem[:-4]}.{ending}"
    return path
