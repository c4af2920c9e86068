"""One request: limits of size and time, codings, the server's name."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_site import Reply, Site, served

from index.fetching.reach import Reach, networks
from index.fetching.request import Limits, Requests
from index.fetching.target import NotFetched

LOOPBACK = Reach(networks(["127.0.0.0/8"]), lambda _: ["127.0.0.1"])
CERTIFICATE = Path(__file__).parents[3] / "helpers" / "stories_example.pem"  # of stories.example, for tests alone
SIZE = 20_000


@pytest.fixture
def site() -> Iterator[Site]:
    with served(Site()) as site:
        yield site


@pytest.fixture
def requests() -> Requests:
    return Requests(LOOPBACK, Limits(seconds=5, size=SIZE))


def packed(content: bytes, coding: str, **headers: str) -> Reply:
    return Reply(content, headers={"Content-Encoding": coding, **headers})


def test_an_answer_is_unpacked(site: Site, requests: Requests) -> None:
    text = b"ferry " * 3_000
    site.pages = {
        "/plain": Reply(text),
        "/gzip": packed(gzip.compress(text), "gzip"),
        "/deflate": packed(zlib.compress(text), "Deflate"),
    }
    assert [requests.get(site.url + path).content for path in site.pages] == [text] * 3


def test_what_is_longer_than_the_limit_is_refused_packed_or_not_declared_or_not(
    site: Site, requests: Requests
) -> None:
    bomb = gzip.compress(bytes(SIZE + 1))
    chunk = b"1000\r\n" + bytes(0x1000) + b"\r\n"
    site.pages = {
        "/plain": Reply(bytes(SIZE + 1)),
        "/bomb": packed(bomb, "gzip"),
        "/bomb-of-bombs": packed(zlib.compress(zlib.compress(bytes(100 * SIZE))), "deflate"),
        "/endless": Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 20),
        "/undeclared": Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + bytes(SIZE + 1)),
    }
    assert len(bomb) < 100
    for path in ("/plain", "/bomb", "/endless", "/undeclared"):
        with pytest.raises(NotFetched, match="longer than 20,000 bytes"):
            requests.get(site.url + path)
    assert len(requests.get(f"{site.url}/bomb-of-bombs").content) < SIZE
    site.pages["/all"] = Reply(bytes(SIZE))
    assert len(requests.get(f"{site.url}/all").content) == SIZE


def test_what_is_torn_or_no_http_is_named(site: Site, requests: Requests) -> None:
    site.pages = {
        "/torn": Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"),
        "/chunk": Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nfive!"),
        "/junk": Reply(raw=b"SSH-2.0-OpenSSH\r\n"),
        "/gzip": packed(b"no gzip", "gzip"),
        "/br": packed(b"x", "br"),
        "/headers": Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n"),
    }
    reasons = []
    for path in site.pages:
        with pytest.raises(NotFetched) as caught:
            requests.get(site.url + path)
        reasons.append(caught.value.reason)
    assert reasons[0] == "the answer is torn"
    assert reasons[4] == "the answer comes in a coding that was not asked for: br"
    assert reasons[5] == "got more than 100 headers"


def test_other_answers_than_200_have_no_content(site: Site, requests: Requests) -> None:
    site.pages = {"/": Reply(b"gone", status=410)}
    assert requests.get(f"{site.url}/")[1::2] == (410, b"")


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_server_that_sends_a_byte_now_and_then_has_no_more_time_than_others(begun: bytes) -> None:
    over = threading.Event()

    class Drips(Site):
        def finish_request(self, request: object, _: object) -> None:
            request.sendall(begun)  # type: ignore[attr-defined]
            try:
                while not over.wait(0.02):
                    request.sendall(b"x")  # type: ignore[attr-defined]
            except OSError:
                pass  # the client has left

    with served(Drips()) as site:
        start = time.monotonic()
        with pytest.raises(NotFetched, match=r"takes too long|timed out"):
            Requests(LOOPBACK, Limits(seconds=0.3)).get(f"{site.url}/")
        assert 0.25 < time.monotonic() - start < 3
        over.set()


def test_a_certificate_must_be_trusted_and_of_the_name_that_was_asked_for() -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    trusting = Requests(LOOPBACK, trust=ssl.create_default_context(cafile=str(CERTIFICATE)))
    with served(_Secure(server)) as site:
        site.pages = {"/": Reply(b"stories")}
        assert trusting.get(f"https://stories.example:{site.port}/").content == b"stories"
        for name in ("other.example", "127.0.0.1"):
            with pytest.raises(NotFetched, match=r"certificate verify failed.*mismatch|not valid for"):
                trusting.get(f"https://{name}:{site.port}/")
        with pytest.raises(NotFetched, match="self-signed certificate"):
            Requests(LOOPBACK).get(f"https://stories.example:{site.port}/")
        assert site.asked == ["/"]


def test_a_host_without_an_answer_is_named_and_its_next_address_tried(site: Site) -> None:
    site.pages = {"/": Reply(b"here")}
    closed = Site("127.0.0.3")
    closed.server_close()
    both = Requests(Reach(networks(["127.0.0.0/8"]), lambda _: ["127.0.0.3", "127.0.0.1"]))
    assert both.get(f"http://stories.example:{site.port}/").content == b"here"
    with pytest.raises(NotFetched, match="refused"):
        both.get(f"http://127.0.0.3:{closed.port}/")


class _Secure(Site):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None: ...
