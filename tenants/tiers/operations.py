"""Change what a tenant may have, and whether it is served. The audit log is above: governance.platform calls these."""

from datetime import datetime
from typing import Any

from django.db import transaction

from tenants.kernel import live
from tenants.kernel.context import PUBLIC, tenant_context
from tenants.kernel.errors import InvalidInput, StaleTransition
from tenants.signals import limits_changed, tenant_activated, tenant_suspended
from tenants.tenancy.models import State, Tenant
from tenants.tiers.limits import limits_of
from tenants.tiers.models import Tier
from tenants.tiers.types import problems_of

MAX_REASON = 200


def tier_named(slug: str) -> Tier:
    """Return a tier; raise InvalidInput that names those there are."""
    tier = Tier.objects.filter(pk=slug).first()
    if tier is None:
        known = ", ".join(Tier.objects.values_list("slug", flat=True))
        raise InvalidInput(
            f"There is no tier '{slug}'. Known: {known}.",
            errors=[{"at": "/tier", "message": f"one of {known}"}],
        )
    return tier


def check_overrides(overrides: Any) -> None:
    """Raise InvalidInput that names each limit that cannot be."""
    if problems := problems_of(overrides):
        raise InvalidInput("Some limits are not valid.", errors=problems)


@transaction.atomic
def change(
    *, tenant: Tenant, tier: str | None = None, overrides: Any = None, name: str | None = None
) -> dict[str, list[Any]]:
    """Give the tenant another tier, other limits of its own or another name; return what was and is, by field.

    It counts from the commit. What exists above a lower limit is kept. Raises InvalidInput.
    """
    tenant = _locked(tenant)
    wanted: dict[str, Any] = {}
    if tier is not None:
        wanted["tier_id"] = tier_named(tier).pk
    if overrides is not None:
        check_overrides(overrides)
        wanted["overrides"] = overrides
    if name is not None:
        wanted["name"] = name
    changes = {
        field: [getattr(tenant, field), value]
        for field, value in wanted.items()
        if getattr(tenant, field) != value
    }
    if changes:
        Tenant.objects.filter(pk=tenant.pk).update(**{field: new for field, (_, new) in changes.items()})
        announce(tenant)
    return changes


@transaction.atomic
def suspend(*, tenant: Tenant, reason: str, by: str, now: datetime) -> Tenant:
    """Stop serving the tenant; `reason` is told to its people when they are back.

    Its workers start nothing from the commit on, nobody is let in, its timers wait, its data is kept. Raises
    InvalidInput without a reason, StaleTransition if it is not active or is the platform.
    """
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON or "\x00" in reason:
        message = f"a text of 1 to {MAX_REASON} characters"
        raise InvalidInput("A suspension needs a reason.", errors=[{"at": "/reason", "message": message}])
    if tenant.schema_name == PUBLIC:
        raise StaleTransition("The platform itself cannot be suspended.")
    tenant = _locked(tenant)
    tenant.move(State.SUSPENDED, reason=reason, by=by, at=now)
    with tenant_context(tenant):
        tenant_suspended.send(sender=Tenant, reason=reason, by=by, now=now)
        live.publish_on_commit("halts")
    return tenant


@transaction.atomic
def activate(*, tenant: Tenant, by: str, now: datetime) -> Tenant:
    """Serve the tenant again: its runs go on from where they were. Raises StaleTransition if it is served."""
    tenant = _locked(tenant)
    tenant.move(State.ACTIVE, by=by, at=now)
    with tenant_context(tenant):
        tenant_activated.send(sender=Tenant, now=now)
        live.publish_on_commit("halts")
    return tenant


def _locked(tenant: Tenant) -> Tenant:
    found: Tenant = Tenant.objects.select_for_update().get(pk=tenant.pk)
    return found


def announce(tenant: Tenant) -> None:
    """Tell the apps above what holds for the tenant now."""
    tenant = Tenant.objects.select_related("tier").get(pk=tenant.pk)
    if tenant.schema_name == PUBLIC:
        return
    with tenant_context(tenant):
        limits_changed.send(sender=Tenant, schema=tenant.schema_name, limits=limits_of(tenant))


def on_schema_ready(schema: str, **_kwargs: Any) -> None:
    """Tell what holds for a tenant whose schema was made or migrated; the template is none."""
    tenant = Tenant.objects.filter(schema_name=schema).first()
    if tenant is not None:
        announce(tenant)


def on_tier_saved(instance: Tier, **_kwargs: Any) -> None:
    """Tell what holds for each tenant of a tier that was changed."""
    for tenant in Tenant.objects.filter(tier=instance):
        announce(tenant)
