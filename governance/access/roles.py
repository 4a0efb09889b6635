"""Roles are groups; each app says what a role may do there."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission

ADMIN, OPERATOR, REVIEWER, VIEWER, AUDITOR = "admin", "operator", "reviewer", "viewer", "auditor"
ROLES = (ADMIN, OPERATOR, REVIEWER, VIEWER, AUDITOR)

_granted: dict[str, set[str]] = defaultdict(set)


def grant(**permissions: Iterable[str]) -> None:
    """Add `app.codename` permissions to roles; called by each app when it is ready."""
    for role, names in permissions.items():
        if role not in ROLES:
            raise ValueError(f"There is no role '{role}'. Known: {', '.join(ROLES)}.")
        _granted[role].update(names)


def described() -> str:
    """Return every role with its permissions, for the schema fingerprint."""
    return "\n".join(f"{role}: {' '.join(sorted(_granted[role]))}" for role in ROLES)


def sync(**_kwargs: Any) -> None:
    """Create the roles of the current schema with exactly the permissions that exist there."""
    by_name = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set([by_name[name] for name in sorted(_granted[role]) if name in by_name])
