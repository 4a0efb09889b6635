"""Which addresses outbound requests may go to. Values in, verdict out; nothing is resolved here."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's special-purpose registries, and Azure's host agent, which has a public address of its own.
_REFUSED_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
# All of IPv6 that is routed lies in one block. Outside it: loopback, unique local, link-local, multicast,
# IPv4-mapped, IPv4-compatible and NAT64. Inside it: Teredo and its like, documentation, 6to4.
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = [IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)\Z")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?\Z")


def networks(texts: Iterable[str]) -> list[Network]:
    """Return the networks; raise ValueError naming the first that is none."""
    return [ip_network(text) for text in texts]


def literal(host: str) -> Address | None:
    """Return the address that a URL's host spells out, or None for a name; the host is in lower case.

    Raises ValueError for what is neither: an address with a zone, and an IPv4 address in a form that
    programs read differently (octal, hexadecimal, one number, fewer than four parts).
    """
    if ":" in host:
        if "%" in host:
            raise ValueError("an address with a zone")
        return IPv6Address(host)
    labels = host.removesuffix(".").split(".")
    if _NUMBER.match(labels[-1]):
        return IPv4Address(host)
    if not _NAME.match(host) or "" in labels:
        raise ValueError("not a host name")
    return None


def is_allowed(address: str, *, allowed: Iterable[Network]) -> bool:
    """Say whether a connection may be made: to public addresses, and to networks the operator allows."""
    if "%" in address:
        return False
    parsed = ip_address(address)
    if any(parsed.version == network.version and parsed in network for network in allowed):
        return True
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _REFUSED_V4)
    return parsed in _GLOBAL_V6 and not any(parsed in network for network in _REFUSED_V6)
