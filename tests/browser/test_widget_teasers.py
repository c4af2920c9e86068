"""Real teasers of more than forty languages, right-to-left ones among them: none leaves its place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from itertools import groupby, product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from index.article import Article, article_from_record
from index.publishing.store import Store
from scripts.tools.browser import chain
from service.widget.stories import RIGHT_TO_LEFT

# The language of each BBC service of the shared data.
LANGUAGES = {
    "afaanoromoo": "om", "afrique": "fr", "amharic": "am", "arabic": "ar", "azeri": "az", "bengali": "bn",
    "burmese": "my", "cymrufyw": "cy", "gahuza": "rw", "gujarati": "gu", "hausa": "ha", "hindi": "hi", "igbo": "ig",
    "indonesia": "id", "japanese": "ja", "korean": "ko", "kyrgyz": "ky", "marathi": "mr", "mundo": "es",
    "naidheachdan": "gd", "nepali": "ne", "news": "en", "pashto": "ps", "persian": "fa", "pidgin": "pcm",
    "portuguese": "pt", "punjabi": "pa", "russian": "ru", "serbian": "sr", "sinhala": "si", "somali": "so",
    "swahili": "sw", "tamil": "ta", "telugu": "te", "thai": "th", "tigrinya": "ti", "turkce": "tr", "ukchina": "zh",
    "ukrainian": "uk", "urdu": "ur", "uzbek": "uz", "vietnamese": "vi", "yoruba": "yo", "zhongwen": "zh",
}  # fmt: skip
PER_LIST = 50
HEADINGS = {"ar": "مواضيع ذات صلة", "fa": "مطالب مرتبط", "ur": "متعلقہ خبریں"}
LAY_OUT = """layout => {
    for (const each of document.querySelectorAll('related-stories'))
        each.shadowRoot.querySelector('section').dataset.layout = layout;
}"""
RUNS = """() => [...document.querySelectorAll('related-stories')].flatMap(block =>
    [...block.shadowRoot.querySelectorAll('li')].map(each =>
        [each.lang, getComputedStyle(each).direction, each.querySelector('time').textContent]))"""
# Whatever stands out of its list sideways, or out of its own teaser below; and how many headlines were cut.
JUDGE = """() => {
    const out = [], roots = [...document.querySelectorAll('related-stories')].map(each => each.shadowRoot);
    let stories = 0, cut = 0;
    for (const story of roots.flatMap(root => [...root.querySelectorAll('li')])) {
        const place = story.getBoundingClientRect(), list = story.parentElement.getBoundingClientRect();
        stories += 1;
        if (place.left < list.left - 1 || place.right > list.right + 1) out.push(story.textContent);
        for (const each of story.querySelectorAll('.picture, .words, h3, p')) {
            const box = each.getBoundingClientRect();
            if (!box.width) continue;
            const leaves = box.left < place.left - 1 || box.right > place.right + 1 || box.bottom > place.bottom + 1;
            // A closing bracket of Chinese or Japanese may hang by its empty half.
            const inside = each.clientWidth + parseFloat(getComputedStyle(each).fontSize) / 2;
            if (leaves || each.scrollWidth > inside) out.push(`${each.className}: ${each.textContent}`);
        }
        const headline = story.querySelector('h3');
        cut += headline.scrollHeight > headline.clientHeight + headline.clientHeight / 8;
    }
    const wide = document.documentElement.scrollWidth > innerWidth;
    return {out, stories, cut, wide};
}"""


def _records(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "teasers" / "bbc_world_service.jsonl.gz", "rt", encoding="utf-8") as file:
        bbc = [json.loads(line) | {"language": ""} for line in file]
    for each in bbc:
        each["language"] = LANGUAGES[each["service"]]
    guardian = [json.loads(line) for line in (folder / "teasers" / "guardian.jsonl").read_text("utf-8").splitlines()]
    return sorted([*bbc, *(each | {"language": "en"} for each in guardian)], key=lambda each: str(each["language"]))


def _article(number: int, record: dict[str, Any]) -> Article:
    texts = {name: record.get(name) or "" for name in ("kicker", "standfirst")}
    image = {"url": "/media/flood-defence.svg", "alt": ""} if number % 3 else None
    return article_from_record(
        {"id": str(number), "url": f"https://x.example/{number}", "headline": record["title"], "image": image}
        | {"language": record["language"]}
        | texts
    )


@pytest.fixture(scope="module")
def archive(serve: Any, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, str]]:
    """A service of all teasers, and the language of each article whose list is fifty of them."""
    numbered = enumerate(_records(data_dir))
    articles, sources = [], {}
    for language, group in groupby(numbered, key=lambda each: each[1]["language"]):
        teasers = [_article(number, record) for number, record in group]
        for begin in range(0, len(teasers), PER_LIST):
            source = f"source-{len(sources)}"
            sources[source] = language
            articles.append(Article(id=source, headline=source, language=language))
            articles += teasers[begin : begin + PER_LIST]
    store = Store(tmp_path_factory.mktemp("teasers") / "store")
    chain(store, articles)
    return serve(store), sources


@pytest.fixture
def draw(archive: Any, paper: Any, page_at: Any) -> Callable[..., Page]:
    """Draws a block of each of some articles' lists."""

    def drawn(sources: Mapping[str, str], limit: int) -> Page:
        page: Page = page_at(390, height=1_000)
        blocks = "".join(f'<related-stories article="{each}" limit="{limit}"></related-stories>' for each in sources)
        page.goto(paper.article("teasers", archive[0].url, blocks))
        for each in page.locator("related-stories").all():
            each.evaluate("block => block.scrollIntoView()")
            each.locator("h3").first.wait_for()
        return page

    return drawn


def test_no_teaser_of_any_language_leaves_its_place(archive: Any, draw: Any) -> None:
    page = draw(archive[1], PER_LIST)
    for layout, width in product(("list", "grid", "compact"), (320, 390, 1280)):
        page.evaluate(LAY_OUT, layout)
        page.set_viewport_size({"width": width, "height": 1_000})
        found = page.evaluate(JUDGE)
        assert (found["out"], found["wide"]) == ([], False)
        assert found["stories"] > 4_000
        assert found["cut"] < 0.02 * found["stories"], (layout, width)


def test_a_teaser_runs_as_its_language_does_and_tells_its_age_in_it(archive: Any, draw: Any) -> None:
    one_each = {language: source for source, language in archive[1].items()}
    page = draw({source: language for language, source in one_each.items()}, 2)
    found = page.evaluate(RUNS)
    assert len({language for language, *_ in found}) >= 40
    assert all((direction == "rtl") == (language in RIGHT_TO_LEFT) for language, direction, _ in found)
    ages = {language: age for language, _, age in found}
    assert "ago" in ages["en"] or "old" in ages["en"]
    assert not [language for language, age in ages.items() if language != "en" and ("ago" in age or "old" in age)]


def test_right_to_left_pages_look_right(archive: Any, paper: Any, page_at: Any, axe: Any, screenshot: Any) -> None:
    served, sources = archive
    for language, scheme, width in (("ar", "light", 1280), ("fa", "dark", 390), ("ur", "light", 390)):
        source = [each for each, of in sources.items() if of == language][-1]
        page = page_at(width, scheme)
        blocks = "".join(
            f'<related-stories article="{source}" limit="3" layout="{layout}" heading="{HEADINGS[language]}">'
            "</related-stories>"
            for layout in ("list", "grid", "compact")
        )
        page.goto(paper.article("rtl", served.url, blocks, lang=f'{language}" dir="rtl'), wait_until="networkidle")
        page.evaluate("scrollTo(0, 1000)")
        page.locator("related-stories h3").nth(6).wait_for()
        page.wait_for_load_state("networkidle")
        screenshot(page, f"rtl-{language}-{width}-{scheme}")
        assert axe(page) == []
