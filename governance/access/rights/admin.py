"""Admin of objects on which people hold levels, by role or each by itself."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from guardian.admin import GuardedModelAdminMixin

from governance.access.permissions import may
from governance.access.rights.holding import held, holds_some
from tenants.kernel.admin import ConfigAdmin


class LevelsAdmin(GuardedModelAdminMixin, ConfigAdmin):
    """Show and let change what one may by role or by object; who holds ADMIN on an object says who else may."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the objects that the person may view."""
        found: QuerySet[Any] = super().get_queryset(request)  # type: ignore[no-untyped-call]
        return held(found, request.user, self._codename("view"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the list to those with a level on any object."""
        return super().has_module_permission(request) or self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let view by role, or what one holds READ on."""
        return bool(super().has_view_permission(request, obj)) or self._holds(request, obj, "view")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let change by role, or what one holds WRITE on."""
        return bool(super().has_change_permission(request, obj)) or self._holds(request, obj, "change")

    def obj_perms_manage_view(self, request: HttpRequest, object_pk: str) -> HttpResponse:
        """Show who holds which level on the object."""
        self._check_may_grant(request, object_pk)
        return super().obj_perms_manage_view(request, object_pk)  # type: ignore[no-any-return, no-untyped-call]

    def obj_perms_manage_user_view(self, request: HttpRequest, object_pk: str, user_id: str) -> HttpResponse:
        """Say what a person, or an agent's identity, may do with the object."""
        self._check_may_grant(request, object_pk, user_id)
        return super().obj_perms_manage_user_view(request, object_pk, user_id)  # type: ignore[no-any-return, no-untyped-call]

    def obj_perms_manage_group_view(
        self, request: HttpRequest, object_pk: str, group_id: str
    ) -> HttpResponse:
        """Say what a role or a group may do with the object."""
        self._check_may_grant(request, object_pk, group_id)
        return super().obj_perms_manage_group_view(request, object_pk, group_id)  # type: ignore[no-any-return, no-untyped-call]

    def _check_may_grant(self, request: HttpRequest, object_pk: str, holder: str = "0") -> None:
        obj = self.get_object(request, unquote(object_pk))
        if obj is None or not holder.isdecimal():
            raise Http404
        if not may(request.user, model=self.model, codename=self._codename("admin"), object_pk=obj.pk):
            raise PermissionDenied

    def _holds(self, request: HttpRequest, obj: Any, verb: str) -> bool:
        """Ask for one object, by itself or (as the theme does) by its key; for none, whether there is any."""
        user, codename = request.user, self._codename(verb)
        if not user.is_authenticated:
            return False
        if obj is None:
            return holds_some(user, self.model, [codename])
        return may(user, model=self.model, codename=codename, object_pk=getattr(obj, "pk", obj))

    def _codename(self, verb: str) -> str:
        return f"{verb}_{self.opts.model_name}"
