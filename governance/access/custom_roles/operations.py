"""Make and change roles, and give them to people. Nobody gives what they do not have."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from governance.access.custom_roles import inheritance
from governance.access.models import Role, User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.tiers.quotas import ensure_feature


class RoleCycle(InvalidInput):
    """A role would inherit from itself."""

    code = "role-cycle"


def name_of(permission: Permission) -> str:
    """Return a permission as `app.codename`."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def graph() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return the parents of every role, and its own permissions, both by name."""
    parents: dict[str, set[str]] = {}
    own: dict[str, set[str]] = {}
    for role in Role.objects.prefetch_related("parents", "permissions__content_type"):
        parents[role.name] = {parent.name for parent in role.parents.all()}
        own[role.name] = {name_of(permission) for permission in role.permissions.all()}
    return parents, own


def sources_of(role: Role) -> dict[str, list[str]]:
    """Return each permission of the role with the roles that give it."""
    parents, own = graph()
    return inheritance.sources(role.name, parents=parents, own=own)


def sync_groups() -> None:
    """Let the group of every role hold what the role has in all."""
    parents, own = graph()
    ids = {name_of(one): one.pk for one in Permission.objects.select_related("content_type")}
    for role in Role.objects.select_related("group"):
        whole = inheritance.sources(role.name, parents=parents, own=own)
        role.group.permissions.set([ids[name] for name in sorted(whole)])


@transaction.atomic
def save_role(
    *,
    role: Role | None,
    name: str,
    description: str,
    parents: Collection[Role],
    permissions: Iterable[Permission],
    by: Any,
    now: datetime,
) -> Role:
    """Make a role, or change one, with those that inherit from it.

    Raises PermissionMissing where it would give what `by` lacks or is built in, RoleCycle naming the circle,
    InvalidInput for a name that is taken, QuotaExceeded for a new one where the tier has none.
    """
    list(Role.objects.select_for_update().order_by("pk"))  # two changes at once could close a circle
    if role is not None and role.built_in:
        raise PermissionMissing(f"{role.name} is built in; make a role that inherits from it.")
    name = name.strip()
    others = Group.objects.exclude(pk=role.group_id) if role is not None else Group.objects.all()
    if not name or others.filter(name=name).exists():
        raise InvalidInput(
            "A role needs a name that no other role or group has.",
            errors=[{"at": "/name", "message": "missing, or taken by a role or a group"}],
        )
    before = set(sources_of(role)) if role is not None else set()
    if role is None:
        ensure_feature("custom_roles")
        role = Role(group=Group.objects.create(name=name))
    role.name, role.description = name, description
    role.save()
    Group.objects.filter(pk=role.group_id).update(name=name)
    role.parents.set(parents)
    role.permissions.set(permissions)
    tree, _ = graph()
    if circle := inheritance.cycle(tree):
        raise RoleCycle(
            f"A role cannot inherit from itself: {' → '.join(circle)}.",
            errors=[{"at": "/parents", "message": " → ".join(circle)}],
        )
    after = set(sources_of(role))
    _check_gives(by, after - before)
    sync_groups()
    body = {"added": sorted(after - before), "removed": sorted(before - after)}
    _record("access.role-saved", by, Subject(kind="role", id=name), now, body)
    return role


@transaction.atomic
def delete_role(*, role: Role, by: Any, now: datetime) -> None:
    """Delete a role; whoever had it loses it. Raises PermissionMissing, InvalidInput naming who inherits."""
    if role.built_in:
        raise PermissionMissing(f"{role.name} is built in and stays.")
    if heirs := ", ".join(role.children.order_by("name").values_list("name", flat=True)):
        raise InvalidInput(f"{heirs} inherits from {role.name}; change that first.")
    body = {"people": sorted(role.group.user_set.values_list("username", flat=True))}
    _record("access.role-deleted", by, Subject(kind="role", id=role.name), now, body)
    role.group.delete()


@transaction.atomic
def assign(*, user: User, role: Role, remove: bool, by: Any, now: datetime) -> None:
    """Give a person a role, or take it away.

    Raises PermissionMissing for oneself, for agents' identities, for superusers unless `by` is one, where the
    role has what `by` lacks, and for somebody whom `by` added: whoever chose a password would be two people.
    """
    if user.kind != User.Kind.PERSON:
        raise PermissionMissing("Agents have no roles; give their identity rights on tools instead.")
    if user.pk == by.pk:
        raise PermissionMissing("Nobody changes their own roles; ask somebody else.")
    if user.is_superuser and not by.is_superuser:
        raise PermissionMissing("Only a superuser changes the roles of a superuser.")
    if not remove and not by.is_superuser and _was_added_by(user, by):
        raise PermissionMissing("You added this person, so somebody else gives them roles.")
    _check_gives(by, set(sources_of(role)))
    locked = User.objects.select_for_update().get(pk=user.pk)
    if remove:
        locked.groups.remove(role.group_id)
    else:
        locked.groups.add(role.group_id)
    action = "access.role-removed" if remove else "access.role-assigned"
    _record(action, by, Subject(kind="user", id=user.username), now, {"role": role.name})


def _was_added_by(user: User, by: Any) -> bool:
    added = LogEntry.objects.get_for_object(user).filter(action=LogEntry.Action.CREATE)
    return bool(added.filter(actor_id=by.pk).exists())


def _check_gives(by: Any, permissions: set[str]) -> None:
    """Raise PermissionMissing naming what the giver does not have; a superuser has everything."""
    if by.is_superuser and by.scoped_to is None:
        return
    missing = sorted(permissions - by.get_all_permissions())
    if missing:
        raise PermissionMissing(f"You cannot give what you do not have: {', '.join(missing)}.")


def _record(action: str, by: Any, subject: Subject, now: datetime, body: dict[str, Any]) -> None:
    actor = Actor(kind="person", id=str(by.pk), name=by.username)
    audit.record(Entry(at=now, action=action, actor=actor, subject=subject, outcome="ok", body=body))
