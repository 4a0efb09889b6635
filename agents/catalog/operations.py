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
from governance.access.models import User
from tenants.kernel.errors import InvalidInput
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
) -> Agent:
    """Create an agent with an identity of its own that may use exactly `tools` (default: none).

    Raises UnknownMember for the blueprint, NameTaken, InvalidInput naming unknown tools or settings,
    QuotaExceeded when the tier allows no more agents.
    """
    settings = registry.validate_config(blueprint, config or {})
    if Agent.objects.filter(name=name).exists():
        raise NameTaken(f"There is an agent named '{name}' already.")
    ensure_room(Limit.AGENTS, used=Agent.objects.count, now=timezone.now())
    principal = User(username=f"agent:{name}"[:150], kind=User.Kind.AGENT)
    principal.set_unusable_password()
    principal.save()
    agent = Agent.objects.create(
        name=name, blueprint=blueprint, config=settings, owner=owner, principal=principal
    )
    set_tools(agent=agent, names=tools or ())
    return agent


@transaction.atomic
def change_agent(
    *, agent: Agent, config: JsonObject | None = None, tools: Iterable[str] | None = None
) -> Agent:
    """Change configuration or tools; the version rises, runs under way keep their snapshot."""
    if config is not None:
        agent.config = registry.validate_config(agent.blueprint, config)
    agent.save()
    Agent.objects.filter(pk=agent.pk).update(version=F("version") + 1)
    if tools is not None:
        set_tools(agent=agent, names=tools)
    agent.refresh_from_db()
    return agent


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
