"""Let requests in that carry a token this tenant issued for its own API."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from governance.access.models import User
from governance.audit.via import via
from governance.identity import claims as rules
from governance.identity import operations, verification
from governance.identity.types import TokenRefused

_PARTS = 3
_personal: set[str] = set()


def keep_personal(*permissions: str) -> None:
    """Name permissions that no token carries: what they allow, a person does themselves."""
    _personal.update(permissions)


@dataclass(frozen=True, kw_only=True)
class Delegated:
    """The token with which somebody acts for a person."""

    jti: str
    user: User
    actor: str

    def delete(self) -> None:
        """End it, as signing out does with a session's token."""
        operations.give_up(jti=self.jti, by=self.user, now=timezone.now())


class DelegatedTokenAuthentication(BaseAuthentication):
    """Accept JWTs of this tenant for its API; a request may what the person may and the token carries."""

    def authenticate(self, request: Request) -> tuple[User, Delegated] | None:
        """Return the person and the token; None for what is no JWT. Raises AuthenticationFailed."""
        token = _bearer(request)
        if token is None:
            return None
        try:
            verified = verification.own(token, now=timezone.now())
            actors = rules.chain(verified.claims.get("act"))
        except TokenRefused as refusal:
            raise AuthenticationFailed(refusal.detail) from refusal
        if verified.user is None:  # an agent acts through runs, never through a session
            raise AuthenticationFailed
        user, actor = verified.user, actors[0]["sub"] if actors else ""
        user.scoped_to = verified.scopes - _personal
        via.set({"act": actor, "jti": verified.claims["jti"]})
        return user, Delegated(jti=str(verified.claims["jti"]), user=user, actor=actor)

    def authenticate_header(self, request: Request) -> str:
        """Return the scheme to answer a refused request with."""
        return "Bearer"


def _bearer(request: Request) -> str | None:
    """Return the bearer token if it looks like a JWT; session tokens and API keys do not."""
    scheme, _, token = get_authorization_header(request).decode("latin-1").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.startswith("eyJ") or len(token.split(".")) != _PARTS:
        return None
    return token


class DelegatedTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped upstream
    """Describe the token in the API's schema."""

    target_class = DelegatedTokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
