"""Issue a token: the one place where the tenant's key signs one. Recorded before it is signed and after."""

from datetime import UTC, datetime
from uuid import uuid4

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.identity import claims as rules
from governance.identity import jose, keys
from governance.identity.models import IssuedToken
from governance.identity.types import AGENT, PERSON, SKEW, Claims, Issued, Order, TokenRefused
from governance.types import Actor, Subject, UserRef
from tenants.kernel.context import require_schema
from tenants.kernel.jsonvalues import JsonObject


@transaction.atomic
def issue(order: Order, *, now: datetime, trace_id: str = "") -> Issued:
    """Return a signed access token (RFC 9068) that lives for 300 s at most, on record before it leaves.

    Raises TokenRefused where it would have ended already or be larger than 8 KiB, AuditUnavailable where it
    cannot be recorded: then there is none. The token itself is neither stored nor logged.
    """
    signer = keys.signer(now=now)
    if order.audience == signer.issuer and not order.for_us:
        raise TokenRefused("invalid_target", "A token for our own API is got by exchange, with consent.")
    claims = _claims(order, issuer=signer.issuer, rules_version=signer.rules_version, now=now)
    facts = _facts(order, claims)
    audit.record(_entry("token.requested", order, facts, at=now, outcome="", trace_id=trace_id))
    token = jose.sign(claims, key=keys.private_key(signer.kid), kid=signer.kid)
    if len(token) > jose.MAX_BYTES:
        raise TokenRefused("invalid_request", f"The token would be larger than {jose.MAX_BYTES // 1024} KiB.")
    IssuedToken.objects.bulk_create([_row(order, claims, now=now)])
    kept = {**facts, "kid": signer.kid}
    audit.record(_entry("token.issued", order, kept, at=now, outcome="ok", trace_id=trace_id))
    return Issued(
        token=token,
        jti=str(claims["jti"]),
        expires_in=int(claims["exp"]) - int(claims["iat"]),
        scopes=order.scopes,
    )


def _claims(order: Order, *, issuer: str, rules_version: str, now: datetime) -> Claims:
    at = int(now.timestamp())
    claims: Claims = {
        "iss": issuer,
        "sub": order.sub,
        "aud": order.audience,
        "client_id": order.client_id,
        "iat": at,
        "nbf": at,
        "exp": rules.expiry(now=now, not_after=[order.not_after]),
        "jti": str(uuid4()),
        "tenant": require_schema(),
        "policy_version": order.rules_version or rules_version,
    }
    given = {
        "act": order.act,
        "scope": " ".join(sorted(order.scopes)),
        "preferred_username": order.username,
        "run": order.run,
        "agent_version": order.agent_version,
    }
    return claims | {name: value for name, value in given.items() if value}


def _facts(order: Order, claims: Claims) -> JsonObject:
    names = ("jti", "aud", "exp", "sub", "act", "scope")
    return {
        **(order.facts or {}),
        "client_id": order.client_id,
        **{name: claims[name] for name in names if name in claims},
    }


def _row(order: Order, claims: Claims, *, now: datetime) -> IssuedToken:
    return IssuedToken(
        jti=claims["jti"],
        subject=order.sub,
        username=order.username,
        actor=order.act["sub"] if order.act else "",
        client_id=order.client_id,
        audience=order.audience,
        scope=claims.get("scope", ""),
        run=order.run,
        issued_at=now,
        expires_at=datetime.fromtimestamp(claims["exp"], tz=UTC) + SKEW,
    )


def _entry(
    action: str, order: Order, body: JsonObject, *, at: datetime, outcome: str, trace_id: str
) -> Entry:
    actor = str(order.act["sub"] if order.act else order.sub)
    kind, _, number = actor.partition(":")
    name = order.actor_name or order.client_id
    is_agent, is_person = actor.startswith(AGENT), order.sub.startswith(PERSON)
    return Entry(
        at=at,
        action=action,
        actor=Actor(kind=kind, id=number, name=name),
        user=UserRef(id=int(order.sub.removeprefix(PERSON)), name=order.username) if is_person else None,
        agent_id=number if is_agent else "",
        agent_name=name if is_agent else "",
        run_id=order.run or None,
        trace_id=trace_id,
        subject=Subject(kind="audience", id=order.audience),
        outcome=outcome,
        body=body,
    )
