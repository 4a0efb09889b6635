"""Values of token exchange (RFC 8693), and its one kind of refusal. No Django."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import JsonObject

LIFETIME = timedelta(seconds=300)
SKEW = timedelta(seconds=60)
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # a name of RFC 8693
JWT = "urn:ietf:params:oauth:token-type:jwt"
TOKEN_TYPES = (ACCESS_TOKEN, JWT)
PERSON, AGENT, CLIENT, SERVICE = "user:", "agent:", "client:", "service:"
"""What `sub` begins with."""


class TokenRefused(DomainError):
    """A request for a token, or a token, is refused; `error` is the word of RFC 6749, section 5.2."""

    code = "token-refused"

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.status = 401 if error == "invalid_client" else 400  # type: ignore[misc]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """How a client says who it is: with a secret, or with an assertion it signed."""

    client_id: str = ""
    secret: str = ""
    assertion: str = ""


@dataclass(frozen=True, kw_only=True)
class ExchangeRequest:
    """What a client asks for at the token endpoint. `target` is the one resource or audience."""

    subject_token: str
    target: str
    actor_token: str = ""
    scopes: frozenset[str] | None = None
    """None asks for all that subject and client both have."""
    requested_type: str = ACCESS_TOKEN


@dataclass(frozen=True, kw_only=True)
class Order:
    """A token to be issued: everything about it but issuer, times and number."""

    sub: str
    audience: str
    client_id: str
    scopes: frozenset[str] = frozenset()
    act: JsonObject | None = None
    username: str = ""
    not_after: int | None = None
    """Seconds since the epoch; it ends then even if it could live longer."""
    run: str = ""
    agent_version: int | None = None
    rules_version: str = ""
    actor_name: str = ""
    """What the audit log calls who acts."""
    facts: JsonObject | None = None
    """What the audit log keeps besides."""
    for_us: bool = False
    """Whether it may be for our own API: the scopes were held against what the person may."""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A token that was issued."""

    token: str
    jti: str
    expires_in: int
    scopes: frozenset[str]


Claims = dict[str, Any]
