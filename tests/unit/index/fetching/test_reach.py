"""No connection is opened to anything but the public web: counted by an audit hook and by a socket that listens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin

import pytest
from constants import ROOT
from fetching_addresses import PUBLIC, SPECIAL_4, SPECIAL_6, forms, names, wrapped
from loopback_site import Reply, Site, served

from index.fetching.kept import Kept
from index.fetching.reach import Reach, is_public, networks
from index.fetching.request import Requests
from index.fetching.target import NotFetched, Refused
from index.fetching.visitor import Visitor


@pytest.fixture
def site() -> Iterator[Site]:
    with served(Site()) as site:
        yield site


@pytest.fixture
def front(site: Site) -> Iterator[Site]:
    """Another site at the same port, of an address that may be asked."""
    with served(Site("127.0.0.2", site.port)) as front:
        yield front


def witness(site: Site, urls: list[str], **more: Any) -> list[tuple[str, str, list[str]]]:
    """Each URL, what came of it, and the connections that were tried, in a process of its own."""
    given = json.dumps({"urls": urls, "names": {**names(), "public.example": ["8.8.8.8"]}, "port": site.port, **more})
    command = [sys.executable, "tests/helpers/fetching_addresses.py"]
    done = subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_no_form_of_an_address_that_is_not_public_opens_a_connection(site: Site) -> None:
    urls = forms(site.port)
    assert len(urls) >= 600
    seen = witness(site, urls)
    assert [each for each in seen if each[1:] != ("refused", [])] == []
    assert len(seen) == len(urls)
    assert site.connections == 0


def test_the_listening_socket_counts_what_is_allowed_and_the_hook_sees_it(site: Site) -> None:
    urls = [f"http://{host}:{site.port}/" for host in ("127.0.0.1", "localhost", "s6.example", "ｌｏｃａｌｈｏｓｔ")]
    seen = witness(site, urls, allowed=["127.0.0.0/8", "::1/128"])
    assert [outcome for _, outcome, _ in seen] == ["404"] * 4
    assert all(f"('127.0.0.1', {site.port})" in tried for _, _, tried in seen)
    assert site.connections == 4


def test_every_redirect_is_checked_anew(site: Site, front: Site) -> None:
    locations = [each for each in forms(site.port) if _may_stand_in_a_header(each) and "://" in each]
    assert len(locations) >= 400
    front.pages = {f"/{at}": Reply(status=302, headers={"Location": each}) for at, each in enumerate(locations)}
    known = names()
    reach = Reach(
        networks(["127.0.0.2/32"]), lambda host: known.get(host, ["127.0.0.1"]), frozenset({80, 443, site.port})
    )
    visitor = Visitor(Requests(reach), Kept(), pause_seconds=0)
    outcomes = [_outcome(visitor, f"{front.url}/{at}") for at in range(len(locations))]
    others = {each for each, outcome in zip(locations, outcomes, strict=True) if outcome != "Refused"}
    assert [each for each in others if urljoin(front.url, each).startswith(front.url)] == list(others)
    assert len(others) < 10
    assert site.connections == 0


def test_a_name_is_looked_up_once_a_request_and_a_second_answer_is_checked_like_the_first(
    site: Site, front: Site
) -> None:
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.2" if len(asked) == 1 else "127.0.0.1"]

    requests = Requests(Reach(networks(["127.0.0.2/32"]), rebinding, frozenset({site.port})))
    url = f"http://rebinding.example:{site.port}/"
    assert requests.get(url).status == 404
    assert asked == ["rebinding.example"]
    with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1, port \d+, which is not of the public web"):
        requests.get(url)
    assert (front.connections, site.connections) == (1, 0)
    assert front.headers[0]["Host"] == f"rebinding.example:{site.port}"


def test_robots_txt_leads_no_further_than_a_page(site: Site, front: Site) -> None:
    front.pages = {"/robots.txt": Reply(status=301, headers={"Location": f"{site.url}/robots.txt"}), "/": Reply(b"x")}
    visitor = Visitor(Requests(Reach(networks(["127.0.0.2/32"]))), Kept(), pause_seconds=0)
    with pytest.raises(NotFetched):
        visitor.visit(f"{front.url}/")
    assert (front.asked, site.connections) == (["/robots.txt"], 0)


def test_special_addresses_are_not_public_however_they_are_wrapped_and_others_are() -> None:
    special = [*SPECIAL_4, *SPECIAL_6, *(each for address in SPECIAL_4 for each in wrapped(address))]
    assert [each for each in special if is_public(ip_address(each))] == []
    assert [each for each in PUBLIC if not is_public(ip_address(each))] == []


def test_proxies_of_the_environment_are_not_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, site.url)
    with served(Site()) as other:
        assert Requests(Reach(networks(["127.0.0.0/8"]))).get(f"{other.url}/").status == 404
    assert site.connections == 0


def _outcome(visitor: Visitor, url: str) -> str:
    with pytest.raises(NotFetched) as caught:
        visitor.visit(url)
    return type(caught.value).__name__


def _may_stand_in_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable() and text == text.strip()
