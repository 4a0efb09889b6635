"""Index of this app's tables."""

from tenants.keys.models import TenantKey
from tenants.tenancy.models import Domain, PlatformHalt, SchemaTemplate, Tenant
from tenants.tiers.models import Tier
from tenants.timers.models import Timer

__all__ = ["Domain", "PlatformHalt", "SchemaTemplate", "Tenant", "TenantKey", "Tier", "Timer"]
