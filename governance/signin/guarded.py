"""The guarded outbound client in the shape that allauth's OpenID Connect code asks for."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlencode

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from tenants.kernel import outbound

TIMEOUT_S = 10.0
OK, REDIRECT = 200, 300


class Reply:
    """An answer with the few members that are read of it."""

    def __init__(self, answer: outbound.Answer) -> None:
        self.status_code, self.headers, self.content = answer.status, answer.headers, answer.body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body; raise OAuth2Error if it is no JSON."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise OAuth2Error("The identity provider's answer is not JSON.") from error

    def raise_for_status(self) -> None:
        """Raise OAuth2Error unless the answer is a success."""
        if not OK <= self.status_code < REDIRECT:
            raise OAuth2Error(f"The identity provider answered {self.status_code}.")


class GuardedSession:
    """Sends through tenants.kernel.outbound: no private addresses, no redirects, no proxies."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def get(self, url: str, **options: Any) -> Reply:
        """Send a GET."""
        return self.request("GET", url, **options)

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
    ) -> Reply:
        """Send a request, a form in its body; raise OAuth2Error if there is no usable answer."""
        sent = {"Accept": "application/json", **(headers or {})}
        if auth is not None:
            pair = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
            sent["Authorization"] = f"Basic {pair}"
        if params:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"
        content = None
        if data is not None:
            content = urlencode(data).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            return Reply(outbound.request(method, url, timeout_s=TIMEOUT_S, headers=sent, content=content))
        except outbound.OutboundError as error:
            raise OAuth2Error(error.detail) from error
