"""Three hundred attempts to run a script through every field of a teaser: none may run, with a policy or without."""

from __future__ import annotations

from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from newsroom import EDITOR

from index.article import Article, Image
from index.publishing.store import Store
from scripts.tools.browser import chain

CALL = "window.ran(1)"
TAGS = [
    f"<script>{CALL}</script>", f"<img src=x onerror={CALL}>", f"<svg onload={CALL}>", f"<svg/onload={CALL}//",
    "<iframe srcdoc='<script>parent.ran(1)</script>'></iframe>", f"<iframe src='javascript:parent.{CALL}'></iframe>",
    f"<details open ontoggle={CALL}>x</details>", f"<video><source onerror={CALL}></video>",
    f"<body onload={CALL}>", f"<input autofocus onfocus={CALL}>", f"<marquee onstart={CALL}>x</marquee>",
    f"<a href='javascript:{CALL}'>x</a>", f"<math><mi xlink:href='javascript:{CALL}'>x</mi></math>",
    f"<object data='javascript:{CALL}'></object>", f"<embed src='javascript:{CALL}'>",
    f"<form action='javascript:{CALL}'><button autofocus>x</button></form>",
    f"<style>@import 'javascript:{CALL}'</style>",
    f"<link rel=stylesheet href='data:,x' onerror={CALL}>", f"<base href='javascript:{CALL}//'>",
    f"<template><img src=x onerror={CALL}></template><img src=x onerror={CALL}>",
]  # fmt: skip
OUT_OF = [
    "",
    "'",
    '"',
    "</a>",
    "</h3></li>",
    "</script>",
    "-->",
    "]]>",
    "</title></style></textarea>",
    "`",
    "${",
    "{{",
]
URLS = [
    f"javascript:{CALL}", f"JaVaScRiPt:{CALL}", f" javascript:{CALL}", f"\tjavascript:{CALL}", f"java\nscript:{CALL}",
    f"java\tscript:{CALL}", f"\x01javascript:{CALL}", f"javascript&colon;{CALL}", f"javascript:alert`1`;{CALL}",
    f"javascript://courier.example/%0a{CALL}", f"data:text/html,<script>{CALL}</script>", f"vbscript:{CALL}",
    "data:text/html;base64,PHNjcmlwdD53aW5kb3cucmFuKDEpPC9zY3JpcHQ+", "blob:https://courier.example/x",
    f"view-source:javascript:{CALL}", f"feed:javascript:{CALL}", f"jar:javascript:{CALL}!/", f"filesystem:{CALL}",
    f"https://courier.example/\" onmouseover=\"{CALL}", f"https://courier.example/' onfocus='{CALL}",
    f"https://courier.example/\"><script>{CALL}</script>", f"/\"><img src=x onerror={CALL}>",
    f"\\\\x\" onload=\"{CALL}",
    f"//courier.example/\"onclick=\"{CALL}", f"https:javascript:{CALL}", f"https://{CALL}@courier.example/",
    f"javascript:/*--></title></style></textarea></script><svg/onload='+/\"/+/onmouseover=1/+/[*/[]/+{CALL}//'>",
    f"/%0d%0aSet-Cookie:x=1%0d%0a\r\n\"><script>{CALL}</script>", f"mailto:x@y.example?body={CALL}", f"about:{CALL}",
]  # fmt: skip
TEXTS = [f"{out}{tag}" for out, tag in product(OUT_OF, TAGS)]
JSON = [f'","x":"</script><script>{CALL}</script>', f"\u2028{CALL}\u2029", f'\\"}}]}};{CALL};//', "__proto__"] * 8
PAYLOADS = [*TEXTS, *URLS, *JSON][:300]
HOSTILE = len(PAYLOADS)
PER_LIST = 50
WATCH = "window.executed = 0; window.ran = () => { executed += 1; }; window.alert = ran;"


def _article(number: int, payload: str) -> Article:
    """A teaser whose every field is hostile; as long as some address is taken, it is a link."""
    url = payload if payload in URLS else f"https://courier.example/{number}?{payload}"
    return Article(
        id=f"{number}{payload}",
        url=url,
        headline=payload,
        kicker=payload,
        standfirst=payload,
        section=payload,
        authors=(payload,),
        language=f'en" onclick="{CALL}' if number % 7 == 0 else "",
        type=payload,
        image=Image(payload if payload in URLS else f"https://courier.example/{payload}", payload),
    )


@pytest.fixture(scope="module")
def hostile(serve: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service that was made to hold what its own validation would refuse: before each fifty, a harmless article."""
    store = Store(tmp_path_factory.mktemp("hostile") / "store")
    articles: list[Article] = []
    for number, payload in enumerate(PAYLOADS):
        if number % PER_LIST == 0:
            articles.append(Article(id=f"source-{number // PER_LIST}", headline="Harmless"))
        articles.append(_article(number, payload))
    chain(store, articles)
    return serve(store)


def sources() -> list[str]:
    return [f"source-{number}" for number in range(HOSTILE // PER_LIST)]


def _try_everything(page: Any) -> None:
    """What a reader might do: point at, focus and click each link, which leads nowhere."""
    page.evaluate("addEventListener('click', event => event.preventDefault())")
    page.evaluate(
        """() => {
        const blocks = [...document.querySelectorAll('related-stories')].map(each => each.shadowRoot);
        for (const root of [document, ...blocks]) for (const link of root.querySelectorAll('.related-stories *')) {
            for (const kind of ['mouseover', 'focus', 'toggle', 'click'])
                link.dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true, composed: true}));
        }
    }"""
    )
    page.wait_for_load_state("networkidle")


def test_there_are_three_hundred_different_enough_payloads() -> None:
    assert HOSTILE == 300
    assert set(URLS) <= set(PAYLOADS)


@pytest.mark.parametrize("policy", [True, False])
@pytest.mark.parametrize("layout", ["list", "grid", "compact"])
def test_no_payload_runs_in_the_widget(hostile: Any, paper: Any, page_at: Any, policy: bool, layout: str) -> None:
    page = page_at(height=2_000)
    page.add_init_script(WATCH)
    page.route("https://courier.example/**", lambda route: route.abort())
    blocks = "".join(
        f'<related-stories article="{each}" limit="50" layout="{layout}"></related-stories>' for each in sources()
    )
    head = f'<script src="{hostile.url}/embed.js" defer></script>'
    address = paper.article("hostile", hostile.url, blocks) if policy else paper.publish("hostile", head + blocks)
    page.goto(address, wait_until="networkidle")
    for each in page.locator("related-stories").all():
        each.evaluate("block => block.scrollIntoView()")
        each.locator("h3").nth(25).wait_for()
    drawn = page.locator("related-stories h3")
    assert drawn.count() > 250
    _try_everything(page)
    assert page.evaluate("executed") == 0
    schemes = page.locator("related-stories a").evaluate_all("links => links.map(each => each.protocol)")
    assert set(schemes) <= {"http:", "https:"}
    assert page.locator("related-stories :is(script, iframe, svg, object, embed, form)").count() == len(sources())
    assert [each for each in drawn.all_text_contents() if each in PAYLOADS]


def test_no_payload_runs_in_the_fragment(hostile: Any, paper: Any, page_at: Any) -> None:
    page = page_at()
    page.add_init_script(WATCH)
    page.route("https://courier.example/**", lambda route: route.abort())
    for each in sources():
        got = page.request.get(
            f"{hostile.url}/v1/related.html", params={"id": each, "limit": 50, "heading": TEXTS[0]}
        )
        page.goto(paper.publish("included", got.text()), wait_until="networkidle")
        assert page.locator("h3").count() > 30
        _try_everything(page)
        assert page.evaluate("executed") == 0
        assert page.locator("script:not([type='application/ld+json']), iframe, svg, object, embed, form").count() == 0
        page.evaluate("JSON.parse(document.querySelector('script').text)")


def test_no_payload_runs_in_the_console(hostile: Any, page_at: Any) -> None:
    page = page_at()
    page.add_init_script(WATCH)
    page.route("https://courier.example/**", lambda route: route.abort())
    page.goto(f"{hostile.url}/console/")
    page.get_by_label("Your key").fill(EDITOR)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{hostile.url}/console/")
    lists = [f"article?id={each}" for each in sources()]
    archive = [f"?from={skip}" for skip in range(0, HOSTILE, 40)]
    stories = [f"article?id={quote(f'{number}{PAYLOADS[number]}')}" for number in range(0, HOSTILE, 10)]
    for path in (
        *lists,
        *archive,
        *stories,
        "?q=script",
        f"?q={quote(TEXTS[0])}",
        "storylines",
        "compare?id=source-0",
    ):
        page.goto(f"{hostile.url}/console/{path}", wait_until="domcontentloaded")
        assert page.evaluate("executed") == 0, path
        links = page.locator("main a").evaluate_all("links => links.map(each => each.protocol)")
        assert set(links) <= {"http:", "https:"}, path
