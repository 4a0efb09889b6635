"""What the gate must know about a call, in one statement: rights, groups and the state of the rules."""

from dataclasses import dataclass
from uuid import UUID

from django.apps import apps
from django.contrib.contenttypes.models import ContentType

from governance.access.permissions import HOLDERS
from governance.rulebook import parts as rulebook
from governance.rulebook.parts import Rulebook
from governance.types import PolicyRequest
from tenants.kernel import prepared

TOOL_MODEL = "agents.Tool"
EXECUTE_TOOL = "execute_tool"

_STANDING = f"""
SELECT ARRAY({HOLDERS}),
 ARRAY(SELECT g.name FROM auth_group g JOIN governance_user_groups m ON m.group_id = g.id
       WHERE m.user_id = %(user)s ORDER BY g.name),
 (SELECT revision FROM governance_rulebookstate),
 (SELECT revision FROM public.governance_rulebookstate)
"""  # noqa: S608  # the parts are constants


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Who may use the tool, the groups of the person, and the revisions of tenant's and platform's rules."""

    may: frozenset[int]
    groups: tuple[str, ...]
    revisions: tuple[UUID, UUID]


def of(request: PolicyRequest) -> Standing:
    """Look it up; raises Django's database errors."""
    values = {
        "users": [request.user.id, request.agent.principal_id],
        "user": request.user.id,
        "object_pk": str(request.tool.id),
        "content_type": ContentType.objects.get_for_model(apps.get_model(TOOL_MODEL)).pk,
        "codename": EXECUTE_TOOL,
    }
    [(may, groups, own, platform)] = prepared.execute(_STANDING, values)
    return Standing(may=frozenset(may), groups=tuple(groups), revisions=(own, platform))


_REVISIONS = """
SELECT (SELECT revision FROM governance_rulebookstate), (SELECT revision FROM public.governance_rulebookstate)
"""


def rules() -> Rulebook:
    """Return the rules in force, for those who ask before anything is proposed; one statement."""
    [(own, platform)] = prepared.execute(_REVISIONS, {})
    return rulebook.of((own, platform))
