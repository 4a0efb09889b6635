"""Tools in the admin."""

from typing import Any

from django.http import HttpRequest
from guardian.admin import GuardedModelAdminMixin

from tenants.kernel.admin import ConfigAdmin


class ToolAdmin(GuardedModelAdminMixin, ConfigAdmin):
    """Risk, effect and enabled are the tenant's; what the tool is comes from its author."""

    list_display = ["name", "risk", "effect", "enabled", "source"]
    list_filter = ["risk", "effect", "enabled"]
    search_fields = ["name", "description"]
    readonly_fields = ["name", "description", "parameters", "schema_version", "source"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: tools come from code."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: disable a tool instead."""
        return False
