"""Where people and programs reach a tenant."""

from django.conf import settings

from tenants.kernel.context import platform_context, require_schema
from tenants.tenancy.models import Domain


def base_url() -> str:
    """Return where the current tenant is reached, without a slash at the end."""
    schema = require_schema()
    with platform_context():
        domains = Domain.objects.filter(tenant__schema_name=schema)
        domain = domains.order_by("-is_primary", "pk").values_list("domain", flat=True).first()
    return url_of(domain)


def url_of(domain: str | None) -> str:
    """Return the URL of a tenant that answers at `domain`; None stands for the platform's host."""
    return str(settings.TENANT_URL).format(host=domain or settings.PLATFORM_HOST).rstrip("/")
