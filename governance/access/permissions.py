"""Who may do what with an object, in one round trip for several principals."""

from collections.abc import Iterable

from django.contrib.contenttypes.models import ContentType
from django.db import models

from tenants.kernel import prepared

HOLDERS = """
SELECT u.id
FROM governance_user u
LEFT JOIN auth_permission wanted
  ON wanted.content_type_id = %(content_type)s AND wanted.codename = %(codename)s
WHERE u.id = ANY(%(users)s) AND u.is_active AND (
  u.is_superuser
  OR EXISTS (SELECT 1 FROM guardian_userobjectpermission g WHERE g.user_id = u.id
             AND g.permission_id = wanted.id AND g.object_pk = %(object_pk)s)
  OR EXISTS (SELECT 1 FROM guardian_groupobjectpermission g
             JOIN governance_user_groups m ON m.group_id = g.group_id AND m.user_id = u.id
             WHERE g.permission_id = wanted.id AND g.object_pk = %(object_pk)s)
  OR EXISTS (SELECT 1 FROM governance_user_user_permissions p WHERE p.user_id = u.id
             AND p.permission_id = wanted.id)
  OR EXISTS (SELECT 1 FROM auth_group_permissions p
             JOIN governance_user_groups m ON m.group_id = p.group_id AND m.user_id = u.id
             WHERE p.permission_id = wanted.id))
"""


def holders(*, model: type[models.Model], codename: str, object_pk: object, users: Iterable[int]) -> set[int]:
    """Return those of `users` who hold `codename` on the object, by object, role or model permission.

    Inactive principals hold nothing. A permission that does not exist is held by superusers only.
    """
    rows = prepared.execute(
        HOLDERS,
        {
            "users": list(users),
            "object_pk": str(object_pk),
            "content_type": ContentType.objects.get_for_model(model).pk,
            "codename": codename,
        },
    )
    return {row[0] for row in rows}
