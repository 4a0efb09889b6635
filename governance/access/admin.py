"""People and roles."""

from typing import Any

from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from governance.access.models import User
from tenants.kernel.admin import ConfigAdmin, EvidenceAdmin


class UserAdmin(DjangoUserAdmin, ConfigAdmin):  # type: ignore[type-arg]  # not generic at run time
    """People can be edited; the identities of agents are shown and belong to their agents."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "kind", "email", "is_active", "is_staff", "last_login"]
    list_filter = ["kind", "is_active", "is_staff", "groups"]
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Clearance", {"fields": ("clearance",)}))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for agents' identities, and for superusers to those who are not."""
        if obj is not None and (obj.kind == User.Kind.AGENT or self._is_above(request, obj)):
            return False
        return bool(super().has_change_permission(request, obj))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Let only superusers set another person's password; who holds it can vote as that person."""
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    @staticmethod
    def _is_above(request: HttpRequest, person: User) -> bool:
        return person.is_superuser and not request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: people are deactivated, so that what they did keeps its author."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let only superusers hand out superuser rights, roles, direct permissions and clearances.

        Nor do others change a name or an address that somebody has: a new password is sent to the address,
        and a directory or an issuer says by the name who somebody is.
        """
        fixed = ("is_superuser", "is_staff", "user_permissions", "groups", "clearance")
        held = ("username", "email") if obj is not None else ()
        own = () if request.user.is_superuser else (*fixed, *held)
        return (*super().get_readonly_fields(request, obj), *own)


class TokenAdmin(EvidenceAdmin):
    """API sessions: they begin with the person's own sign-in and can be ended here, never made."""

    list_display = ["user", "created", "expiry"]
    fields = ["user", "created", "expiry"]
    search_fields = ["user__username"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those with the permission end a session."""
        return bool(super(EvidenceAdmin, self).has_delete_permission(request, obj))


class GroupAdmin(DjangoGroupAdmin, ConfigAdmin):
    """Groups of people. What the group of a role holds is the role's to say."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for the groups of roles."""
        return bool(super().has_change_permission(request, obj)) and not self._is_of_role(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for the groups of roles."""
        return bool(super().has_delete_permission(request, obj)) and not self._is_of_role(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer no deletion of many at once: it would go past the groups of roles."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @staticmethod
    def _is_of_role(group: Any) -> bool:
        return group is not None and hasattr(group, "role")
