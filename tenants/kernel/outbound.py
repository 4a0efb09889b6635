"""The one way out: every HTTP request to an address that a tenant's admin or a server chose.

A host is resolved once, each of its addresses is checked, and the connection goes to an address that
was checked: a name that changes its answer leads nowhere else. Host header, SNI and certificate check
keep the name. Proxies from the environment are not used, redirects are not followed, compressed
answers are refused (a small one may unpack to any size), and time and size are limited.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import anyio
import httpx2
from django.conf import settings

from tenants.kernel import addresses
from tenants.kernel.errors import DomainError

T = TypeVar("T")

MAX_RESPONSE_BYTES = 1024 * 1024
CONNECT_TIMEOUT_S = 10.0
MAX_URL = 8192
PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"[!-\[\]-~]+\Z")  # ASCII without space, control characters and the backslash
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class OutboundError(DomainError):
    """A request got no usable answer. `sent` says whether the other side may have received it."""

    code = "outbound-failed"
    status = 502
    sent = False


class OutboundRefused(OutboundError):
    """The URL, or an address behind its host, is not one that requests may go to."""

    code = "outbound-refused"
    status = 422


class Unreachable(OutboundError):
    """No connection could be made: nothing was sent."""

    code = "outbound-unreachable"


class Interrupted(OutboundError):
    """The time ran out or the connection broke after the request was sent, in part or whole."""

    code = "outbound-interrupted"
    sent = True


class ResponseRefused(OutboundError):
    """The answer is larger than allowed, or compressed."""

    code = "outbound-response-refused"
    sent = True


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the other side said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host by the system's resolver; raise OSError where there are none."""
    found = await anyio.to_thread.run_sync(_getaddrinfo, host, port, abandon_on_cancel=True)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _getaddrinfo(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def check_url(url: str) -> httpx2.URL:
    """Return a URL that may be asked, parsed; raise OutboundRefused saying why not. Resolves nothing."""
    if len(url) > MAX_URL or not _PLAIN.match(url):
        raise OutboundRefused("The URL is too long, or holds characters that must be percent-encoded.")
    try:
        parsed = httpx2.URL(url)
        literal = addresses.literal(_host(parsed))
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        raise OutboundRefused(f"The URL names no host that requests may go to: {error}.") from error
    if parsed.scheme not in PORTS:
        raise OutboundRefused("Only http and https URLs may be asked.")
    if parsed.userinfo:
        raise OutboundRefused("A URL must not carry a name or password.")
    if literal is not None:
        _check_addresses([str(literal)])
    return parsed


@cache
def _trusted() -> ssl.SSLContext:
    """Return the certificate authorities, read once: that takes tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)


def _host(url: httpx2.URL) -> str:
    return url.raw_host.decode("ascii").lower()


def _check_addresses(found: Sequence[str]) -> None:
    """Refuse the host if one of its addresses is refused: a mixed answer is how names are rebound."""
    allowed = addresses.networks(settings.OUTBOUND_ALLOWED_CIDRS)
    if not found or not all(addresses.is_allowed(address, allowed=allowed) for address in found):
        raise OutboundRefused(
            "The host has an address that requests must not go to: it is private, local or reserved."
            " An operator may allow it with OUTBOUND_ALLOWED_CIDRS."
        )


def checked_address(host: str, port: int) -> str:
    """Return an address of the host that connections may go to; raise OutboundRefused, Unreachable.

    For protocols other than HTTP: connect to the address, and verify certificates by the name.
    """
    try:
        literal = addresses.literal(host)
        found = [str(literal)] if literal else [str(entry[4][0]) for entry in _getaddrinfo(host, port)]
    except (OSError, UnicodeError, ValueError) as error:
        raise Unreachable(f"{host} has no address.") from error
    _check_addresses(found)
    return found[0]


class _Limited(httpx2.AsyncByteStream):
    """A body that ends in an error when it is longer than allowed."""

    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream, self._left, self._limit = stream, limit, limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise ResponseRefused(f"The answer is larger than {self._limit // 1024} KB.")
            yield chunk

    async def aclose(self) -> None:
        """Close the connection's stream."""
        await self._stream.aclose()


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Checks where each request goes, redirects included, and connects to the address it checked."""

    def __init__(self, *, max_bytes: int, resolver: Resolve) -> None:
        self._max_bytes, self._resolve = max_bytes, resolver
        # By name, not by address: a TLS connection made for one name must not serve another.
        self._inner: dict[tuple[str, str, int], httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to one of the host's addresses, the next if a connection is refused."""
        url = check_url(str(request.url))
        host, port = _host(url), url.port or PORTS[url.scheme]
        inner = self._inner.setdefault(
            (url.scheme, host, port), httpx2.AsyncHTTPTransport(verify=_trusted(), trust_env=False, retries=0)
        )
        found = await self._addresses(host, port)
        for n, address in enumerate(found, 1):
            try:
                response = await inner.handle_async_request(_aimed(request, url, host, address))
                break
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if n == len(found):
                    raise
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise ResponseRefused("The answer is compressed, which was not asked for.")
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  # narrows the type
        response.stream = _Limited(response.stream, self._max_bytes)
        return response

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        literal = addresses.literal(host)
        if literal is not None:
            return [str(literal)]
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError(f"{host} has no address") from error
        _check_addresses(found)
        return found

    async def aclose(self) -> None:
        """Close every connection."""
        for inner in self._inner.values():
            await inner.aclose()


def _aimed(request: httpx2.Request, url: httpx2.URL, host: str, address: str) -> httpx2.Request:
    """Return the request as it is sent to one address: Host header and SNI keep the name."""
    extensions = {**request.extensions}
    if host != address:
        extensions["sni_hostname"] = host
    return httpx2.Request(
        request.method,
        url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )


def client(
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_RESPONSE_BYTES,
    resolver: Resolve = resolve,
) -> httpx2.AsyncClient:
    """Return an asynchronous client; `timeout_s` limits each wait, the caller limits the whole."""
    return httpx2.AsyncClient(
        transport=GuardedTransport(max_bytes=max_bytes, resolver=resolver),
        timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
        headers={"User-Agent": "countersign", **(headers or {}), "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )


def translated(error: BaseException, *, sent: bool) -> OutboundError:
    """Return what an error of the client means; `sent` says whether the request had begun to leave."""
    match error:
        case OutboundError():
            return error
        case httpx2.InvalidURL() | httpx2.UnsupportedProtocol() | httpx2.LocalProtocolError():
            return OutboundRefused("The request cannot be sent as it is.")
        case TimeoutError() | httpx2.TimeoutException() if sent:
            return Interrupted("No complete answer came in time.")
        case TimeoutError() | httpx2.TimeoutException():
            return Unreachable("No connection could be made in time.")
    if sent:
        return Interrupted("The connection broke before the answer was complete.")
    return Unreachable("No connection could be made.")


def request(
    method: str,
    url: str,
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | None = None,
    max_bytes: int = MAX_RESPONSE_BYTES,
    resolver: Resolve = resolve,
) -> Answer:
    """Send one request and return the whole answer, whatever its status; redirects are answers too.

    `content` is sent byte for byte, for what is signed; `json` is written out.
    `timeout_s` limits everything together, so that an answer that trickles in ends as well. Raises an
    OutboundError whose `sent` says whether the other side may have acted.
    """

    async def go() -> Answer:
        check_url(url)
        sending = Sending()
        try:
            async with (
                asyncio.timeout(timeout_s),
                client(timeout_s=timeout_s, headers=headers, max_bytes=max_bytes, resolver=resolver) as http,
            ):
                response = await http.request(
                    method, url, json=json, content=content, extensions={"trace": sending.watch}
                )
                return Answer(status=response.status_code, headers=response.headers, body=response.content)
        except (OutboundError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
            raise translated(error, sent=sending.begun) from error

    return run(go())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine to its end on an event loop in a thread of its own; return or raise what it does.

    Whether an event loop runs in the caller's thread already does not matter then. The thread has no
    tenant: the work asks no database.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbound") as pool:
        return pool.submit(asyncio.run, work).result()


class Sending:
    """Notes when the first byte of a request is about to leave."""

    def __init__(self) -> None:
        self.begun = False

    async def watch(self, event: str, _info: Mapping[str, Any]) -> None:
        """Take an event of the client's trace extension."""
        if event.endswith("send_request_headers.started"):
            self.begun = True
