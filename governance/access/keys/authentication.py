"""Sign in by API key: `Authorization: Bearer cs_…`."""

from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from governance.access.keys import scopes, secret
from governance.access.keys.models import ApiKey
from governance.access.keys.operations import record
from governance.access.models import User
from tenants.kernel.clients import address_of

NOTED_EVERY = timedelta(minutes=1)


class ApiKeyAuthentication(BaseAuthentication):
    """Accept API keys of active people, each within its scopes. A text that cannot be a key costs no query."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """Return the person with the key; None for other credentials. Raises AuthenticationFailed."""
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text.startswith(secret.MARK):
            return None
        if not secret.is_whole(text):
            raise AuthenticationFailed
        key = ApiKey.objects.select_related("owner").filter(digest=secret.digest(text)).first()
        now = timezone.now()
        why = _why_refused(key, address_of(request), now)
        if key is None or why:
            record("access.key-refused", key, now=now, outcome="refused", body={"why": why})
            raise AuthenticationFailed
        counted = key.scopes if request.method in SAFE_METHODS else scopes.that_write(key.scopes)
        if not counted:
            raise PermissionDenied("This key only reads.")
        if key.last_used_at is None or now - key.last_used_at >= NOTED_EVERY:
            before = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTED_EVERY)
            ApiKey.objects.filter(before, pk=key.pk).update(last_used_at=now)
        user = key.owner
        user.scoped_to = scopes.permissions_of(counted)
        return user, key

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme for a 401."""
        return "Bearer"


def _why_refused(key: ApiKey | None, address: str, now: Any) -> str:
    """Return why the key does not count now, empty if it does."""
    if key is None:
        return "unknown"
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at <= now:
        return "expired"
    if not key.owner.is_active or key.owner.kind != User.Kind.PERSON:
        return "owner inactive"
    if key.allowed_ips and not _comes_from(address, key.allowed_ips):
        return f"not from {address}"
    return ""


def _comes_from(address: str, networks: list[str]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(network) for network in networks)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped upstream
    """Describe the key in the API's schema."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {"type": "http", "scheme": "bearer", "description": "An API key, cs_…"}
