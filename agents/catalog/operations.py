"""Create and change agents."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm

from agents.blueprints import registry
from agents.catalog.models import Agent
from agents.tools.models import Tool
from governance.access import clearances, permissions
from governance.access.models import User
from governance.types import SecurityLevel
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject
from tenants.tiers.quotas import ensure_room
from tenants.tiers.types import Limit


class NameTaken(InvalidInput):
    """Another agent has the name."""

    code = "name-taken"
    status = 409


@transaction.atomic
def create_agent(
    *,
    name: str,
    blueprint: str,
    owner: Any,
    config: JsonObject | None = None,
    tools: Iterable[str] | None = None,
    security_level: str = SecurityLevel.INTERNAL,
) -> Agent:
    """Create an agent with an identity of its own that may use exactly `tools` (default: none).

    Raises UnknownMember for the blueprint, NameTaken, InvalidInput naming unknown tools or settings,
    QuotaExceeded when the tier allows no more agents, PermissionMissing for a level above the owner's
    clearance and for a tool that they may not use.
    """
    clearances.check_change(by=owner, before=SecurityLevel.INTERNAL, after=security_level)
    settings = registry.validate_config(blueprint, config or {})
    if Agent.objects.filter(name=name).exists():
        raise NameTaken(f"There is an agent named '{name}' already.")
    ensure_room(Limit.AGENTS, used=Agent.objects.count, now=timezone.now())
    principal = User(username=f"agent:{name}"[:150], kind=User.Kind.AGENT)
    principal.set_unusable_password()
    principal.save()
    agent = Agent.objects.create(
        name=name,
        blueprint=blueprint,
        config=settings,
        owner=owner,
        principal=principal,
        security_level=security_level,
    )
    tools = set(tools or ())
    _check_gives(owner, Tool.objects.filter(name__in=tools))
    set_tools(agent=agent, names=tools)
    return agent


@transaction.atomic
def change_agent(
    *,
    agent: Agent,
    by: Any = None,
    config: JsonObject | None = None,
    tools: Iterable[str] | None = None,
    security_level: str | None = None,
) -> Agent:
    """Change configuration, tools or security level; the version rises, runs under way keep their snapshot.

    The level counts at once, for runs under way too. Raises PermissionMissing where it, before or after, is
    above the clearance of `by`, and for a new tool that `by` may not use.
    """
    if security_level is not None:
        before = Agent.objects.select_for_update().values_list("security_level", flat=True).get(pk=agent.pk)
        clearances.check_change(by=by, before=before, after=security_level)
        agent.security_level = security_level
    if config is not None:
        agent.config = registry.validate_config(agent.blueprint, config)
    agent.save()
    Agent.objects.filter(pk=agent.pk).update(version=F("version") + 1)
    if tools is not None:
        wanted = set(tools)
        _check_gives(by, Tool.objects.filter(name__in=wanted).exclude(pk__in=agent.tools.all()))
        set_tools(agent=agent, names=wanted)
    agent.refresh_from_db()
    return agent


def _check_gives(by: Any, tools: Iterable[Tool]) -> None:
    """Raise PermissionMissing if a person gives an agent a tool that they may not use themselves."""
    for tool in tools if by is not None else ():
        if not permissions.may(by, model=Tool, codename="execute_tool", object_pk=tool.pk):
            raise PermissionMissing(f"You may not use {tool}, so you cannot give it to an agent.")


def set_tools(*, agent: Agent, names: Iterable[str]) -> None:
    """Offer the agent exactly these tools and grant its identity the right to use them."""
    wanted = set(names)
    found = {tool.name: tool for tool in Tool.objects.filter(name__in=wanted)}
    if missing := wanted - set(found):
        known = ", ".join(Tool.objects.values_list("name", flat=True))
        raise InvalidInput(
            f"No tool named {', '.join(sorted(missing))}. Known: {known}.",
            errors=[{"at": "/tools", "message": f"unknown tool '{name}'"} for name in sorted(missing)],
        )
    for tool in agent.tools.all():
        remove_perm("execute_tool", agent.principal, tool)
    agent.tools.set(found.values())
    for tool in found.values():
        assign_perm("execute_tool", agent.principal, tool)
