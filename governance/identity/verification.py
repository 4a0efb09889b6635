"""Whom a token is from and whom it is about. It may ask an issuer for its keys, so hold no transaction."""

import hashlib
import json
import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from governance.access.models import User
from governance.identity import claims as rules
from governance.identity import jose
from governance.identity.models import IssuedToken, SigningKey, TokenClient, TrustedIssuer
from governance.identity.types import PERSON, Claims
from tenants.kernel import outbound, prepared
from tenants.kernel.context import require_schema
from tenants.kernel.jsonvalues import JsonObject
from tenants.tenancy.urls import base_url

logger = logging.getLogger(__name__)
MAX_KEY_SET_BYTES = 64 * 1024
MAX_KEYS = 50
FETCH_TIMEOUT_S = 5
FRESH = timedelta(minutes=10)
PATIENCE = timedelta(seconds=60)
"""How long an issuer is not asked again, whatever kid a token names."""
_SPEND = """INSERT INTO governance_spenttoken (digest, expires_at) VALUES (%s, %s)
ON CONFLICT DO NOTHING RETURNING 1"""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A token whose signature, audience and times hold."""

    claims: Claims
    user: User | None = None
    """The person it is about, where it is about one."""
    scopes: frozenset[str] = frozenset()
    is_ours: bool = False


@dataclass(frozen=True, kw_only=True)
class _KeySet:
    keys: dict[str, JsonObject]
    asked_at: datetime


_fetched: dict[tuple[str, str], _KeySet] = {}
_fetching = threading.Lock()


def subject_of(token: str, *, now: datetime) -> Verified:
    """Return what an access token of a trusted issuer says of a person; raise TokenRefused."""
    header, seen = jose.unverified(token)
    issuer = rules.text(seen, "iss")
    if issuer == base_url():
        return own(token, now=now)
    trusted = TrustedIssuer.objects.filter(issuer=issuer, enabled=True).first()
    if trusted is None:
        raise rules.refused("The token's issuer is not trusted here.")
    claims = _verified_by(trusted, token, now=now)
    rules.check_type(header, claims, plain=trusted.plain_jwt)
    rules.check_audience(claims, ours=[trusted.audience], only=False)
    rules.check_times(claims, now=now)
    rules.text(claims, "sub")
    user = _person(username=rules.text(claims, trusted.username_claim))
    return Verified(claims=claims, user=user, scopes=rules.scopes_of(claims) | frozenset(trusted.scopes))


def own(token: str, *, now: datetime) -> Verified:
    """Return what a token that this tenant issued for its own API says; raise TokenRefused."""
    header, _ = jose.unverified(token)
    key = SigningKey.objects.filter(kid=header["kid"]).first()
    if key is None or (key.published_until is not None and key.published_until <= now):
        raise rules.refused("The token names no key of this tenant.")
    claims = jose.verify(token, jwk=key.public_jwk)
    issuer = base_url()
    rules.check_type(header, claims, plain=False)
    if rules.text(claims, "iss") != issuer or claims.get("tenant") != require_schema():
        raise rules.refused("The token was issued by somebody else.")
    rules.check_audience(claims, ours=[issuer], only=True)
    rules.check_times(claims, now=now)
    _check_standing(claims)
    return Verified(claims=claims, user=_subject(claims), scopes=rules.scopes_of(claims), is_ours=True)


def actor_of(token: str, *, client: TokenClient, now: datetime) -> Verified:
    """Return what an actor token says: of a trusted issuer, or signed by the client with its own key."""
    header, seen = jose.unverified(token)
    issuer = rules.text(seen, "iss")
    if issuer == str(client.pk):
        claims = jose.verify(token, jwk=_key_in(_key_map(client.jwks), header["kid"]))
        rules.check_audience(claims, ours=[base_url()], only=True)
        rules.check_times(claims, now=now)
        return Verified(claims=claims)
    trusted = TrustedIssuer.objects.filter(issuer=issuer, enabled=True).first()
    if trusted is None:
        raise rules.refused("The actor token's issuer is not trusted here.")
    claims = _verified_by(trusted, token, now=now)
    rules.check_type(header, claims, plain=trusted.plain_jwt)
    rules.check_audience(claims, ours=[trusted.audience], only=False)
    rules.check_times(claims, now=now)
    return Verified(claims=claims)


def assertion_of(token: str, *, client: TokenClient, now: datetime) -> Claims:
    """Return the claims of an assertion that the client signed about itself; raise TokenRefused."""
    header, _ = jose.unverified(token)
    if str(header.get("typ", "JWT")).lower() not in {"jwt", "client-authentication+jwt"}:
        raise rules.refused("An assertion is of type JWT: this is another kind of token.")
    claims = jose.verify(token, jwk=_key_in(_key_map(client.jwks), header["kid"]))
    issuer = base_url()
    rules.check_assertion(claims, client_id=str(client.pk), ours=[issuer, f"{issuer}/oauth/token"], now=now)
    return claims


def spend(claims: Claims) -> None:
    """Use up a token that may be used once; refuse it if it was. Of two at once, one wins."""
    named = json.dumps([rules.text(claims, "iss"), rules.text(claims, "jti")])
    digest = hashlib.sha256(named.encode()).hexdigest()
    ends = datetime.fromtimestamp(rules.seconds(claims, "exp"), tz=UTC) + 2 * PATIENCE
    if not prepared.execute(_SPEND, [digest, ends]):
        raise rules.refused("The token may be used once, and has been.")


def _check_standing(claims: Claims) -> None:
    try:
        jti = UUID(rules.text(claims, "jti"))
    except ValueError as error:
        raise rules.refused("The token has no number of ours.") from error
    if not IssuedToken.objects.filter(pk=jti, revoked_at=None).exists():
        raise rules.refused("The token was revoked.")


def _subject(claims: Claims) -> User | None:
    sub = rules.text(claims, "sub")
    number = sub.removeprefix(PERSON)
    if not sub.startswith(PERSON) or not number.isascii() or not number.isdigit():
        return None
    user = User.objects.filter(pk=int(number), is_active=True, kind=User.Kind.PERSON).first()
    if user is None:
        raise rules.refused("The person the token is about is not active here.")
    return user


def _person(*, username: str) -> User:
    user = User.objects.filter(username=username, is_active=True, kind=User.Kind.PERSON).first()
    if user is None:
        raise rules.refused("The token is about nobody who is active here.")
    return user


# --- keys of others


def _verified_by(trusted: TrustedIssuer, token: str, *, now: datetime) -> Claims:
    header, _ = jose.unverified(token)
    return jose.verify(token, jwk=_key_in(_key_set(trusted, header["kid"], now=now), header["kid"]))


def _key_in(keys: dict[str, JsonObject], kid: str) -> JsonObject:
    if kid not in keys:
        raise rules.refused("The token names a key that its issuer does not have.")
    return keys[kid]


def _key_map(jwks: JsonObject) -> dict[str, JsonObject]:
    """Return the keys that may be used here, by kid; others in the set are left out."""
    found: dict[str, JsonObject] = {}
    keys = jwks.get("keys")
    for key in keys[:MAX_KEYS] if isinstance(keys, list) else []:
        if isinstance(key, dict) and isinstance(key.get("kid"), str) and _is_usable(key):
            found[key["kid"]] = key
    return found


def _is_usable(key: JsonObject) -> bool:
    try:
        jose.public_key(key)
    except ValueError:
        return False
    return True


def _key_set(trusted: TrustedIssuer, kid: str, *, now: datetime) -> dict[str, JsonObject]:
    """Return an issuer's keys, asked for again when they are old or lack the kid, once a minute at most."""
    place = (require_schema(), f"{trusted.pk} {trusted.jwks_url}")
    with _fetching:
        known = _fetched.get(place)
        if known is not None:
            age = abs(now - known.asked_at)
            if age < PATIENCE or (age < FRESH and kid in known.keys):
                return known.keys
        _fetched[place] = _KeySet(keys=known.keys if known else {}, asked_at=now)
    keys = _fetch(trusted.jwks_url)
    if keys is None:
        return _fetched[place].keys
    _fetched[place] = _KeySet(keys=keys, asked_at=now)
    return keys


def _fetch(url: str) -> dict[str, JsonObject] | None:
    """Return the keys of a key set; None where it cannot be had."""
    try:
        answer = outbound.request("GET", url, timeout_s=FETCH_TIMEOUT_S, max_bytes=MAX_KEY_SET_BYTES)
        value = json.loads(answer.body)
    except (outbound.OutboundError, ValueError, RecursionError) as error:
        logger.warning("The key set of a trusted issuer cannot be had: %s", type(error).__name__)
        return None
    return _key_map(value) if isinstance(value, dict) else None
