"""People and roles."""

from typing import Any

from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from governance.access.models import User
from tenants.kernel.admin import ConfigAdmin


class UserAdmin(DjangoUserAdmin, ConfigAdmin):  # type: ignore[type-arg]  # not generic at run time
    """People can be edited; the identities of agents are shown and belong to their agents."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "kind", "email", "is_active", "is_staff", "last_login"]
    list_filter = ["kind", "is_active", "is_staff", "groups"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for agents' identities."""
        if obj is not None and obj.kind == User.Kind.AGENT:
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: people are deactivated, so that what they did keeps its author."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let only superusers hand out superuser rights and direct permissions."""
        fixed = (
            () if request.user.is_superuser else ("is_superuser", "is_staff", "user_permissions", "groups")
        )
        return (*super().get_readonly_fields(request, obj), *fixed)


class GroupAdmin(DjangoGroupAdmin, ConfigAdmin):
    """Roles."""
