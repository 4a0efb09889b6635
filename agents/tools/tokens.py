"""Tokens of calls: for the one service that a tool acts at, naming the person, the agent and the run."""

from django.db import DatabaseError
from django.utils import timezone

from agents.tools.base import ToolFailed
from agents.tools.models import Tool, ToolServer
from agents.tools.registry import REGISTRY, spec_of
from governance import gate
from governance.identity import claims as rules
from governance.identity.issuing import issue
from governance.identity.types import AGENT, PERSON, SERVICE, Order, TokenRefused
from governance.types import Decision
from tenants.kernel.errors import DomainError

OURSELVES = f"{SERVICE}countersign"


def wanted_by(tool: Tool) -> tuple[str, str]:
    """Return the audience that calls of the tool get tokens for, and the scope; empty if they get none."""
    if tool.source != Tool.Source.PYTHON:
        return tool.audience, tool.scope
    if tool.name not in REGISTRY:
        return "", ""
    spec = spec_of(tool.name)
    return spec.audience, spec.scope


def for_call(decision: Decision, *, audience: str, scope: str) -> str:
    """Return a token for the call that was permitted and claimed; raise ToolFailed, not started.

    Its subject is the person, on whose behalf the agent acts; of a run that an agent began for itself the
    subject is the agent, and nobody acts for anybody.
    """
    if not gate.is_claimed(decision):
        raise ToolFailed("Only a permitted call gets a token.", started=False)
    request = decision.request
    agent, is_autonomous = f"{AGENT}{request.agent.id}", request.user.id == request.agent.principal_id
    order = Order(
        sub=agent if is_autonomous else f"{PERSON}{request.user.id}",
        username="" if is_autonomous else request.user.name,
        audience=audience,
        client_id=agent,
        scopes=rules.parse_scope(scope),
        act=None if is_autonomous else {"sub": agent},
        run=request.run.run_id,
        agent_version=request.agent.version,
        rules_version=decision.rules_version,
        actor_name=request.agent.name,
        facts={"decision_id": str(decision.id), "tool": request.tool.name},
    )
    return _issued(order, trace_id=request.run.trace_id)


def for_listing(server: ToolServer) -> str:
    """Return a token with which the platform itself asks a server for its tools; raise ToolFailed."""
    scopes = rules.parse_scope(server.scope)
    return _issued(Order(sub=OURSELVES, audience=server.audience, client_id=OURSELVES, scopes=scopes))


def _issued(order: Order, *, trace_id: str = "") -> str:
    try:
        return issue(order, now=timezone.now(), trace_id=trace_id).token
    except (DomainError, DatabaseError) as error:  # nothing has left yet, so nothing is unknown
        is_refused = isinstance(error, TokenRefused)
        detail = error.detail if isinstance(error, DomainError) else "No token could be issued."
        raise ToolFailed(detail, started=False, transient=not is_refused) from error
