"""The admin theme, in one place: admin classes take these bases and never import the theme."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as Checkboxes
from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
from unfold.widgets import UnfoldAdminSelectWidget as Select
from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

__all__ = [
    "LABELS",
    "Checkboxes",
    "ConfigAdmin",
    "EvidenceAdmin",
    "PasswordInput",
    "Select",
    "TabularInline",
    "TextInput",
    "Textarea",
    "action",
    "display",
]

# Colours of stored words, for `display(label=LABELS)`; a word that is not here is grey.
LABELS = {
    **dict.fromkeys(["pending", "waiting", "medium", "quarantined"], "warning"),
    **dict.fromkeys(["queued", "running"], "info"),
    **dict.fromkeys(["approved", "succeeded", "enabled", "set"], "success"),
    **dict.fromkeys(["rejected", "failed", "high", "critical"], "danger"),
}


class ConfigAdmin(ModelAdmin):  # type: ignore[misc]  # untyped upstream
    """Configuration that permitted people edit; django-auditlog records each change."""

    list_per_page = 50


class EvidenceAdmin(ModelAdmin):  # type: ignore[misc]  # untyped upstream
    """Evidence: read by those with the view permission, changed by nobody, superusers included."""

    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False
