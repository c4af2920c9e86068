"""Plant copies of real articles: what agencies, partners and correction desks do to a text.

Three kinds of edits, each drawn anew for every copy; used to learn and to test what a duplicate is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import msgspec

from index.article import Article

DAY = 86_400
KINDS = ("shortened", "reworded", "framed")

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_NUMBER = re.compile(r"\d+")
_BOILERPLATE = (
    "Sign up for our morning briefing and get the day's most important stories in your inbox.",
    "This article was first published by our partner and appears here with permission.",
    "Read more: our full coverage of this topic, with background, pictures and reactions.",
    "Have you been affected by this? Write to the newsroom, or call us in confidence.",
    "Follow us for breaking news. Support independent local journalism with a subscription.",
    "Editor's note: a previous version of this article has been amended for length and clarity.",
)
_INTRODUCTIONS = (
    "The news reached our newsroom this morning, and readers have been asking what it means for them.",
    "Here is what we know so far, what is still open, and why it matters to people in our region.",
    "It has been a subject of much talk in recent weeks. Now there are details, which we publish in full.",
)


def planted_copy(article: Article, kind: str, seed: int) -> Article:
    """A copy of `article` with edits of one of `KINDS`, dated within three days of it, ID `copy/KIND/ID`."""
    rng = random.Random(f"{kind}/{seed}/{article.id}")
    edit: Callable[[Article, random.Random], Article] = {
        "shortened": _shortened,
        "reworded": _reworded,
        "framed": _framed,
    }[kind]
    date = article.published_at
    return msgspec.structs.replace(
        edit(article, rng),
        id=f"copy/{kind}/{article.id}",
        url="",
        aliases=(),
        authors=("Agency",),
        published_at=None if date is None else date + rng.randint(-3 * DAY, 3 * DAY),
    )


def planted_round_up(articles: Sequence[Article], seed: int) -> Article:
    """An article that quotes the opening half of each of `articles`: no copy of any of them."""
    parts = [f"{article.headline}\n\n{_opening(article.body, 0.5)}" for article in articles]
    return Article(
        id=f"round-up/{seed}/{articles[0].id}",
        headline="The week in brief",
        body="\n\n".join(parts),
        language=articles[0].language,
        published_at=max((article.published_at or 0 for article in articles), default=0) or None,
    )


def _shortened(article: Article, rng: random.Random) -> Article:
    """The opening 40-80% of the body; sometimes without the standfirst."""
    standfirst = "" if rng.random() < 0.5 else article.standfirst
    return msgspec.structs.replace(article, body=_opening(article.body, rng.uniform(0.4, 0.8)), standfirst=standfirst)


def _reworded(article: Article, rng: random.Random) -> Article:
    """Words changed in 20-50% of the sentences, a third of the numbers corrected, a new headline."""
    share = rng.uniform(0.2, 0.5)
    vocabulary = article.body.split()
    lines = [
        " ".join(
            _other_words(sentence, vocabulary, rng) if rng.random() < share else sentence
            for sentence in _SENTENCE.split(line)
        )
        for line in article.body.split("\n")
    ]
    body = _NUMBER.sub(lambda found: _corrected(found[0], rng), "\n".join(lines))
    return msgspec.structs.replace(article, body=body, headline=_new_headline(article, rng), standfirst="")


def _framed(article: Article, rng: random.Random) -> Article:
    """A new introduction and headline, boilerplate between the paragraphs, a third of the paragraphs moved."""
    paragraphs = [line for line in article.body.split("\n") if line.strip()]
    for _ in range(max(1, len(paragraphs) // 3)):
        paragraphs.insert(rng.randrange(len(paragraphs)), paragraphs.pop(rng.randrange(len(paragraphs))))
    for line in rng.sample(_BOILERPLATE, rng.randint(1, 3)):
        paragraphs.insert(rng.randint(0, len(paragraphs)), line)
    body = "\n\n".join([rng.choice(_INTRODUCTIONS), *paragraphs])
    return msgspec.structs.replace(article, body=body, headline=_new_headline(article, rng))


def _opening(body: str, share: float) -> str:
    """The first sentences that make up at least this share of the words."""
    wanted = share * len(body.split())
    kept, words = [], 0
    for line in body.split("\n"):
        sentences = []
        for sentence in _SENTENCE.split(line):
            if words < wanted:
                sentences.append(sentence)
                words += len(sentence.split())
        kept.append(" ".join(sentences))
    return "\n".join(kept).strip()


def _other_words(sentence: str, vocabulary: Sequence[str], rng: random.Random) -> str:
    """One word in five replaced, left out or followed by another one."""
    words = []
    for word in sentence.split():
        chance = rng.random()
        if chance >= 0.2:
            words.append(word)
        elif chance >= 0.1:
            words.append(rng.choice(vocabulary))
        elif chance >= 0.05:
            words.extend((word, rng.choice(vocabulary)))
    return " ".join(words)


def _corrected(number: str, rng: random.Random) -> str:
    return str(int(number[:9]) + rng.randint(1, 9)) if rng.random() < 1 / 3 else number


def _new_headline(article: Article, rng: random.Random) -> str:
    """Some words of the old headline among some of a sentence of the body."""
    sentence = rng.choice([s for s in _SENTENCE.split(article.body) if len(s.split()) >= 4] or [article.headline])
    return " ".join([*article.headline.split()[:2], *sentence.split()[:6]])[:200]
