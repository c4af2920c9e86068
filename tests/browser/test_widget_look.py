"""How the widget and the fragment look. People look at the pictures (SCREENSHOTS=folder); axe-core at every page."""

from __future__ import annotations

from typing import Any

import pytest

ARTICLE = "news/brackholm-ferry-breaks-down-mid-river"
BODY = """<p>Sixty-four passengers were towed to safety on Monday after the Brackholm ferry lost power in the middle
    of the Wend. Nobody was hurt, but the crossing stays closed, and the boat in its place takes forty-eight.</p>"""
EMBEDDED = '<link rel="stylesheet" href="{service}/embed.css">'


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("layout", ["list", "grid", "compact"])
def test_every_layout_is_accessible(
    served: Any, paper: Any, page_at: Any, axe: Any, screenshot: Any, layout: str, width: int, scheme: str
) -> None:
    page = page_at(width, scheme)
    block = f'<related-stories article="{ARTICLE}" layout="{layout}"></related-stories>'
    page.goto(paper.article("look", served.url, block, body=BODY), wait_until="networkidle")
    page.locator("related-stories h3").nth(5).wait_for()
    page.keyboard.press("Tab")
    screenshot(page, f"{layout}-{width}-{scheme}")
    assert axe(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_fragment_is_accessible_and_looks_like_the_widget(
    served: Any, paper: Any, page_at: Any, axe: Any, screenshot: Any, width: int, scheme: str
) -> None:
    page = page_at(width, scheme, java_script_enabled=True)
    fragment = page.request.get(f"{served.url}/v1/related.html?id={ARTICLE}&layout=grid").text()
    head = EMBEDDED.format(service=served.url)
    policy = f"default-src 'none'; style-src 'self' {served.url}; img-src 'self'"
    whole = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>The ferry</title>
        <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/paper.css">
        {head}<main><article><h1>The ferry</h1>{BODY}</article>{fragment}</main></html>"""
    page.goto(paper.publish("fragment", whole, policy), wait_until="networkidle")
    screenshot(page, f"fragment-{width}-{scheme}")
    assert axe(page) == []


def test_a_publishers_theme_reaches_the_block(
    served: Any, paper: Any, page_at: Any, axe: Any, screenshot: Any
) -> None:
    css = """related-stories { --related-accent: #0b5cad; --related-font: system-ui, sans-serif;
        --related-radius: 8px; --related-headline-size: 1.3em; --related-image-ratio: 1; --related-column: 12em; }"""
    page = page_at(1280)
    page.route("**/theme.css", lambda route: route.fulfill(body=css, content_type="text/css"))
    block = f'<related-stories article="{ARTICLE}" layout="grid" limit="8"></related-stories>'
    head = '<link rel="stylesheet" href="/theme.css">'
    page.goto(paper.article("theme", served.url, block, body=BODY, head=head), wait_until="networkidle")
    page.locator("related-stories h3").nth(7).wait_for()
    assert page.locator("h3").first.evaluate("each => getComputedStyle(each).fontFamily").startswith("system-ui")
    assert page.locator(".kicker").first.evaluate("each => getComputedStyle(each).color") == "rgb(11, 92, 173)"
    screenshot(page, "theme-1280-light")
    assert axe(page) == []


def test_nothing_is_lost_with_twice_the_text_size_and_wide_spacing(
    served: Any, paper: Any, page_at: Any, screenshot: Any
) -> None:
    """WCAG 2.2: 1.4.4 resize text, 1.4.10 reflow, 1.4.12 text spacing."""
    css = """html { font-size: 200%; } * { line-height: 1.5 !important; letter-spacing: .12em !important;
        word-spacing: .16em !important; } body { font-size: 1rem; }"""
    page = page_at(640)
    page.route("**/theme.css", lambda route: route.fulfill(body=css, content_type="text/css"))
    head = '<link rel="stylesheet" href="/theme.css">'
    for layout in ("list", "grid", "compact"):
        block = f'<related-stories article="{ARTICLE}" layout="{layout}"></related-stories>'
        page.goto(paper.article("spacing", served.url, block, head=head), wait_until="networkidle")
        page.locator("related-stories h3").nth(5).wait_for()
        cut = page.locator("h3").evaluate_all("all => all.filter(one => one.scrollHeight > one.clientHeight * 1.1)")
        assert cut == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(page, f"spacing-{layout}")
