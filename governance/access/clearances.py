"""Up to which security level a person may work."""

from collections.abc import Collection
from typing import Any

from governance.access.roles import ADMIN
from governance.types import SecurityLevel
from tenants.kernel.errors import PermissionMissing


def of(*, stored: str | None, groups: Collection[str]) -> SecurityLevel:
    """Return a person's clearance: what is stored of them, the highest for admins, the lowest for nobody."""
    if ADMIN in groups:
        return SecurityLevel.RESTRICTED
    return SecurityLevel(stored) if stored else SecurityLevel.PUBLIC


def of_user(user: Any) -> SecurityLevel:
    """Return the clearance of a principal."""
    if user.is_superuser:
        return SecurityLevel.RESTRICTED
    return of(stored=user.clearance, groups=user.groups.values_list("name", flat=True))


def check_change(*, by: Any, before: str, after: str) -> None:
    """Raise PermissionMissing if somebody moves a level that they are not cleared for, from it or to it.

    `by` is None where no person is behind the change, such as when a tenant is seeded.
    """
    if before == after or by is None:
        return
    own = of_user(by)
    for level in (SecurityLevel(before), SecurityLevel(after)):
        if level.exceeds(own):
            raise PermissionMissing(f"You are cleared for {own}, so you cannot change what is {level}.")
