"""Addresses that must not be connected to, in every spelling that we know; and a witness at the socket.

    python tests/helpers/fetching_addresses.py < JSON      # {"urls": [...], "names": {name: [addresses]}, "port": N}

prints for each URL what came of it and the connections that the process tried, seen by an audit hook.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import chain

SPECIAL_4 = ["0.0.0.0"]  # noqa: S104 - no server is bound to it
SPECIAL_4 += [
    "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.0.0.53",
    "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
SPECIAL_6 = [
    "::", "::1", "0:0:0:0:0:0:0:1", "::127.0.0.1", "::7f00:1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "100::1",
    "100:0:0:1::1", "2001::1", "2001:0:7f00:1::", "2001:0:808:808:0:0:80ff:fffe", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:db8::1", "2001:1::1", "2620:4f:8000::1", "3ffe::1", "3fff::1", "3fff:fff::1", "4000::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::a9fe:a9fe", "febf::1", "fec0::1",
    "ff02::1", "ff0e::1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1",
]  # fmt: skip
SPELLINGS = [  # of the loopback address, and of two others
    "localhost", "LOCALHOST", "localhost.", "LocalHost", "127.1", "127.0.1", "127.00.00.01", "127.000.000.001",
    "0127.0.0.1", "0177.0.0.1", "0177.1", "00000177.0.0.1", "0177.0000.0000.0001", "017700000001", "2130706433",
    "02130706433", "2130706433.", "0x7f.0.0.1", "0x7f.1", "0x7f000001", "0X7F000001", "0x7f.0x0.0x0.0x1",
    "0x0000007f.1", "127.0x0.0.1", "127.0.0.0x1", "0", "0x0", "00", "0.0", "0x", "127.0.0.1.", "4294967295",
    "4294967296", "18446744071692550145", "3232235521", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376", "169.254.43518", "169.16689662", "127.0.0.256", "1.1.1.1.1", "１２７.０.０.１",
    "①②⑦.⓪.⓪.①", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ",
    "local\u00adhost", "local\u200bhost", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "localhost%00.example",
    "127.0.0.1%00", "127.0.0.1%0a.example", "[127.0.0.1]", "[::1%25lo]", "[fe80::1%25eth0]", "[fe80::1%eth0]",
    "[::1]x", "x[::1]", "[::1", "::1", "[v1.x]", "[]", "", "[0:0:0:0:0:ffff:7f00:1]", "[::ffff:0x7f.1]",
    "[::ffff:127.1]", "[0000::0001]", "[::FFFF:7F00:1]",
]  # fmt: skip
TRICKS = [
    "http://public.example@127.0.0.1:{port}/", "http://public.example:80@127.0.0.1:{port}/",
    "http://@127.0.0.1:{port}/", "http://:@127.0.0.1:{port}/", "http://a:b@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@public.example:{port}/", "http://127.0.0.1:{port}\\@public.example/",
    "http://public.example\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\/",
    "http://127.0.0.1:{port}#@public.example/", "http://127.0.0.1:{port}?@public.example/",
    "http:\\\\127.0.0.1:{port}\\", "http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:///127.0.0.1:{port}/",
    "http:////127.0.0.1:{port}/", "//127.0.0.1:{port}/", "127.0.0.1:{port}", " http://127.0.0.1:{port}/",
    "\thttp://127.0.0.1:{port}/", "ht\ntp://127.0.0.1:{port}/", "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1 :{port}/", "http://public.example 127.0.0.1:{port}/", "http://\r\n127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: public.example", "HTTP://127.0.0.1:{port}/", "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:+{port}/", "http://127.0.0.1:{port}:80/", "http://127.0.0.1:65536/", "http://127.0.0.1:-1/",
    "http://127.0.0.1:８０/", "http://127.0.0.1:/", "https://127.0.0.1:{port}/", "https://localhost/",
    "http://127.0.0.1,public.example:{port}/", "http://public.example;127.0.0.1:{port}/",
    "http://public.example%2f@127.0.0.1:{port}/", "http://public.example%23@127.0.0.1:{port}/",
    "http://[::1]:{port}@public.example/", "http://[::1]@127.0.0.1:{port}/", "http://.127.0.0.1:{port}/",
    "http://127..0.0.1:{port}/", "http://127.0.0.1../", "file:///etc/passwd", "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x", "dict://127.0.0.1:{port}/x",
    "ldap://127.0.0.1:{port}/", "tftp://127.0.0.1:{port}/x", "jar:http://127.0.0.1:{port}/!/", "data:text/html,x",
    "javascript:1", "ws://127.0.0.1:{port}/", "netdoc:///etc/hosts", "url:http://127.0.0.1:{port}/",
    "view-source:http://127.0.0.1:{port}/", "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info", "", "http://", "https://", "http://?", "http://#", "http://%",
    "http://public.example:22/", "http://8.8.8.8:6379/", "https://8.8.8.8:25/", "http://[2606:4700::1111]:11211/",
    "http://8.8.8.8:0/", "http://8.8.8.8:8080/",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"]
PUBLIC += ["64:ff9b::808:808", "2002:808:808::1", "2606:4700::5efe:808:808"]


def wrapped(address: str) -> list[str]:
    """The IPv6 addresses that lead to an IPv4 address: mapped, compatible, NAT64, 6to4, translated, Teredo."""
    bits = int(IPv4Address(address))
    high, low = bits >> 16, bits & 0xFFFF
    teredo = f"2001:0:808:808:0:0:{~high & 0xFFFF:x}:{~low & 0xFFFF:x}"
    return [
        f"::ffff:{address}", f"::ffff:{high:x}:{low:x}", f"::{high:x}:{low:x}", f"64:ff9b::{address}",
        f"2002:{high:x}:{low:x}::1", f"::ffff:0:{address}", teredo,
    ]  # fmt: skip


def names() -> dict[str, list[str]]:
    """Names, and what a resolver says of them: special addresses, alone, and behind or before a public one."""
    special = [*SPECIAL_4, *SPECIAL_6, *chain.from_iterable(map(wrapped, SPECIAL_4[::4]))]
    alone = {f"s{number}.example": [address] for number, address in enumerate(special)}
    mixed = {f"m{number}.example": ["8.8.8.8", address] for number, address in enumerate(SPECIAL_4)}
    mixed |= {f"w{number}.example": [address, "8.8.8.8"] for number, address in enumerate(SPECIAL_6)}
    odd = {"none.example": [], "many.example": ["8.8.8.8", *(f"8.8.{n}.1" for n in range(40))]}
    return {**alone, **mixed, **odd, "zone.example": ["fe80::1%1"], "junk.example": ["localhost"]}


def forms(port: int) -> list[str]:
    """URLs that must open no connection where only the public web may be reached, and `port` there; each once."""
    return list(dict.fromkeys(_forms(port)))


def _forms(port: int) -> Iterator[str]:
    yield from (f"http://{host}:{port}/" for host in [*SPECIAL_4, *SPELLINGS, *names()])
    yield from (f"http://[{host}]:{port}/" for host in SPECIAL_6)
    yield from (f"http://[{host}]:{port}/" for address in SPECIAL_4 for host in wrapped(address))
    yield from (f"https://{host}/latest/meta-data/" for host in SPECIAL_4)
    yield from (each.replace("{port}", str(port)) for each in TRICKS)


def main() -> None:
    """Ask for each URL, and tell."""
    from index.fetching.reach import Reach, by_system, networks
    from index.fetching.request import Limits, Requests
    from index.fetching.target import NotFetched, Refused

    given = json.load(sys.stdin)
    connections: list[str] = []
    sys.addaudithook(lambda event, facts: connections.append(str(facts[1])) if event == "socket.connect" else None)

    def resolve(host: str) -> list[str]:
        return given["names"][host] if host.endswith(".example") else by_system(host)

    reach = Reach(networks(given.get("allowed", [])), resolve, frozenset({80, 443, given["port"]}))
    requests = Requests(reach, Limits(seconds=2))
    for url in given["urls"]:
        connections.clear()
        try:
            outcome = str(requests.get(url).status)
        except Refused:
            outcome = "refused"
        except NotFetched:
            outcome = "not fetched"
        print(json.dumps([url, outcome, connections]))


if __name__ == "__main__":
    main()
