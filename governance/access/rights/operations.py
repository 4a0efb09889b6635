"""Give levels on single objects, and take them away."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from guardian.shortcuts import assign_perm, remove_perm

from governance.access.models import User
from governance.access.permissions import may
from governance.access.rights.types import Kind, Level
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject
from tenants.kernel.errors import PermissionMissing


def may_grant(user: Any, kind: Kind, target: Any) -> bool:
    """Tell whether the person may say who holds which level on the object: who holds ADMIN on it may."""
    return may(user, model=kind.model, codename=kind.codename(Level.ADMIN), object_pk=target.pk)


@transaction.atomic
def grant_level(
    *, to: User | Group, kind: Kind, target: Any, level: Level, remove: bool, by: Any, now: datetime
) -> None:
    """Give a person, an agent's identity or a group a level on one object, or take it away.

    Raises PermissionMissing unless `by` holds ADMIN on it. ADMIN contains every level, so nobody gives what
    they do not have.
    """
    kind.model._default_manager.select_for_update().get(pk=target.pk)
    if not may_grant(by, kind, target):
        raise PermissionMissing(f"Only who holds ADMIN on {target} says who may do what with it.")
    change = remove_perm if remove else assign_perm
    change(kind.codename(level), to, target)
    what = kind.model._meta.model_name or ""
    audit.record(
        Entry(
            at=now,
            action="access.level-removed" if remove else "access.level-granted",
            actor=Actor(kind="person", id=str(by.pk), name=by.username),
            subject=Subject(kind=what, id=str(target)),
            outcome="ok",
            body={"to": str(to), "level": str(level)},
        )
    )
