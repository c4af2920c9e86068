"""Over HTTP: every spelling of an article's address leads to it, and to no other article, in a snapshot and live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from newsroom import Newsroom, record, story

FERRY = "ferry river crossing timetable captain jetty"
PAGES = {  # by ID: the address as the article gives it
    "cafe": "https://www.{host}/news/caf\u00e9",
    "wordpress": "https://{host}/2026/%e6%b8%af~1",
    "tilde": "http://{host}/%7Eilse/notes",
    "slash": "https://{host}/a%2Fb",
    "numbered": "https://{host}/story?id=7",
    "amplifier": "https://{host}/amplifier",
    "amp-only": "https://{host}/sport/derby/amp",
    "plain": "https://{host}/pair",
    "amp-pair": "https://{host}/pair/amp",
    "live": "https://{host}/live",
    "live-post": "https://{host}/live#post-3",
    "campaign": "https://{host}/from-a-feed?at_medium=RSS&at_campaign=KARANGA",
}
SPELLINGS = [
    ("https://www.{host}/news/caf%C3%A9", "cafe"),
    ("https://www.{host}/news/caf%c3%a9", "cafe"),
    ("https://www.{host}/news/caf\u00e9", "cafe"),
    ("http://{host}/news/c%61f%c3%A9", "cafe"),
    ("//{host}/news/caf\u00e9#comments", "cafe"),
    ("https://{host}/2026/\u6e2f~1", "wordpress"),
    ("https://{host}/2026/%E6%B8%AF%7E1", "wordpress"),
    ("https://{host}/2026/%e6%b8%af~1", "wordpress"),
    ("http://{host}/~ilse/notes", "tilde"),
    ("https://www.{host}/%7eilse/notes/", "tilde"),
    ("https://{host}/a%2fb", "slash"),
    ("https://{host}/a/b", None),
    ("https://{host}/story?id=7&amp=1", "numbered"),
    ("https://{host}/story?amp&id=7", "numbered"),
    ("https://{host}/story?id=7&outputType=amp", "numbered"),
    ("https://{host}/amp/story?id=7", "numbered"),
    ("https://amp.{host}/story?id=7&utm_source=x", "numbered"),
    ("https://{host}/story?id=7&amp=2", None),
    ("https://{host}/story?id=8", None),
    ("https://{host}/amplifier/amp/", "amplifier"),
    ("https://{host}/lifier", None),
    ("https://{host}/amplifier.amp", "amplifier"),
    ("https://{host}/sport/derby", "amp-only"),
    ("https://{host}/sport/derby/amp", "amp-only"),
    ("http://www.{host}/sport/derby?amp=1", "amp-only"),
    ("https://{host}/pair", "plain"),
    ("https://{host}/pair?amp=1", "plain"),
    ("https://{host}/pair/amp", "amp-pair"),
    ("https://{host}/live", "live"),
    ("https://{host}/live#comments", "live"),
    ("https://{host}/from-a-feed", "campaign"),
    *(
        (f"https://{{host}}/amplifier?{name}=1", "amplifier")
        for name in (
            "utm_id", "fbclid", "gclid", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "igshid", "mc_cid",
            "mc_eid", "mkt_tok", "_ga", "_gl", "at_medium", "at_campaign", "at_custom1", "ttclid", "MSCLKID",
        )
    ),
    ("https://{host}/amplifier?page=2", None),
    ("https://{host}/", None),
]  # fmt: skip


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    folder: Path = tmp_path_factory.mktemp("addresses")
    made = Newsroom(folder)
    others = [story(f"other/{n}", f"{FERRY} topic{n} matter{n} thing{n}", 30 + n) for n in range(12)]
    built = [story(f"built/{name}", f"{FERRY} {name}", 5, url=_url(url, "built")) for name, url in PAGES.items()]
    made.rebuild([*others, *built])
    for name, url in PAGES.items():
        answer = made.put(record(f"put/{name}", f"{FERRY} {name}", 1, url=_url(url, "put")))
        assert answer.status_code == 201
    yield made
    made.close()


def _url(pattern: str, host: str) -> str:
    return pattern.format(host=f"{host}.example")


def _asked(newsroom: Newsroom, url: str) -> Any:
    return newsroom.client.get("/v1/related", query_string={"url": url}).get_json()


@pytest.mark.parametrize("host", ["built", "put"])
@pytest.mark.parametrize(("spelling", "name"), SPELLINGS)
def test_each_spelling_of_an_address_leads_to_its_article_alone(
    newsroom: Newsroom, host: str, spelling: str, name: str | None
) -> None:
    answer = _asked(newsroom, _url(spelling, host))
    if name is None:
        assert answer["code"] == "article_not_found"
    else:
        assert answer["article_id"] == f"{host}/{name}"


def test_an_address_that_a_live_article_has_left_still_leads_to_it(newsroom: Newsroom) -> None:
    newsroom.put(record("put/first", FERRY, 1, url="https://put.example/moved/amp"))
    assert _asked(newsroom, "https://put.example/moved")["article_id"] == "put/first"
    newsroom.put(record("put/first", FERRY, 1, url="https://put.example/elsewhere"))
    assert _asked(newsroom, "https://put.example/moved")["article_id"] == "put/first"


def test_no_list_shows_an_address_that_leads_to_comments(newsroom: Newsroom) -> None:
    newsroom.put(record("put/commented", f"{FERRY} amplifier", 1, url="https://put.example/amplifier#comments"))
    answer = newsroom.client.get("/v1/articles/put%2Fcommented").get_json()
    assert answer["teaser"]["url"] == "https://put.example/amplifier"
