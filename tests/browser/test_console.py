"""The console as an editor uses it, in a real browser: finding, understanding, changing, and seeing it act."""

from __future__ import annotations

from typing import Any

import pytest
from newsroom import EDITOR
from playwright.sync_api import Page, expect

ARTICLE = "business/bright-and-sons-cannery-to-close"
PAGES = {
    "archive": "/console/",
    "search": "/console/?q=ferry",
    "nothing found": "/console/?q=zeppelin",
    "another story": f"/console/?q=ferry&for={ARTICLE}",
    "article": f"/console/article?id={ARTICLE}",
    "compare": f"/console/compare?id={ARTICLE}&a=related&b=background",
    "draft": "/console/draft",
    "storylines": "/console/storylines",
    "storyline": f"/console/storyline?id={ARTICLE}",
    "experiments": "/console/experiments",
    "snapshots": "/console/snapshots",
    "health": "/console/health",
    "unknown": "/console/article?id=nobody",
}


def signed_in(page: Page, url: str, path: str = "/console/") -> Page:
    page.goto(f"{url}{path}")
    page.get_by_label("Your key").fill(EDITOR)
    with page.expect_navigation(url=lambda there: "/sign-in" not in there):
        page.get_by_role("button", name="Sign in").click()
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_accessible_and_fits(
    served: Any,
    page_at: Any,
    axe: Any,
    screenshot: Any,
    width: int,
    scheme: str,
) -> None:
    page = page_at(width, scheme)
    page.goto(f"{served.url}/console/sign-in")
    assert axe(page) == []
    screenshot(page, f"console-sign-in-{width}-{scheme}")
    signed_in(page, served.url)
    for name, path in PAGES.items():
        page.goto(served.url + path)
        for menu in page.locator("details > summary").all():
            menu.click()
        assert axe(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        screenshot(page, f"console-{name.replace(' ', '-')}-{width}-{scheme}")


def test_an_editor_finds_pins_sees_and_takes_back(served: Any, page_at: Any) -> None:
    page = signed_in(page_at(), served.url, f"/console/article?id={ARTICLE}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Bright & Sons")
    page.get_by_label("Find it by words, ID or address").fill("heron paper")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="Pin for a day").first.click()
    expect(page.get_by_role("status")).to_have_text("Pinned. Readers see it from now on.")
    first = page.locator(".card").first
    expect(first).to_contain_text("heron")
    expect(first.locator(".tag.strong")).to_have_text("pinned")
    reader = page.request.get(f"{served.url}/v1/related?id={ARTICLE}").json()
    assert "heron" in reader["items"][0]["teaser"]["headline"]
    page.get_by_role("button", name="Remove: pinned at 1").click()
    expect(page.get_by_role("status")).to_have_text("Removed. Readers see it from now on.")
    expect(page.locator(".tag.strong")).to_have_count(0)
    expect(page.locator(".history")).to_contain_text("editor")


def test_an_editor_leaves_a_story_out_by_the_keyboard(served: Any, page_at: Any) -> None:
    page = signed_in(page_at(), served.url, f"/console/article?id={ARTICLE}")
    card = page.locator(".card").first
    headline = card.locator("h3 a").inner_text()
    card.locator("summary").focus()
    page.keyboard.press("Enter")
    card.get_by_label("Why").fill("told twice")
    button = card.get_by_role("button", name="Leave out")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Left out. Readers see it from now on.")
    expect(page.locator(".cards")).not_to_contain_text(headline)
    expect(page.locator(".signals")).to_contain_text("told twice")
    page.get_by_role("button", name="Remove: left out").click()
    expect(page.locator(".cards")).to_contain_text(headline)


def test_two_policies_are_compared_by_choosing_them(served: Any, page_at: Any) -> None:
    page = signed_in(page_at(), served.url, f"/console/compare?id={ARTICLE}")
    page.get_by_label("Left").select_option("related")
    page.get_by_label("Right").select_option("related")
    page.get_by_role("button", name="Compare").click()
    places = page.locator(".versus section").nth(1).locator(".mark")
    assert places.count() > 0
    assert set(places.all_inner_texts()) == {"same place"}


def test_who_signs_out_is_out(served: Any, page_at: Any) -> None:
    page = signed_in(page_at(), served.url)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto(f"{served.url}/console/health")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_wrong_key_is_said_where_it_was_typed(served: Any, page_at: Any) -> None:
    page = page_at()
    page.goto(f"{served.url}/console/")
    page.get_by_label("Your key").fill("rs_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This is no editor’s key, or it has expired.")
