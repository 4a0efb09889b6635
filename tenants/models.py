"""Index of this app's tables."""

from tenants.keys.models import TenantKey
from tenants.tenancy.models import Domain, SchemaTemplate, Tenant

__all__ = ["Domain", "SchemaTemplate", "Tenant", "TenantKey"]
