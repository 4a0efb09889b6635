"""Tenants in the platform's admin."""

from tenants.kernel.admin import ConfigAdmin, EvidenceAdmin


class TenantAdmin(EvidenceAdmin):
    """Tenants are created with `manage.py tenants create`, which also makes their schema."""

    list_display = ["name", "schema_name", "created_at"]
    search_fields = ["name", "schema_name"]


class DomainAdmin(ConfigAdmin):
    """Hosts at which tenants answer."""

    list_display = ["domain", "tenant", "is_primary"]
    search_fields = ["domain"]
