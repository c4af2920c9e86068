"""Looks up the related stories of a text that is no article yet, through the search process."""

from __future__ import annotations

import msgspec

from index.article import article_from_record
from index.snapshot.attributes import NO_FACTS, NO_ROW, Facts
from index.sources.html_text import without_html
from service.archive.view import Archive
from service.recommend.policy import Policy
from service.recommend.query import Query, ranking_context
from service.recommend.ranking import rank
from service.recommend.response import RelatedList, serialize_stories
from service.recommend.retrieval import search_candidates, search_request
from service.search.client import Draft, SearchClient


def related_to_draft(
    archive: Archive, draft: Draft, query: Query, policy: Policy, now: int, search: SearchClient, brand: str = ""
) -> RelatedList:
    """Stories related to a text that counts as published now, best first; no fallback, no explanation.

    `brand`: whose draft it is; "" is a draft of no brand, which all brands' stories may stand under.
    The article that the draft becomes is found too if it is in the archive already: `exclude` it.
    Raises `SearchUnavailable`.
    """
    context = ranking_context(archive, _source(now), query, policy, archive.signals.everywhere(now), now)
    codes = context.codes._replace(brands=archive.brands_shown_by(brand) if brand else None)
    context = msgspec.structs.replace(context, codes=codes)
    request = search_request(archive, query, context, query.published_after)
    candidates = search_candidates(archive, search, msgspec.structs.replace(request, draft=draft))
    return serialize_stories(archive, rank(context, candidates, archive), context, query)


def _source(now: int) -> Facts:
    """The draft as ranking sees it: of now, of no cluster, section or language."""
    return NO_FACTS._replace(published_at=now, visible_from=now, canonical=NO_ROW, event=NO_ROW, storyline=NO_ROW)


def read_draft(body: bytes) -> Draft:
    """The draft in a JSON body, as plain text. Raises msgspec.DecodeError and its kinds, `InvalidArticle`."""
    draft = msgspec.structs.asdict(msgspec.json.decode(body, type=Draft))
    text, _ = without_html(draft)
    article_from_record({"id": "draft", **text})  # its lengths and characters are allowed
    return Draft(**{name: text[name] for name in draft})
