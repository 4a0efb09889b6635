"""The keys with which a tenant signs: made on first use, published ahead, rotated without a gap.

next → current → retired. A key is in the key set from the moment it is next, so that whoever checks tokens
has it before it signs, and stays there until the last token it signed has expired.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.identity import jose
from governance.identity.models import SigningKey
from governance.identity.types import LIFETIME, SKEW
from governance.types import SYSTEM, Actor, Subject
from tenants.kernel import prepared
from tenants.kernel.context import require_schema
from tenants.kernel.jsonvalues import JsonObject
from tenants.kernel.models import uuid7
from tenants.keys import operations as tenant_keys
from tenants.keys.operations import Place, Sealed
from tenants.tenancy.urls import url_of

FIRST_USE = 0x6B_65_79_73
MARGIN = timedelta(seconds=60)
"""For a token that is signed with the old key while the new one becomes current."""
CACHED_S = 300
"""How long others may keep the key set."""
_SIGNER = """
SELECT k.kid, d.domain, own.revision, platform.revision
FROM governance_rulebookstate own
CROSS JOIN public.governance_rulebookstate platform
LEFT JOIN governance_signingkey k ON k.status = 'current'
LEFT JOIN LATERAL (SELECT domain FROM public.tenants_domain JOIN public.tenants_tenant t ON t.id = tenant_id
                   WHERE t.schema_name = %(schema)s ORDER BY is_primary DESC, tenants_domain.id LIMIT 1) d ON true
"""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """With what the current tenant signs now, as whom, and under which state of its rules."""

    kid: str
    issuer: str
    rules_version: str


_loaded: dict[tuple[str, str], jose.PrivateKey] = {}


def signer(*, now: datetime) -> Signer:
    """Return what signs now, in one statement; make the tenant's first keys where it has none."""
    [(kid, domain, own, platform)] = prepared.execute(_SIGNER, {"schema": require_schema()})
    if kid is None:
        kid = ensure(now=now).kid
    return Signer(kid=kid, issuer=url_of(domain), rules_version=f"{own}/{platform}")


def private_key(kid: str) -> jose.PrivateKey:
    """Return a key of the current tenant, opened once by this process."""
    place = (require_schema(), kid)
    if place not in _loaded:
        row = SigningKey.objects.get(kid=kid)
        sealed = Sealed(ciphertext=bytes(row.ciphertext), key_version=row.key_version)
        _loaded[place] = jose.from_pem(tenant_keys.unseal(sealed, _place(row)))
    return _loaded[place]


@transaction.atomic
def ensure(*, now: datetime) -> SigningKey:
    """Return the current key; make it and the next one where there is none. Two at once make one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [FIRST_USE, require_schema()])
    current = SigningKey.objects.filter(status=SigningKey.Status.CURRENT).first()
    if current is not None:
        return current
    if not SigningKey.objects.filter(status=SigningKey.Status.NEXT).exists():
        _make(now=now)
    return _advance(actor=SYSTEM, now=now, compromised=False)


@transaction.atomic
def rotate(*, now: datetime, by: Any = None, compromised: bool = False) -> SigningKey:
    """Let the next key sign, make one to follow it, and return the one that signs.

    The old one stays in the key set until its last token has expired. `compromised` takes it out at once
    and ends every token that it has signed; those who cached the key set go on for up to 300 s.
    """
    ensure(now=now)
    actor = Actor(kind=by.kind, id=str(by.pk), name=by.username) if by is not None else SYSTEM
    return _advance(actor=actor, now=now, compromised=compromised)


def _advance(*, actor: Actor, now: datetime, compromised: bool) -> SigningKey:
    keys = {key.status: key for key in SigningKey.objects.select_for_update().exclude(status="retired")}
    old, following = keys.get(SigningKey.Status.CURRENT), keys[SigningKey.Status.NEXT]
    if old is not None:
        until = now if compromised else now + LIFETIME + SKEW + MARGIN
        old.transition(SigningKey.Status.RETIRED, retired_at=now, published_until=until)
    following.transition(SigningKey.Status.CURRENT, current_at=now)
    made = _make(now=now)
    body = {"current": following.kid, "next": made.kid, "retired": old.kid if old else ""}
    subject = Subject(kind="signingkey", id=following.kid)
    entry = Entry(
        at=now,
        action="keys.rotated",
        actor=actor,
        subject=subject,
        outcome="compromised" if compromised else "ok",
        body=body,
    )
    audit.record(entry)
    return following


def _make(*, now: datetime) -> SigningKey:
    key = jose.new_key()
    jwk = jose.public_jwk(key)
    row = SigningKey(
        id=uuid7(), status=SigningKey.Status.NEXT, kid=jwk["kid"], public_jwk=jwk, created_at=now
    )
    sealed = tenant_keys.seal(jose.to_pem(key), _place(row))
    row.ciphertext, row.key_version = sealed.ciphertext, sealed.key_version
    row.save(force_insert=True)
    return row


def _place(row: SigningKey) -> Place:
    return Place(model=row._meta.label_lower, field="private_key", pk=str(row.pk))


def published(*, now: datetime) -> list[JsonObject]:
    """Return the public keys with which tokens of this tenant may be checked."""
    is_published = Q(status__in=[SigningKey.Status.NEXT, SigningKey.Status.CURRENT]) | Q(
        published_until__gt=now
    )
    return list(SigningKey.objects.filter(is_published).order_by("pk").values_list("public_jwk", flat=True))
