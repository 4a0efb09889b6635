"""Which tenants there are, for work that visits each."""

from django_tenants.utils import get_tenant_model

from tenants.kernel.context import PUBLIC, platform_context


def active_schemas() -> list[str]:
    """Return the schema of every tenant and of the platform, in name order."""
    with platform_context():
        return list(get_tenant_model().objects.order_by("schema_name").values_list("schema_name", flat=True))


def active_tenants() -> list[str]:
    """Return the schema of every tenant, without the platform's."""
    return [schema for schema in active_schemas() if schema != PUBLIC]
