"""What the widget does on a publisher's page, of another origin than the service and with a strict policy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request

from scripts.tools.browser import SHIFT, logged

ARTICLE = "news/brackholm-ferry-breaks-down-mid-river"
SITE = "https://courier.example/"
TALL = "<div class='tall'></div>"
FIRST = "<script src='{service}/embed.js' defer blocking='render'></script>"

BROKEN = """
    window.broken = [];
    window.frame = requestAnimationFrame.bind(window); // a real one also while the clock stands
    addEventListener('securitypolicyviolation', each => broken.push(each.violatedDirective + each.sample));
"""
ADD = """attributes => {
    const block = document.createElement('related-stories');
    for (const [name, value] of Object.entries(attributes)) block.setAttribute(name, value);
    document.querySelector('main').append(block);
}"""
SCROLL = """share => {
    const box = document.querySelector('related-stories').shadowRoot.querySelector('section').getBoundingClientRect();
    scrollBy(0, box.top - innerHeight + share * Math.min(box.height, innerHeight));
}"""
OBSERVED = "() => new Promise(done => frame(() => frame(() => frame(done))))"
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
HEADLINES = """() => [...document.querySelectorAll('related-stories')].map(
    block => [...block.shadowRoot.querySelectorAll('h3')].map(each => each.textContent))"""
# The elements of a block with their text and attributes, addresses without their origin.
MARKUP = """section => [section, ...section.querySelectorAll('*')].map(each => [
    each.localName, each.childElementCount ? '' : each.textContent,
    ...[...each.attributes].map(one => `${one.name}=${one.value.replace(/^http:..127[^/]+/, '')}`).sort()])"""


def block(article: str = ARTICLE, inside: str = "", **attributes: Any) -> str:
    """The element."""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<related-stories article="{article}"{given}>{inside}</related-stories>'


@pytest.fixture
def opened(served: Any, paper: Any, page_at: Any) -> Callable[..., Page]:
    """Opens an article with blocks under it, and waits until those near the screen have their lists."""

    def open_page(blocks: str, height: int = 900, script: bool = True, **options: Any) -> Page:
        page: Page = page_at(1280, height=height, java_script_enabled=script)
        page.add_init_script(BROKEN)
        page.goto(paper.article("widget", served.url, blocks, **options), wait_until="networkidle")
        return page

    return open_page


def stories(page: Page) -> list[list[str]]:
    """The headlines of each block."""
    found: list[list[str]] = page.evaluate(HEADLINES)
    return found


def requests(page: Page) -> list[Request]:
    """The requests of a page from now on."""
    seen: list[Request] = []
    page.on("request", lambda request: seen.append(request))
    return seen


def stop_clock(page: Page) -> None:
    """From now on the page's time passes only when told so."""
    page.clock.install()
    page.clock.pause_at(time.time() + 5)


def eventually(page: Page, found: Callable[[], list[Any]]) -> list[Any]:
    """What is found, looking again and again for some seconds: a page that is left cannot be asked."""
    for _ in range(400):
        if there := found():
            return there
        page.wait_for_timeout(25)
    return []


def told(served: Any, kind: str, unit: str) -> list[dict[str, Any]]:
    """The event log's lines of a kind about a reader's lists."""
    events = served.store.root / "events"
    lists = {each["list_id"] for each in logged(events, "exposure") if each["unit"] == unit}
    return [each for each in logged(events, kind) if each["list_id"] in lists]


def test_the_widget_and_the_fragment_draw_the_same_block(served: Any, opened: Any) -> None:
    page = opened(block(layout="grid", limit="4", heading="More on this"))
    drawn = page.locator("related-stories section").evaluate(MARKUP)
    page.goto(f"{served.url}/v1/related.html?id={ARTICLE}&layout=grid&limit=4&heading=More+on+this")
    assert drawn == page.locator("section").evaluate(MARKUP)
    assert [each[0] for each in drawn].count("li") == 4


def test_a_strict_policy_with_trusted_types_blocks_nothing(opened: Any) -> None:
    page = opened(block())
    assert page.evaluate("broken") == []
    assert len(stories(page)[0]) == 6
    assert page.locator("related-stories ol").evaluate("each => getComputedStyle(each).display") == "grid"


def test_a_policy_that_allows_no_trusted_types_costs_the_item_list_alone(
    served: Any, paper: Any, page_at: Any
) -> None:
    page, head = page_at(), f'<script src="{served.url}/embed.js" defer></script>'
    page.goto(
        paper.publish("untrusting", head + block(), "require-trusted-types-for 'script'; trusted-types none-of-ours")
    )
    page.locator("related-stories h3").nth(5).wait_for()
    assert page.locator("related-stories > script").count() == 0


def test_search_engines_find_the_list(opened: Any) -> None:
    page = opened(block(heading="More </script><b>"))
    found = json.loads(page.locator("related-stories > script").text_content() or "")
    assert (found["@type"], found["name"]) == ("ItemList", "More </script><b>")
    assert [each["name"] for each in found["itemListElement"]] == stories(page)[0]
    assert [each["position"] for each in found["itemListElement"]] == [1, 2, 3, 4, 5, 6]
    assert all(each["url"].startswith(SITE) for each in found["itemListElement"])


def test_without_a_unit_nothing_is_sent_and_no_list_is_a_readers_own(opened: Any) -> None:
    page = opened("")
    stop_clock(page)
    sent = requests(page)
    page.evaluate(ADD, {"article": ARTICLE, "unit": ""})
    page.locator("related-stories h3").first.wait_for()
    page.evaluate(OBSERVED)
    page.clock.run_for(5_000)
    page.evaluate("addEventListener('click', each => each.preventDefault())")
    page.locator("related-stories a").first.click()
    page.wait_for_load_state("networkidle")
    assert len(sent) > 1
    assert not [each.url for each in sent if "/v1/events" in each.url or "unit" in each.url]


def test_a_view_is_a_second_in_sight_and_is_told_once(served: Any, opened: Any) -> None:
    page = opened("")
    stop_clock(page)
    sent = requests(page)
    page.evaluate(ADD, {"article": ARTICLE, "unit": "r-view"})
    page.locator("related-stories h3").first.wait_for()
    page.evaluate(OBSERVED)
    page.clock.run_for(900)
    assert not [each for each in sent if "/v1/events" in each.url]
    with page.expect_response("**/v1/events"):
        page.clock.run_for(200)
    page.clock.run_for(10_000)
    page.wait_for_load_state("networkidle")
    (event,) = [each for each in sent if "/v1/events" in each.url]
    assert event.headers["content-type"].startswith("text/plain")  # no preflight
    (view,) = told(served, "view", "r-view")
    assert (view["article_id"], view["block"]) == (ARTICLE, "default")


@pytest.mark.parametrize("limit", [2, 12])  # less than a screen, and more than two
def test_less_than_half_of_a_block_is_no_view(served: Any, opened: Any, limit: int) -> None:
    unit = f"r-half-{limit}"
    page = opened(TALL + block(unit=unit, limit=limit) + TALL, height=700)
    stop_clock(page)
    page.evaluate("scrollTo(0, 2500)")
    page.locator("related-stories h3").nth(limit - 1).wait_for()
    sent = requests(page)
    page.evaluate(SCROLL, 0.4)
    page.evaluate(OBSERVED)
    page.clock.run_for(3_000)
    assert not [each for each in sent if "/v1/events" in each.url]
    page.evaluate(SCROLL, 0.6)
    page.evaluate(OBSERVED)
    with page.expect_response("**/v1/events"):
        page.clock.run_for(3_000)
    assert len(told(served, "view", unit)) == 1


def test_a_click_is_told_once_and_the_page_is_left_at_once(served: Any, opened: Any) -> None:
    page = opened(block(unit="r-click", block="foot"))
    page.route(f"{SITE}**", lambda route: route.fulfill(body="there"))
    address = page.locator("related-stories a").nth(1).get_attribute("href")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(address or "")
    (click,) = eventually(page, lambda: told(served, "click", "r-click"))
    assert (SITE + click["clicked_id"], click["position"], click["block"]) == (address, 2, "foot")


def test_a_list_is_the_readers_own_only_while_the_unit_is_there(served: Any, opened: Any) -> None:
    page = opened(block())
    stop_clock(page)
    sent = requests(page)
    for change in ("setAttribute('unit', 'r-late')", "removeAttribute('unit')"):
        with page.expect_response("**/v1/related?*"):
            page.evaluate(f"document.querySelector('related-stories').{change}")
    page.evaluate(OBSERVED)
    page.clock.run_for(5_000)
    page.wait_for_load_state("networkidle")
    asked = [parse_qs(urlsplit(each.url).query).get("unit") for each in sent if "/v1/related?" in each.url]
    assert asked == [["r-late"], None]
    assert told(served, "view", "r-late") == []


@pytest.mark.parametrize("unit", ["", "r-page"])
def test_neither_blocks_nor_links_of_the_body_repeat_a_story(opened: Any, unit: str) -> None:
    page = opened(block(limit=13))
    everything = stories(page)[0]
    linked = page.locator("related-stories a").first.get_attribute("href")
    body = f'<p>As <a href="{linked}/?utm_source=x#top">we said</a>, or <a href="mailto:a@b.example">write</a>.</p>'
    blocks = [block(limit=limit, unit=unit) for limit in (4, 5, 3)]
    page = opened("".join(blocks), height=4_000, body=body)
    found = stories(page)
    assert [len(each) for each in found] == [4, 5, 3]
    assert sorted(headline for each in found for headline in each) == sorted(everything[1:])
    assert found[0] == everything[1:5]


def test_what_is_written_down_of_a_readers_list_is_what_is_shown(served: Any, opened: Any) -> None:
    linked = opened(block()).locator("related-stories a").first.get_attribute("href")
    page = opened(block(unit="r-log"), body=f'<a href="{linked}">before</a>')
    (exposure,) = told(served, "exposure", "r-log")
    shown = page.locator("related-stories a").evaluate_all("links => links.map(each => each.href)")
    assert [SITE + each["id"] for each in exposure["items"]] == shown


@pytest.mark.parametrize("article", ["no/such-article", "", "x" * 2_000])
def test_an_error_renders_nothing_and_leaves_the_page_alone(opened: Any, article: str) -> None:
    page = opened(TALL + block(article) + "<p>After it.</p>")
    page.evaluate("scrollTo(0, 1500)")
    page.wait_for_load_state("networkidle")
    page.evaluate(OBSERVED)
    assert page.locator("related-stories").evaluate("each => each.offsetHeight") == 0
    assert page.locator("related-stories").evaluate("each => each.shadowRoot.textContent + each.innerHTML") == ""


@pytest.mark.parametrize("width", [390, 1280])
def test_an_empty_block_in_the_first_screen_is_gone_once_the_reader_is_past_it(
    served: Any, paper: Any, page_at: Any, width: int
) -> None:
    mark = "<p id='mark'>What the reader sees.</p>"
    address = paper.article(
        "long", served.url, block("no/such") + TALL * 2 + mark + TALL * 2, body="<p>It begins.</p>"
    )
    page = page_at(width)
    page.goto(address, wait_until="networkidle")
    page.evaluate("document.querySelector('#mark').scrollIntoView()")
    page.wait_for_function("document.querySelector('related-stories').offsetHeight === 0")
    page.evaluate(DRAWN)
    assert abs(page.evaluate("document.querySelector('#mark').getBoundingClientRect().top")) < 2  # nothing moved


@pytest.mark.parametrize("layout", ["list", "grid", "compact"])
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_an_unknown_article_leaves_no_blank_on_a_short_page(
    served: Any, paper: Any, page_at: Any, screenshot: Any, width: int, scheme: str, layout: str
) -> None:
    blocks = block("no/such", layout=layout) + "<p>Between.</p>" + block("no/other", layout=layout)
    address = paper.article("short", served.url, blocks + "<footer>The end.</footer>", body="<p>A short story.</p>")
    page = page_at(width, scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address, wait_until="networkidle")
    page.evaluate(DRAWN)
    heights = "() => [...document.querySelectorAll('related-stories')].map(each => each.offsetHeight)"
    assert page.evaluate(heights) == [0, 0]
    assert not [each for each in said if "CORS" in each]
    screenshot(page, f"unknown-{layout}-{width}-{scheme}")


@pytest.mark.parametrize("answer", [{"status": 410}, {"status": 503}, {"json": {"items": []}}, None])
def test_whatever_leaves_a_block_empty_leaves_no_blank_on_a_short_page(
    block_page: Any, answer: dict[str, Any] | None
) -> None:
    page, address = block_page
    page.route("**/v1/related?*", lambda route: route.fulfill(**answer) if answer else route.abort())
    page.goto(address, wait_until="networkidle")
    page.evaluate(DRAWN)
    assert page.locator("related-stories").evaluate("each => each.offsetHeight") == 0


@pytest.mark.parametrize(
    "answer", [{"status": 500}, {"body": "<html>"}, {"json": {"items": None}}, {"json": {"items": [{}]}}, None]
)
def test_a_service_that_is_away_or_talks_nonsense_renders_nothing(
    block_page: Any, answer: dict[str, Any] | None
) -> None:
    page, address = block_page
    page.route("**/v1/related?*", lambda route: route.fulfill(**answer) if answer else route.abort())
    page.goto(address, wait_until="networkidle")
    assert page.locator("related-stories").evaluate("each => each.shadowRoot.textContent + each.innerHTML") == ""


@pytest.fixture
def block_page(served: Any, paper: Any, page_at: Any) -> tuple[Page, str]:
    """A page that is not open yet, and the address of an article with a block."""
    return page_at(), paper.article("block", served.url, block())


def test_what_the_server_rendered_stands_until_there_is_a_list(served: Any, opened: Any) -> None:
    page = opened("")
    fragment = page.request.get(f"{served.url}/v1/related.html?id={ARTICLE}").text()
    headlines = page.get_by_role("heading", level=3)
    for article, script in ((ARTICLE, False), (ARTICLE, True), ("no/such", True)):
        page = opened(block(article, inside=fragment), script=script)
        headlines = page.get_by_role("heading", level=3)
        assert headlines.count() == 6
        assert page.locator("script[type='application/ld+json']").count() == 1


def test_the_keyboard_goes_from_story_to_story_and_shows_where_it_is(opened: Any) -> None:
    page = opened(block(limit="3"))
    focused = "document.activeElement.shadowRoot?.activeElement"
    for headline in stories(page)[0]:
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.textContent") == headline
        assert "solid 3px" in page.evaluate(f"getComputedStyle({focused}, '::after').outline")


def test_a_changed_attribute_brings_another_list(opened: Any) -> None:
    page = opened(block(limit="3"))
    before = stories(page)[0]
    with page.expect_response("**/v1/related?*"):
        page.evaluate("document.querySelector('related-stories').setAttribute('limit', '5')")
    page.locator("related-stories h3").nth(4).wait_for()
    assert stories(page)[0][:3] == before
    page.evaluate("document.querySelector('related-stories').remove()")


@pytest.mark.parametrize("layout", ["list", "grid", "compact"])
@pytest.mark.parametrize(
    ("before", "article", "head"), [(TALL, ARTICLE, ""), ("", ARTICLE, FIRST), ("", "no/such", FIRST)]
)
def test_nothing_shifts(opened: Any, served: Any, before: str, article: str, head: str, layout: str) -> None:
    blocks = before + block(article, layout=layout) + "<p>After.</p>" + block(layout=layout) + "<p>End.</p>"
    if article != ARTICLE:
        blocks += TALL  # an empty block keeps its space only until it is scrolled past
    page = opened(blocks, head=head.format(service=served.url))
    for _ in range(6):
        page.mouse.wheel(0, 700)
        page.wait_for_load_state("networkidle")
        page.evaluate(OBSERVED)
    assert page.evaluate(SHIFT) == 0
