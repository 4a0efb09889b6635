"""What operators of the platform do to tenants. Each is in the platform's audit log, and in the tenant's."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from governance.access import roles
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject
from tenants.kernel.context import PUBLIC, platform_context, require_schema, tenant_context
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject
from tenants.tenancy.models import Tenant
from tenants.tenancy.operations import provision
from tenants.tiers import operations as tiers
from tenants.tiers.models import FREE

ADD, CHANGE, SUSPEND = "tenants.add_tenant", "tenants.change_tenant", "tenants.suspend_tenant"
VIEW = "tenants.view_tenant"
MAX_SCHEMA = 48


@dataclass(frozen=True, kw_only=True)
class FirstPerson:
    """Who administers a new tenant first; they choose their password themselves."""

    username: str
    email: str = ""


@transaction.atomic
def create(
    *,
    name: str,
    by: Any,
    now: datetime,
    schema: str = "",
    tier: str = FREE,
    domain: str = "",
    admin: FirstPerson | None = None,
) -> Tenant:
    """Make a tenant with its schema, its host and its first administrator, all or nothing.

    Schema and host follow from the name where they are not given. Raises PermissionMissing, and InvalidInput naming
    the field.
    """
    _ensure_operator(by, ADD)
    schema = schema or schema_of(name)
    domain = domain or f"{schema.replace('_', '-')}.{settings.PLATFORM_HOST}"
    tiers.tier_named(tier)
    tenant = provision(schema=schema, name=name, domain=domain, tier=tier, by=by.username)
    if admin is not None:
        with tenant_context(tenant):
            _invite(admin)
    body: JsonObject = {"name": name, "schema": schema, "domain": domain, "tier": tier}
    body |= {"admin": admin.username} if admin else {}
    _record(tenant, "tenant.created", by=by, at=now, body=body)
    return tenant


def schema_of(name: str) -> str:
    """Return a schema's name made of a tenant's; raise InvalidInput where nothing usable is left."""
    found = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:MAX_SCHEMA].strip("_")
    if not re.match(r"[a-z][a-z0-9_]+\Z", found):
        message = "give one: a-z, 0-9 and _, starting with a letter"
        raise InvalidInput(
            f"No schema can be named after '{name}'; {message}.",
            errors=[{"at": "/schema", "message": message}],
        )
    return found


def _invite(admin: FirstPerson) -> User:
    person = User(username=admin.username, email=admin.email, is_staff=True, is_superuser=True)
    person.set_unusable_password()
    try:
        person.full_clean(exclude=["password"])
    except ValidationError as error:
        errors = [
            {"at": f"/admin/{field}", "message": message}
            for field, messages in error.message_dict.items()
            for message in messages
        ]
        raise InvalidInput("The first administrator cannot be made.", errors=errors) from error
    person.save()
    person.groups.set(person.groups.model.objects.filter(name=roles.ADMIN))
    return person


@transaction.atomic
def invite(*, tenant: Tenant, username: str, by: Any, now: datetime) -> str:
    """Return a new address for somebody of the tenant who has no password yet, on record.

    Raises PermissionMissing, and InvalidInput if nobody there so called waits for a password.
    """
    _ensure_operator(by, ADD)
    url = invitation(tenant=tenant, username=username)
    if not url:
        message = "nobody so called waits for a first password"
        raise InvalidInput(f"{username}: {message}.", errors=[{"at": "/username", "message": message}])
    _record(tenant, "tenant.invited", by=by, at=now, body={"username": username})
    return url


def awaits_password(person: User) -> bool:
    """Tell whether somebody new has no password and never came in: who signs in otherwise is given none this way."""
    return person.last_login is None and not person.has_usable_password()


def without_password(*, tenant: Tenant) -> list[str]:
    """Return the people of the tenant who wait for a first password."""
    with tenant_context(tenant):
        people = User.objects.filter(kind=User.Kind.PERSON, is_active=True, last_login=None).order_by("pk")
        return [person.username for person in people if awaits_password(person)]


def invitation(*, tenant: Tenant, username: str) -> str:
    """Return the address at which a new person sets a first password; empty once they have one or came in.

    It works once, and for three days (PASSWORD_RESET_TIMEOUT). Who has it can become that person: hand it to them
    alone.
    """
    with tenant_context(tenant):
        person = User.objects.filter(username=username, kind=User.Kind.PERSON, is_active=True).first()
        if person is None or not awaits_password(person):
            return ""
        token = default_token_generator.make_token(person)
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("welcome", args=[uid, token], urlconf=settings.ROOT_URLCONF)
    with platform_context():
        domain = tenant.domains.order_by("-is_primary", "pk").values_list("domain", flat=True).first()
    return f"{settings.TENANT_URL.format(host=domain).rstrip('/')}{path}"


@transaction.atomic
def change(
    *,
    tenant: Tenant,
    by: Any,
    now: datetime,
    tier: str | None = None,
    overrides: Any = None,
    name: str | None = None,
) -> Tenant:
    """Change tier, own limits or name; it counts from the commit. Raises PermissionMissing, InvalidInput."""
    _ensure_operator(by, CHANGE)
    changes = tiers.change(tenant=tenant, tier=tier, overrides=overrides, name=name)
    if changes:
        _record(tenant, "tenant.changed", by=by, at=now, body={"changes": changes})
    return _read(tenant)


@transaction.atomic
def suspend(*, tenant: Tenant, reason: str, by: Any, now: datetime) -> Tenant:
    """Stop serving the tenant from the commit on; see tenants.tiers.operations.suspend.

    Raises PermissionMissing, InvalidInput without a reason, StaleTransition if it is not active.
    """
    _ensure_operator(by, SUSPEND)
    tiers.suspend(tenant=tenant, reason=reason, by=by.username, now=now)
    _record(tenant, "tenant.suspended", by=by, at=now, body={"reason": reason.strip()})
    return _read(tenant)


@transaction.atomic
def activate(*, tenant: Tenant, by: Any, now: datetime) -> Tenant:
    """Serve the tenant again. Raises PermissionMissing, StaleTransition if it is served already."""
    _ensure_operator(by, SUSPEND)
    tiers.activate(tenant=tenant, by=by.username, now=now)
    _record(tenant, "tenant.activated", by=by, at=now, body={})
    return _read(tenant)


def _read(tenant: Tenant) -> Tenant:
    found: Tenant = Tenant.objects.select_related("tier").get(pk=tenant.pk)
    return found


def _ensure_operator(by: Any, permission: str) -> None:
    """Refuse a tenant's people, whatever they may do there: their superuser is not the platform's."""
    if require_schema() != PUBLIC or not by.has_perm(permission):
        raise PermissionMissing("Only the platform's operators may do this.")


def _record(tenant: Tenant, action: str, *, by: Any, at: datetime, body: JsonObject) -> None:
    """Put it on record in both logs; in the tenant's, the operator is named but is nobody there."""
    subject = Subject(kind="tenant", id=tenant.schema_name)
    person = Actor(kind=by.kind, id=str(by.pk), name=by.username)
    audit.record(Entry(at=at, action=action, actor=person, subject=subject, body=body))
    operator = Actor(kind="operator", id=str(by.pk), name=by.username)
    with tenant_context(tenant):
        audit.record(Entry(at=at, action=action, actor=operator, subject=subject, body=body))
