"""What the gate must know about a call, in one statement: rights, groups and the state of the rules."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.contenttypes.models import ContentType

from governance.access import clearances
from governance.access.permissions import HOLDERS, implying
from governance.rulebook import parts as rulebook
from governance.rulebook.parts import Rulebook
from governance.types import PolicyRequest, SecurityLevel
from tenants.kernel import prepared

TOOL_MODEL = "agents.Tool"
EXECUTE_TOOL = "execute_tool"

_STANDING = f"""
SELECT ARRAY({HOLDERS}),
 ARRAY(SELECT g.name FROM auth_group g JOIN governance_user_groups m ON m.group_id = g.id
       WHERE m.user_id = %(user)s ORDER BY g.name),
 (SELECT CASE WHEN is_superuser THEN 'restricted' ELSE clearance END FROM governance_user WHERE id = %(user)s),
 (SELECT revision FROM governance_rulebookstate),
 (SELECT revision FROM public.governance_rulebookstate)
"""  # noqa: S608  # the parts are constants


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Who may use the tool, groups and clearance of the person, and the revisions of tenant's and platform's rules."""

    may: frozenset[int]
    groups: tuple[str, ...]
    clearance: SecurityLevel
    revisions: tuple[UUID, UUID]


def of(request: PolicyRequest) -> Standing:
    """Look it up; raises Django's database errors."""
    [(may, groups, clearance, own, platform)] = prepared.execute(*statement(request))
    return Standing(
        may=frozenset(may),
        groups=tuple(groups),
        clearance=clearances.of(stored=clearance, groups=groups),
        revisions=(own, platform),
    )


def statement(request: PolicyRequest) -> tuple[str, dict[str, Any]]:
    """Return the statement with its values."""
    values = {
        "users": [request.user.id, request.agent.principal_id],
        "user": request.user.id,
        "object_pk": str(request.tool.id),
        "content_type": ContentType.objects.get_for_model(apps.get_model(TOOL_MODEL)).pk,
        "codenames": implying(EXECUTE_TOOL),
    }
    return _STANDING, values


_REVISIONS = """
SELECT (SELECT revision FROM governance_rulebookstate), (SELECT revision FROM public.governance_rulebookstate)
"""


def rules() -> Rulebook:
    """Return the rules in force, for those who ask before anything is proposed; one statement."""
    [(own, platform)] = prepared.execute(_REVISIONS, {})
    return rulebook.of((own, platform))
