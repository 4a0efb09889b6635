"""Whether somebody may do something with an object, and why."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from guardian.models import GroupObjectPermission, UserObjectPermission

from governance.access import clearances
from governance.access.custom_roles.inheritance import sources
from governance.access.custom_roles.operations import graph, name_of
from governance.access.models import User
from governance.access.rights.types import KINDS, Finding, Kind, Level, Via
from governance.types import SecurityLevel
from tenants.kernel.errors import InvalidInput, NotFound
from tenants.kernel.registry import UnknownMember

AGENT = "agent"
PREFIX = f"{AGENT}:"


def find_resource(resource: str) -> tuple[Kind, Any]:
    """Return the kind and the object that `kind:name` names; raises InvalidInput, NotFound."""
    slug, _, name = resource.partition(":")
    try:
        kind = KINDS.get(slug)
    except UnknownMember as error:
        message = f"Write KIND:NAME; kinds are {', '.join(KINDS)}."
        raise InvalidInput(message, errors=[{"at": "/resource", "message": message}]) from error
    found = kind.model._default_manager.filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no {slug} '{name}'.")
    return kind, found


def find_subject(subject: str) -> User:
    """Return the person, or the identity that `agent:NAME` names; raises NotFound."""
    found = User.objects.filter(username=subject[:150]).first()
    if found is None:
        raise NotFound(f"Nobody here is called '{subject[:150]}'.")
    return found


def explain(user: User, kind: Kind, target: Any, level: Level) -> Finding:
    """Return whether the principal holds the level on the object, and by which ways."""
    what = f"{level} on {kind.model._meta.verbose_name} {target}"
    if not user.is_active:
        return Finding(allowed=False, reason=f"{user.username} is deactivated and may do nothing.")
    via = _ways(user, kind, target, level)
    if not via:
        reason = f"{user.username} has neither a role nor a right on this object that gives {what}."
        return Finding(allowed=False, reason=reason)
    if user.kind == User.Kind.PERSON and level is Level.EXECUTE:
        clearance = clearances.of_user(user)
        if SecurityLevel(target.security_level).exceeds(clearance):
            reason = f"{target} is {target.security_level}; {user.username} is cleared for {clearance} only."
            return Finding(allowed=False, reason=reason, via=via)
    said = "; ".join(dict.fromkeys(way.words() for way in via))
    return Finding(allowed=True, reason=f"{user.username} has {what} {said}.", via=via)


def effective(*, user: User, agent: str, kind: Kind, target: Any, level: Level) -> dict[str, Finding]:
    """Return what the person, the agent and the tenant say; a call goes ahead only where all three allow it."""
    _, row = find_resource(f"{PREFIX}{agent}")
    of_agent = explain(find_subject(f"{PREFIX}{agent}"), kind, target, level)
    if of_agent.allowed and SecurityLevel(target.security_level).exceeds(SecurityLevel(row.security_level)):
        reason = f"{target} is {target.security_level}; {agent} is cleared for {row.security_level} only."
        of_agent = Finding(allowed=False, reason=reason, via=of_agent.via)
    closed = kind.closed(target)
    of_tenant = Finding(allowed=not closed, reason=closed or f"{target} is in use in this tenant.")
    return {"user": explain(user, kind, target, level), "agent": of_agent, "tenant": of_tenant}


def _ways(user: User, kind: Kind, target: Any, level: Level) -> tuple[Via, ...]:
    ways = [Via(by="superuser")] if user.is_superuser else []
    wanted = Permission.objects.select_related("content_type").filter(
        content_type=ContentType.objects.get_for_model(kind.model), codename__in=kind.codenames(level)
    )
    for permission in wanted:
        name = name_of(permission)
        if user.user_permissions.filter(pk=permission.pk).exists():
            ways.append(Via(by="own", permission=name))
        ways += _by_groups(user, permission, name)
        here = {"permission": permission, "object_pk": str(target.pk)}
        if UserObjectPermission.objects.filter(user=user, **here).exists():
            ways.append(Via(by="object", permission=name))
        groups = GroupObjectPermission.objects.filter(group__user=user, **here).select_related("group")
        ways += [Via(by="object-group", name=found.group.name, permission=name) for found in groups]
    return tuple(ways)


def _by_groups(user: User, permission: Permission, name: str) -> list[Via]:
    groups = list(
        Group.objects.filter(user=user, permissions=permission).select_related("role").order_by("name")
    )
    if not groups:
        return []
    parents, own = graph()
    found = []
    for group in groups:
        if not hasattr(group, "role"):
            found.append(Via(by="group", name=group.name, permission=name))
            continue
        givers = sources(group.name, parents=parents, own=own).get(name, [])
        inherited = "" if group.name in givers else ", ".join(givers)
        found.append(Via(by="role", name=group.name, permission=name, inherited_from=inherited))
    return found
