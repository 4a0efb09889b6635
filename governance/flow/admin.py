"""Trusted directories in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from governance.flow.models import TrustedSource
from tenants.kernel.admin import ConfigAdmin
from tenants.templatetags.display import inert


class TrustedSourceAdmin(ConfigAdmin):
    """Fields of tools' results that calls may use whatever a run has read."""

    list_display = ["source", "why", "author"]
    list_select_related = ["author"]
    search_fields = ["tool", "field"]
    readonly_fields = ["author"]

    def get_fields(self, request: HttpRequest, obj: TrustedSource | None = None) -> list[str]:
        """Show who wrote it once it is written."""
        return ["tool", "field", "reason", *(["author"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Any, form: object, change: bool) -> None:
        """Name who edits as its author."""
        obj.author = request.user
        super().save_model(request, obj, form, change)

    @admin.display(description="Directory", ordering="tool")
    def source(self, row: TrustedSource) -> str:
        """Return which field of which tool."""
        return inert(str(row))

    @admin.display(description="Reason", ordering="reason")
    def why(self, row: TrustedSource) -> str:
        """Return why it is trusted."""
        return inert(row.reason)
