"""Roles in the admin: what each has of its own and what it inherits, in words."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from governance.access import roles
from governance.access.custom_roles import inheritance, operations
from governance.access.custom_roles.operations import name_of
from governance.access.models import Role
from tenants.kernel.admin import Checkboxes, ConfigAdmin, OperationsAdmin, Textarea
from tenants.templatetags.display import inert

AREAS = {"agents": "Agents and runs", "hitl": "Human review", "governance": "Governance"}
OTHER = "other"


def _permissions() -> list[Permission]:
    """Return the permissions that mean something here, in the order of their words."""
    wanted = roles.meaningful()
    found = Permission.objects.select_related("content_type").order_by("name")
    return [permission for permission in found if name_of(permission) in wanted]


def _area(permission: Permission) -> str:
    label = permission.content_type.app_label
    return label if label in AREAS else OTHER


class PermissionChoices(forms.TypedMultipleChoiceField):
    """Permissions of one area, by their words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(coerce=int, required=False, widget=Checkboxes, **options)


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A role, with its own permissions by area."""

    agents = PermissionChoices(label=AREAS["agents"])
    hitl = PermissionChoices(label=AREAS["hitl"])
    governance = PermissionChoices(label=AREAS["governance"])
    other = PermissionChoices(label="Other")

    class Meta:
        model = Role
        fields = ["name", "description", "parents"]
        widgets = {"description": Textarea(attrs={"rows": 2}), "parents": Checkboxes}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        by_area = defaultdict(list)
        for permission in _permissions():
            by_area[_area(permission)].append((permission.pk, _words(permission)))
        own = set(self.instance.permissions.values_list("pk", flat=True)) if self.instance.pk else set()
        for area in (*AREAS, OTHER):
            field: Any = self.fields.get(area)
            if field is not None:
                field.choices = by_area[area]
                field.initial = [pk for pk, _ in by_area[area] if pk in own]
        if "parents" in self.fields:
            others: Any = self.fields["parents"]
            others.queryset = Role.objects.exclude(pk=self.instance.pk)
            others.widget.can_add_related = others.widget.can_change_related = False
            others.widget.can_view_related = others.widget.can_delete_related = False

    def clean(self) -> dict[str, Any]:
        """Gather the permissions, and refuse parents that inherit from this role."""
        cleaned: dict[str, Any] = super().clean() or {}
        self.chosen = [pk for area in (*AREAS, OTHER) for pk in cleaned.get(area) or ()]
        tree, _ = operations.graph()
        name = cleaned.get("name") or self.instance.name
        tree.pop(self.instance.name, None)
        tree[name] = {parent.name for parent in cleaned.get("parents") or ()}
        if circle := inheritance.cycle(tree):
            raise ValidationError({"parents": f"A role cannot inherit from itself: {' → '.join(circle)}."})
        return cleaned


def _words(permission: Permission) -> str:
    """Return what a permission allows: `Can view agent` becomes `view agent`."""
    return permission.name.removeprefix("Can ")


def _by_area(lines: Iterable[tuple[Permission, str]]) -> SafeString:
    """Return permissions in words, by area, each with a remark."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for permission, remark in lines:
        found[_area(permission)].append((inert(_words(permission)), inert(remark)))
    parts = [
        (AREAS.get(area, "Other"), format_html_join("", "<li>{}<span>{}</span></li>", found[area]))
        for area in (*AREAS, OTHER)
        if found[area]
    ]
    if not parts:
        return format_html("{}", "nothing")
    return format_html_join("", '<div class="rights"><strong>{}</strong><ul>{}</ul></div>', parts)


class RoleAdmin(OperationsAdmin, ConfigAdmin):
    """Roles: those that are built in to read, a tenant's own to make and change."""

    form = RoleForm
    list_display = ["name", "description", "parents_shown", "people", "kind"]
    list_filter = ["built_in"]
    search_fields = ["name", "description"]
    readonly_fields = ["parents_shown", "own_shown", "inherited_shown", "people"]

    def get_fieldsets(self, request: HttpRequest, obj: Role | None = None) -> Any:
        """Say what it is for, what it has and from where."""
        if obj is not None and not self.has_change_permission(request, obj):
            fields = ("name", "description", "parents_shown", "people")
            return [
                ("Role", {"fields": fields}),
                ("Permissions", {"fields": ("own_shown", "inherited_shown")}),
            ]
        shown = ("inherited_shown", "people") if obj else ()
        return [
            ("Role", {"fields": ("name", "description", "parents")}),
            ("Its own permissions", {"fields": (*AREAS, OTHER)}),
            *([("What comes with it", {"fields": shown})] if shown else []),
        ]

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """Refuse for what is built in."""
        return bool(super().has_change_permission(request, obj)) and not (obj and obj.built_in)

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """Refuse for what is built in, and for what others inherit from."""
        allowed = bool(super().has_delete_permission(request, obj))
        return allowed and not (obj and (obj.built_in or obj.children.exists()))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer no deletion of many at once: it would go past what is built in."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def save_model(self, request: HttpRequest, obj: Role, form: Any, change: bool) -> None:
        """Call the operation; nobody gives what they do not have."""
        saved = operations.save_role(
            role=Role.objects.select_related("group").get(pk=obj.pk) if change else None,
            name=form.cleaned_data["name"],
            description=form.cleaned_data["description"],
            parents=list(form.cleaned_data["parents"]),
            permissions=Permission.objects.filter(pk__in=form.chosen),
            by=request.user,
            now=timezone.now(),
        )
        obj.pk, obj.group_id, obj._state.adding = saved.pk, saved.group_id, False

    def delete_model(self, request: HttpRequest, obj: Role) -> None:
        """Call the operation."""
        operations.delete_role(role=obj, by=request.user, now=timezone.now())

    @admin.display(description="Kind", ordering="built_in")
    def kind(self, role: Role) -> str:
        """Return whether it is the product's or the tenant's."""
        return "built in" if role.built_in else "custom"

    @admin.display(description="Inherits from")
    def parents_shown(self, role: Role) -> str:
        """Return whose permissions it has too."""
        return ", ".join(parent.name for parent in role.parents.all()) or "-"

    @admin.display(description="People")
    def people(self, role: Role) -> str:
        """Return who has it."""
        return ", ".join(role.group.user_set.order_by("username").values_list("username", flat=True)) or "-"

    @admin.display(description="Its own")
    def own_shown(self, role: Role) -> SafeString:
        """Return what it has beside what it inherits."""
        return _by_area((permission, "") for permission in _shown(role, inherited=False))

    @admin.display(description="Inherited")
    def inherited_shown(self, role: Role) -> SafeString:
        """Return what it has from others, with whose each is."""
        sources = operations.sources_of(role)
        return _by_area(
            (permission, f" from {', '.join(sources[name_of(permission)])}")
            for permission in _shown(role, inherited=True)
        )


def _shown(role: Role, *, inherited: bool) -> list[Permission]:
    sources = operations.sources_of(role)
    names = {name for name, givers in sources.items() if (role.name not in givers) == inherited}
    found = Permission.objects.select_related("content_type").order_by("name")
    return [permission for permission in found if name_of(permission) in names]
