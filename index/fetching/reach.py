"""Allows connections to public addresses only; each name is resolved once and all its addresses are checked.

*Source*: IANA's registries of special-purpose addresses, 2025-10; RFC 4291, 6052, 3056, 4380, 5214.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from index.fetching.target import PORTS, Refused, Target

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str], Sequence[str]]

MOST_ADDRESSES = 32  # of a name

# Special, though `is_global` lets them pass in some version of Python: protocol assignments (Teredo among them),
# AS112, relays, documentation, and the public address under which Azure answers its own machines.
_SPECIAL = [
    IPv4Network(text)
    for text in (
        "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24", "168.63.129.16/32",
    )
]  # fmt: skip
_SPECIAL_6 = [
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")
]
_UNICAST = IPv6Network("2000::/3")  # all that is allocated for the public
_LAST_32_BITS = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")  # IPv4-mapped, NAT64
_6TO4 = IPv6Network("2002::/16")
_ISATAP = 0x5EFE, 0x02005EFE


class Reach(NamedTuple):
    """What may be connected to: public addresses at `ports`, and any port in the `allowed` networks."""

    allowed: tuple[Network, ...] = ()
    resolve: Resolve | None = None  # None: by the system
    ports: frozenset[int] = frozenset(PORTS.values())

    def addresses(self, url: str, target: Target) -> list[Address]:
        """The addresses of the target's host, all of which may be connected to. Raises `Refused`."""
        addresses = _literal(target.host) or _resolved(url, target.host, self.resolve or by_system)
        for address in addresses:
            if not self.permits(address, target.port):
                raise Refused(url, f"leads to {address}, port {target.port}, which is not of the public web")
        return addresses

    def permits(self, address: Address, port: int) -> bool:
        """Whether a connection there may be opened."""
        allowed = any(address in network for network in self.allowed if network.version == address.version)
        return allowed or (port in self.ports and is_public(address))


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may be there, also by the IPv4 address that is wrapped in an IPv6 one."""
    if isinstance(address, IPv4Address):
        special = address.is_multicast or address.is_reserved or any(address in network for network in _SPECIAL)
        return address.is_global and not special
    bits = int(address)
    if any(address in network for network in _LAST_32_BITS):
        return is_public(IPv4Address(bits & 0xFFFFFFFF))
    if address in _6TO4:
        return is_public(IPv4Address(bits >> 80 & 0xFFFFFFFF))
    if bits >> 32 & 0xFFFFFFFF in _ISATAP and not is_public(IPv4Address(bits & 0xFFFFFFFF)):
        return False
    return address in _UNICAST and address.is_global and not any(address in network for network in _SPECIAL_6)


def by_system(host: str) -> list[str]:
    """The host's addresses as the system's resolver gives them. Raises `OSError`, `UnicodeError`."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises `ValueError`."""
    return tuple(ip_network(text) for text in texts)


def _literal(host: str) -> list[Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        return []


def _resolved(url: str, host: str, resolve: Resolve) -> list[Address]:
    try:
        addresses = [ip_address(text) for text in dict.fromkeys(resolve(host))]
    except (OSError, ValueError) as error:
        raise Refused(url, f"its host cannot be looked up: {error}") from error
    if not 0 < len(addresses) <= MOST_ADDRESSES:
        raise Refused(url, f"its host has {len(addresses)} addresses")
    return addresses
