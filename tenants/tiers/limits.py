"""What holds for a tenant now: always read, never kept, so that a change counts from its commit."""

from tenants.kernel.context import PUBLIC, require_schema
from tenants.kernel.errors import UnknownTenant
from tenants.tenancy.models import Tenant
from tenants.tiers.types import Limits, effective

CONCURRENT_RUNS_SQL = """(
  SELECT CASE WHEN n.overrides ? 'concurrent_runs' THEN (n.overrides ->> 'concurrent_runs')::bigint
    ELSE l.concurrent_runs END
  FROM public.tenants_tenant n JOIN public.tenants_tier l ON l.slug = n.tier_id
  WHERE n.schema_name = %(schema)s
)"""
"""A sub-select for the worker's fence: how many runs of the tenant may be under way, null for any number."""

PLATFORM = Limits(tier="")
"""The platform itself has no limits."""


def limits_of(tenant: Tenant) -> Limits:
    """Return the limits of a tenant that was read with its tier."""
    if tenant.schema_name == PUBLIC:
        return PLATFORM
    return effective(tenant.tier_id, tenant.tier.stated(), tenant.overrides)


def current() -> Limits:
    """Return the limits of the current tenant, in one statement; raise UnknownTenant if it is none."""
    schema = require_schema()
    if schema == PUBLIC:
        return PLATFORM
    tenant = Tenant.objects.select_related("tier").filter(schema_name=schema).first()
    if tenant is None:
        raise UnknownTenant(f"There is no tenant '{schema}'.")
    return limits_of(tenant)
