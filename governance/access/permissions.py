"""Who may do what with an object, in one round trip for several principals."""

from collections.abc import Iterable
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models

from tenants.kernel import prepared

HOLDERS = """
SELECT u.id
FROM governance_user u, (SELECT ARRAY(
  SELECT p.id FROM auth_permission p
  WHERE p.content_type_id = %(content_type)s AND p.codename = ANY(%(codenames)s)) AS ids OFFSET 0) wanted
WHERE u.id = ANY(%(users)s) AND u.is_active AND (
  u.is_superuser
  OR EXISTS (SELECT 1 FROM guardian_userobjectpermission g WHERE g.user_id = u.id
             AND g.permission_id = ANY(wanted.ids) AND g.object_pk = %(object_pk)s)
  OR EXISTS (SELECT 1 FROM guardian_groupobjectpermission g
             JOIN governance_user_groups m ON m.group_id = g.group_id AND m.user_id = u.id
             WHERE g.permission_id = ANY(wanted.ids) AND g.object_pk = %(object_pk)s)
  OR EXISTS (SELECT 1 FROM governance_user_user_permissions p WHERE p.user_id = u.id
             AND p.permission_id = ANY(wanted.ids))
  OR EXISTS (SELECT 1 FROM auth_group_permissions p
             JOIN governance_user_groups m ON m.group_id = p.group_id AND m.user_id = u.id
             WHERE p.permission_id = ANY(wanted.ids)))
"""


LEVEL_VERBS = frozenset({"view", "change", "execute"})


def implying(codename: str) -> list[str]:
    """Return the codenames that give a right: its own, and `admin_x` for what one may do with an x."""
    verb, _, what = codename.partition("_")
    return [codename, f"admin_{what}"] if verb in LEVEL_VERBS else [codename]


def may(user: Any, *, model: type[models.Model], codename: str, object_pk: object) -> bool:
    """Tell whether the person holds `codename` on the object, within the scopes of the key they came with."""
    app = model._meta.app_label
    if user.scoped_to is not None and not user.scoped_to & {f"{app}.{name}" for name in implying(codename)}:
        return False
    return user.pk in holders(model=model, codename=codename, object_pk=object_pk, users=[user.pk])


def holders(*, model: type[models.Model], codename: str, object_pk: object, users: Iterable[int]) -> set[int]:
    """Return those of `users` who hold `codename` on the object, by object, role or model permission.

    `admin_x` gives what `view_x`, `change_x` and `execute_x` give. Inactive principals hold nothing. A
    permission that does not exist is held by superusers only.
    """
    rows = prepared.execute(
        HOLDERS,
        {
            "users": list(users),
            "object_pk": str(object_pk),
            "content_type": ContentType.objects.get_for_model(model).pk,
            "codenames": implying(codename),
        },
    )
    return {row[0] for row in rows}
