"""Which objects somebody holds a level on, by role or by object."""

from collections.abc import Collection
from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast
from guardian.models import GroupObjectPermission, UserObjectPermission

from governance.access.permissions import implying, may
from tenants.kernel.api import DenyUnlessGranted

LEVEL_VERBS = ("view", "change", "execute", "admin")


def by_role(user: Any, model: Any, codename: str) -> bool:
    """Tell whether the person holds the right on every object of the model."""
    return any(user.has_perm(f"{model._meta.app_label}.{name}") for name in implying(codename))


def held(queryset: QuerySet[Any], user: Any, codename: str) -> QuerySet[Any]:
    """Return those objects on which the person holds the right. By role that costs no query."""
    if by_role(user, queryset.model, codename):
        return queryset
    keys = [rows.values("object_pk") for rows in _rights(user, queryset.model, implying(codename))]
    named: QuerySet[Any] = queryset.annotate(_key=Cast("pk", CharField()))
    return named.filter(Q(_key__in=keys[0]) | Q(_key__in=keys[1]))


def holds_some(user: Any, model: Any, codenames: Collection[str]) -> bool:
    """Tell whether the person holds one of the rights on any single object of the model."""
    wanted = [name for codename in codenames for name in implying(codename)]
    return any(rows.exists() for rows in _rights(user, model, wanted))


def _rights(user: Any, model: Any, codenames: Collection[str]) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Return the rights on single objects that the person has themselves, and through groups."""
    app = model._meta.app_label
    within = [name for name in codenames if user.scoped_to is None or f"{app}.{name}" in user.scoped_to]
    wanted = {
        "permission__codename__in": within if user.is_active else [],
        "permission__content_type__app_label": app,
        "permission__content_type__model": model._meta.model_name,
    }
    return (
        UserObjectPermission.objects.filter(user=user.pk, **wanted),
        GroupObjectPermission.objects.filter(group__user=user.pk, **wanted),
    )


class GrantedByLevel(DenyUnlessGranted):
    """Let in by role as everywhere, and by a level on a single object: then to that object alone.

    A view names its model in `levels_of`, and may name in `or_levels` codenames of which one on the object
    is enough. Its queryset goes through `held`.
    """

    def has_permission(self, request: Any, view: Any) -> bool:
        """Let in who has the permission, or has it on some object."""
        if super().has_permission(request, view):
            return True
        codenames = _codenames(request, view)
        return bool(
            request.user.is_authenticated
            and codenames
            and holds_some(request.user, view.levels_of, codenames)
        )

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        """Let go on who has the permission on this object."""
        return super().has_permission(request, view) or any(
            may(request.user, model=view.levels_of, codename=codename, object_pk=obj.pk)
            for codename in _codenames(request, view)
        )


def _codenames(request: Any, view: Any) -> list[str]:
    required = getattr(view, "required_permission", None)
    if isinstance(required, dict):
        required = required.get("GET" if request.method in {"HEAD", "OPTIONS"} else request.method)
    codename = (required or "").partition(".")[2]
    levels = [codename] if codename.partition("_")[0] in LEVEL_VERBS else []
    return [*levels, *getattr(view, "or_levels", ())]
