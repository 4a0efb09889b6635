"""Clients: who may exchange tokens, and how each proves that it is the one."""

import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.identity import verification
from governance.identity.models import IssuedToken, TokenClient
from governance.identity.types import Credentials, TokenRefused

SECRET_BYTES = 32
_WRONG = "The client is not known here, or its credentials are wrong."


def authenticate(credentials: Credentials, *, now: datetime) -> TokenClient:
    """Return the client that the credentials prove; raise TokenRefused, the same for each that do not.

    An assertion is used up by it, whatever becomes of the request. Of a client with keys no secret is taken,
    and of one with a secret no assertion.
    """
    client = _find(credentials.client_id)
    if client is None:
        raise TokenRefused("invalid_client", _WRONG)
    if credentials.assertion:
        if not client.jwks:
            raise TokenRefused("invalid_client", _WRONG)
        try:
            verification.spend(verification.assertion_of(credentials.assertion, client=client, now=now))
        except TokenRefused as refusal:
            raise TokenRefused("invalid_client", refusal.detail) from refusal
        return client
    if client.jwks or not client.secret_hash:
        raise TokenRefused("invalid_client", _WRONG)
    if not hmac.compare_digest(client.secret_hash, _hash(credentials.secret)):
        raise TokenRefused("invalid_client", _WRONG)
    return client


def _find(client_id: str) -> TokenClient | None:
    try:
        pk = UUID(client_id)
    except ValueError:
        return None
    return TokenClient.objects.filter(pk=pk, enabled=True).first()


def _hash(secret: str) -> str:
    """Return what is stored of a secret: it is 256 random bits, so a fast digest cannot be searched."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@transaction.atomic
def give_secret(*, client: TokenClient) -> str:
    """Give a client a new secret and return it; it is shown this once, and the old one ends."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = TokenClient.objects.select_for_update().get(pk=client.pk)
    if row.jwks:
        raise TokenRefused("invalid_request", "The client signs its assertions, so it has no secret.")
    row.secret_hash = client.secret_hash = _hash(secret)
    row.save(update_fields=["secret_hash"])
    return secret


@transaction.atomic
def save(*, client: TokenClient, by: str, now: datetime) -> TokenClient:
    """Store a client. One that is disabled, or changed, keeps no token that it got before.

    Raises ValidationError for what cannot be one.
    """
    client.full_clean()
    if client.jwks:
        client.secret_hash = ""
    client.save()
    IssuedToken.objects.filter(client_id=str(client.pk), revoked_at=None).update(
        revoked_at=now, revoked_by=by
    )
    return client
