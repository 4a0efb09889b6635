"""Which address a request came from."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings

UNKNOWN = "0.0.0.0"  # noqa: S104  # no interface is bound: the word for a peer without an address


def address_of(request: Any) -> str:
    """Return the client's address: the peer's, or what the configured number of proxies say it is.

    Each proxy appends the peer it saw to X-Forwarded-For, so with n trusted proxies the n-th entry from
    the right is the last that a client cannot write. A shorter or malformed header is not believed.
    """
    meta = getattr(request, "META", {})
    peer = _valid(meta.get("REMOTE_ADDR", "")) or UNKNOWN
    count = settings.TRUSTED_PROXIES
    if not count:
        return peer
    seen = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    return (_valid(seen[-count]) if len(seen) >= count else "") or peer


def _valid(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
