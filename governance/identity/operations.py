"""Exchange one token for another (RFC 8693), consent to it, and take tokens back."""

from datetime import datetime
from typing import Any

from django.db import transaction

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.identity import claims as rules
from governance.identity import clients, verification
from governance.identity.issuing import issue
from governance.identity.models import DelegationGrant, IssuedToken, SpentToken, TokenClient
from governance.identity.types import (
    PERSON,
    TOKEN_TYPES,
    Credentials,
    ExchangeRequest,
    Issued,
    Order,
    TokenRefused,
)
from governance.identity.verification import Verified
from governance.types import SYSTEM, Actor, Subject
from tenants.kernel.errors import PermissionMissing, StaleTransition
from tenants.kernel.jsonvalues import JsonObject
from tenants.tenancy.urls import base_url

REVOKE = "governance.revoke_issuedtoken"
CONSENT = "governance.add_delegationgrant"
MAX_ACTOR_S = 3600
"""Its number is kept so long, to know it again."""


def exchange(
    *, credentials: Credentials, asked: ExchangeRequest, now: datetime, trace_id: str = ""
) -> Issued:
    """Return a token for one audience with which the client acts for the subject; every refusal is on record.

    Call it outside any transaction: an issuer may have to be asked for its keys. Raises TokenRefused.
    """
    client: TokenClient | None = None
    try:
        client = clients.authenticate(credentials, now=now)
        return _exchange(client, asked, now=now, trace_id=trace_id)
    except TokenRefused as refusal:
        record_refusal(
            refusal,
            client=client,
            claimed=credentials.client_id,
            target=asked.target,
            now=now,
            trace_id=trace_id,
        )
        raise


def _exchange(client: TokenClient, asked: ExchangeRequest, *, now: datetime, trace_id: str) -> Issued:
    if asked.requested_type not in TOKEN_TYPES:
        raise TokenRefused("invalid_request", "Only access tokens, which are JWTs, are issued.")
    rules.check_target(asked.target)
    if asked.target not in client.audiences:
        raise TokenRefused("invalid_target", "The client may not get tokens for this resource.")
    subject = verification.subject_of(asked.subject_token, now=now)
    actor = verification.actor_of(asked.actor_token, client=client, now=now) if asked.actor_token else None
    if actor is not None:
        _check_actor(actor, client, now=now)
    with transaction.atomic():
        order = _order(client, asked, subject, actor, now=now)
        if actor is not None:
            verification.spend(actor.claims)
        return issue(order, now=now, trace_id=trace_id)


def _check_actor(actor: Verified, client: TokenClient, *, now: datetime) -> None:
    if "act" in actor.claims:
        raise TokenRefused("invalid_request", "An actor token in which somebody else acts is not understood.")
    if rules.seconds(actor.claims, "exp") > now.timestamp() + MAX_ACTOR_S:
        raise rules.refused(f"The actor token lives longer than {MAX_ACTOR_S} s.")
    if rules.text(actor.claims, "sub") != client.actor:
        raise rules.refused(f"The actor token is not about {client.actor}, as which this client acts.")


def _order(
    client: TokenClient, asked: ExchangeRequest, subject: Verified, actor: Verified | None, *, now: datetime
) -> Order:
    """Return the token that the rules allow; raise TokenRefused where they allow none."""
    user = subject.user
    if user is None:
        raise rules.refused("The subject is no person: an agent's token cannot be passed on.")
    if not user.groups.filter(name__in=client.may_delegate_for).exists():
        raise TokenRefused("unauthorized_client", "The client may not act for people of this person's roles.")
    issuer = base_url()
    has = subject.scopes
    if asked.target == issuer:  # scopes of our own API are permissions
        has = frozenset(name for name in has if user.has_perm(name))
    names = (str(client.pk), client.actor)
    if not rules.names_actor(subject.claims.get("may_act"), names=names, issuer=issuer):
        has &= _consented(client, user, asked.target, now=now)
    scopes = rules.granted(asked.scopes, subject=has, agent=frozenset(client.audiences[asked.target]))
    ends = [verified.claims["exp"] for verified in (subject, actor) if verified is not None]
    own = subject.claims if subject.is_ours else {}
    return Order(
        sub=f"{PERSON}{user.pk}",
        username=user.username,
        audience=asked.target,
        client_id=str(client.pk),
        scopes=scopes,
        act=rules.acting(client.actor, issuer=issuer, prior=subject.claims.get("act")),
        not_after=int(min(ends)),
        run=str(own.get("run", "")),
        agent_version=own.get("agent_version"),
        actor_name=client.name,
        for_us=asked.target == issuer,
        facts={
            "subject_issuer": subject.claims["iss"],
            "subject_jti": str(subject.claims.get("jti", ""))[:64],
        },
    )


def _consented(client: TokenClient, user: User, target: str, *, now: datetime) -> frozenset[str]:
    """Return the scopes that the person's grants let the client have there; refuse it where there is none."""
    grants = DelegationGrant.objects.standing(user_id=user.pk, client=client, audience=target, now=now)
    scopes = list(grants.values_list("scopes", flat=True))
    if not scopes:
        raise rules.refused("The person has not consented to this client acting for them there.")
    return frozenset(name for names in scopes for name in names)


def record_refusal(
    refusal: TokenRefused,
    *,
    client: TokenClient | None,
    claimed: str,
    target: str,
    now: datetime,
    trace_id: str,
) -> None:
    """Put a refused exchange on record, with what it claimed and never with what it showed."""
    actor = Actor(kind="client", id=str(client.pk), name=client.name) if client else SYSTEM
    body: JsonObject = {"error": refusal.error, "why": refusal.detail, "client_id": claimed[:64]}
    subject = Subject(kind="audience", id=target[: rules.MAX_TEXT])
    audit.record(
        Entry(
            at=now,
            action="token.refused",
            actor=actor,
            subject=subject,
            outcome="refused",
            trace_id=trace_id,
            body=body,
        )
    )


@transaction.atomic
def consent(*, grant: DelegationGrant, by: Any) -> DelegationGrant:
    """Store that a client may act for a person; raise PermissionMissing, ValidationError.

    A person consents for themselves only.
    """
    if grant.user_id != by.pk or not by.has_perm(CONSENT):
        raise PermissionMissing("Only the person themselves can let a client act for them.")
    grant.created_by = by.username
    grant.full_clean()
    grant.save(force_insert=True)
    _record(
        "delegation.granted", "delegationgrant", str(grant.pk), by=by, now=grant.created_at, body=_of(grant)
    )
    return grant


@transaction.atomic
def withdraw(*, grant: DelegationGrant, by: Any, now: datetime) -> None:
    """End a consent, and with it the tokens that the client got for the person there.

    Raises PermissionMissing, StaleTransition.
    """
    if grant.user_id != by.pk and not by.has_perm(REVOKE):
        raise PermissionMissing("Only the person themselves, or who may revoke tokens, can withdraw it.")
    if not DelegationGrant.objects.filter(pk=grant.pk, revoked_at=None).update(revoked_at=now):
        raise StaleTransition("It was withdrawn already.")
    tokens = IssuedToken.objects.filter(
        client_id=str(grant.client_id),
        subject=f"{PERSON}{grant.user_id}",
        audience=grant.audience,
        revoked_at=None,
    )
    tokens.update(revoked_at=now, revoked_by=by.username)
    _record("delegation.withdrawn", "delegationgrant", str(grant.pk), by=by, now=now, body=_of(grant))


def _of(grant: DelegationGrant) -> JsonObject:
    return {
        "person": grant.user.username,
        "client": grant.client.name,
        "audience": grant.audience,
        "scopes": grant.scopes,
        "expires_at": grant.expires_at.isoformat(),
    }


@transaction.atomic
def revoke(*, token: IssuedToken, by: Any, now: datetime) -> None:
    """Take a token back: it is no longer accepted here. Raises PermissionMissing, StaleTransition.

    A service that checks signatures alone goes on accepting it until it expires.
    """
    if not by.has_perm(REVOKE):
        raise PermissionMissing("You may not revoke tokens.")
    _revoke(token, by=by, now=now)


def _revoke(token: IssuedToken, *, by: Any, now: datetime) -> None:
    standing = IssuedToken.objects.filter(pk=token.pk, revoked_at=None)
    if not standing.update(revoked_at=now, revoked_by=by.username):
        raise StaleTransition("It was revoked already.")
    body: JsonObject = {"aud": token.audience, "sub": token.subject, "act": token.actor}
    _record("token.revoked", "token", str(token.pk), by=by, now=now, body=body)


@transaction.atomic
def give_up(*, jti: str, by: Any, now: datetime) -> None:
    """End the token with which a request is made; raise StaleTransition if it was ended."""
    _revoke(IssuedToken.objects.get(pk=jti), by=by, now=now)


def _record(action: str, kind: str, pk: str, *, by: Any, now: datetime, body: JsonObject) -> None:
    actor = Actor(kind=by.kind, id=str(by.pk), name=by.username)
    subject = Subject(kind=kind, id=pk)
    audit.record(Entry(at=now, action=action, actor=actor, subject=subject, outcome="ok", body=body))


def forget(*, now: datetime) -> None:
    """Drop what is kept about tokens that nobody accepts any more."""
    IssuedToken.objects.over(now).delete()
    SpentToken.objects.filter(expires_at__lt=now).delete()
