"""Hosts of tenants in the platform's admin."""

from typing import Any

from django.http import HttpRequest

from tenants.kernel.admin import ConfigAdmin


class DomainAdmin(ConfigAdmin):
    """Hosts at which tenants answer."""

    list_display = ["domain", "tenant", "is_primary"]
    search_fields = ["domain"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: without its host nobody reaches a tenant."""
        return False
