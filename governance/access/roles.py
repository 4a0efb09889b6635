"""Roles: what each app gives to those that are built in, and the groups that hold what a role has in all."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group, Permission

from tenants.kernel.context import PUBLIC, require_schema

ADMIN, OPERATOR, ANALYST = "admin", "operator", "analyst"
VIEWER, REVIEWER, AUDITOR = "viewer", "reviewer", "auditor"
PARENTS: Mapping[str, tuple[str, ...]] = {
    VIEWER: (),
    ANALYST: (VIEWER,),
    OPERATOR: (ANALYST,),
    REVIEWER: (VIEWER,),
    AUDITOR: (VIEWER,),
    ADMIN: (OPERATOR, REVIEWER, AUDITOR),
}
"""Each role that is built in, after those whose permissions it has too."""
ROLES = tuple(PARENTS)
DESCRIPTIONS = {
    VIEWER: "Looks at agents, runs and reviews, and changes nothing.",
    ANALYST: "A viewer who follows up what runs did, and may put a run before a person.",
    OPERATOR: "An analyst who starts, steers and stops agents.",
    REVIEWER: "A viewer who decides what agents may do. Reviewers do not run agents.",
    AUDITOR: "A viewer who reads the evidence and asks what others may do.",
    ADMIN: "Everything that the other roles may, and the configuration of the tenant.",
}

PLATFORMS = "tenants."
"""So begin permissions that exist in every schema and mean something in the platform's alone."""

_granted: dict[str, set[str]] = defaultdict(set)


def grant(**permissions: Iterable[str]) -> None:
    """Add `app.codename` permissions to roles; called by each app when it is ready."""
    for role, names in permissions.items():
        if role not in ROLES:
            raise ValueError(f"There is no role '{role}'. Known: {', '.join(ROLES)}.")
        _granted[role].update(names)


def effective(role: str) -> set[str]:
    """Return what a built-in role has in all."""
    return _granted[role].union(*(effective(parent) for parent in PARENTS[role]))


def own(role: str) -> set[str]:
    """Return what a built-in role has beside what it inherits."""
    return _granted[role].difference(*(effective(parent) for parent in PARENTS[role]))


def meaningful() -> set[str]:
    """Return every permission that some app has given a meaning to in the current schema."""
    return {name for name in set().union(*_granted.values()) if _means_something(name)}


def _means_something(name: str) -> bool:
    """Tell whether a permission is of use here: those over tenants are the platform's."""
    return not name.startswith(PLATFORMS) or require_schema() == PUBLIC


def described() -> str:
    """Return every role with its permissions, for the schema fingerprint."""
    return "\n".join(
        f"{role} {PARENTS[role]} {DESCRIPTIONS[role]}: {' '.join(sorted(_granted[role]))}" for role in ROLES
    )


def sync(**_kwargs: Any) -> None:
    """Create the built-in roles of the current schema with exactly the permissions that exist there.

    Custom roles that inherit from them follow.
    """
    from governance.access.custom_roles.operations import sync_groups
    from governance.access.models import Role

    by_name = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    rows: dict[str, Role] = {}
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role)
        fields = {"name": role, "description": DESCRIPTIONS[role], "built_in": True}
        rows[role], _ = Role.objects.update_or_create(group=group, defaults=fields)
        rows[role].permissions.set(
            [by_name[name] for name in sorted(own(role)) if name in by_name and _means_something(name)]
        )
        rows[role].parents.set([rows[parent] for parent in PARENTS[role]])
    sync_groups()
