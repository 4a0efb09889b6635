"""Make, rotate and end API keys; every step is audited, and the key itself is in none of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from django.db import transaction

from governance.access.keys import scopes, secret
from governance.access.keys.models import ApiKey
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition

DAYS, MAX_DAYS = 90, 365
OVERLAP_H, MAX_OVERLAP_H = 24, 7 * 24
MAX_KEYS, MAX_NETWORKS = 50, 50


@transaction.atomic
def create_key(
    *,
    owner: Any,
    name: str,
    wanted: Iterable[str],
    now: datetime,
    days: int = DAYS,
    allowed_ips: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """Make a key for the person and return it with its text, which is shown this once.

    Raises InvalidInput naming the field, PermissionMissing for agents' identities and for a person who
    came with a key.
    """
    _check_signed_in(owner)
    User.objects.select_for_update().get(pk=owner.pk)
    name = name.strip()
    if not name:
        raise _invalid("/name", "Say what the key is for.")
    if not 1 <= days <= MAX_DAYS:
        raise _invalid("/days", f"A key is valid for 1 to {MAX_DAYS} days.")
    if ApiKey.objects.filter(owner=owner, revoked_at=None, expires_at__gt=now).count() >= MAX_KEYS:
        raise _invalid("/name", f"You have {MAX_KEYS} keys; end one that you do not use.")
    key, text = _stored(
        ApiKey(
            owner=owner,
            name=name[:80],
            scopes=scopes.check(wanted, owner=owner),
            allowed_ips=_networks(allowed_ips),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
    )
    record("access.key-created", key, by=owner, now=now, body={"scopes": key.scopes})
    return key, text


@transaction.atomic
def rotate_key(*, key: ApiKey, by: Any, now: datetime, overlap_h: int = OVERLAP_H) -> tuple[ApiKey, str]:
    """Replace a key by a new one with the same scopes; the old one works for `overlap_h` hours more.

    The new key is valid for as many days as the old one was made for. Raises StaleTransition for a key that
    is over or was rotated, PermissionMissing for another person's.
    """
    _check_signed_in(by)
    key = ApiKey.objects.select_for_update(of=("self",)).select_related("owner").get(pk=key.pk)
    if key.owner_id != by.pk:
        raise PermissionMissing("Only its owner rotates a key: the new one is shown to them alone.")
    if key.is_over(now) or key.replaced_by_id is not None:
        raise StaleTransition("The key has ended, or was rotated already.")
    if not 0 <= overlap_h <= MAX_OVERLAP_H:
        raise _invalid("/overlap_h", f"The old key works for 0 to {MAX_OVERLAP_H} hours more.")
    following, text = _stored(
        ApiKey(
            owner=key.owner,
            name=key.name,
            scopes=scopes.check(key.scopes, owner=key.owner),
            allowed_ips=key.allowed_ips,
            created_at=now,
            expires_at=now + (key.expires_at - key.created_at),
        )
    )
    key.replaced_by = following
    key.expires_at = min(key.expires_at, now + timedelta(hours=overlap_h))
    key.save(update_fields=["replaced_by", "expires_at"])
    body = {"new": following.prefix, "old_ends_at": key.expires_at.isoformat()}
    record("access.key-rotated", key, by=by, now=now, body=body)
    return following, text


@transaction.atomic
def revoke_key(*, key: ApiKey, by: Any, now: datetime) -> ApiKey:
    """End a key at once. Its owner may, and whoever holds `governance.revoke_apikey`.

    Raises PermissionMissing, StaleTransition if it was revoked before.
    """
    key = ApiKey.objects.select_for_update(of=("self",)).select_related("owner").get(pk=key.pk)
    if key.owner_id != by.pk and not by.has_perm("governance.revoke_apikey"):
        raise PermissionMissing("Only its owner ends a key, or somebody who may end others'.")
    if key.revoked_at is not None:
        raise StaleTransition("The key was ended before.")
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    record("access.key-revoked", key, by=by, now=now)
    return key


def record(
    action: str,
    key: ApiKey | None,
    *,
    by: Any = None,
    now: datetime,
    outcome: str = "ok",
    body: dict[str, Any] | None = None,
) -> None:
    """Put on record what happened to a key, or with one that does not exist."""
    who = by or (key.owner if key else None)
    actor = (
        Actor(kind="person", id=str(who.pk), name=who.username)
        if who
        else Actor(kind="person", id="", name="")
    )
    subject = Subject(kind="api-key", id=str(key.pk) if key else "")
    facts = {"prefix": key.prefix, "name": key.name, "owner": key.owner.username} if key else {}
    entry = Entry(
        at=now, action=action, actor=actor, subject=subject, outcome=outcome, body={**facts, **(body or {})}
    )
    audit.record(entry)


def _stored(key: ApiKey) -> tuple[ApiKey, str]:
    text = secret.new()
    key.prefix, key.digest = secret.prefix(text), secret.digest(text)
    key.save(force_insert=True)
    return key, text


def _check_signed_in(user: Any) -> None:
    if user.kind != User.Kind.PERSON or user.scoped_to is not None:
        raise PermissionMissing("Sign in yourself to make or rotate a key; a key makes no keys.")


def _networks(given: Sequence[str]) -> list[str]:
    """Return addresses and networks in their canonical form."""
    if len(given) > MAX_NETWORKS:
        raise _invalid("/allowed_ips", f"At most {MAX_NETWORKS} networks.")
    try:
        return [str(ip_network(item.strip())) for item in given]
    except ValueError as error:
        raise _invalid(
            "/allowed_ips", f"Write addresses or networks such as 192.0.2.0/24: {error}"
        ) from error


def _invalid(at: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"at": at, "message": message}])
