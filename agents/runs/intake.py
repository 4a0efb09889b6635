"""Whether a run may begin with this input."""

from datetime import datetime
from typing import Any

from django.db import transaction

from agents.catalog.models import Agent
from governance.access import clearances, permissions
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.guardrails.engine import Screening
from governance.guardrails.types import Action
from governance.types import Actor, SecurityLevel, Subject, UserRef
from tenants.kernel.errors import DomainError, InvalidInput, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject, canonical, storable

MAX_QUERY = 20_000
MAX_INPUT_BYTES = 64 * 1024


class StepUpRequired(DomainError):
    """A restricted agent runs only for a person who has just confirmed who they are."""

    code = "step-up-required"
    status = 403
    title = "Confirm who you are to start a run of this agent"


def check(*, agent: Agent, user: Any, input: JsonObject, step_up: bool) -> None:
    """Raise PermissionMissing or StepUpRequired if the user may not execute the agent, InvalidInput for no input."""
    if user.kind != User.Kind.PERSON or not permissions.may(
        user, model=Agent, codename="execute_agent", object_pk=agent.pk
    ):
        raise PermissionMissing(f"You may not start runs of {agent.name}.")
    _check_level(agent, user, step_up=step_up)
    query = input.get("query")
    if not isinstance(query, str) or not query.strip() or len(query) > MAX_QUERY:
        raise InvalidInput(
            "The input needs a 'query' with what to do.",
            errors=[{"at": "/input/query", "message": f"a text of 1 to {MAX_QUERY} characters"}],
        )
    if len(canonical(storable(input))) > MAX_INPUT_BYTES:
        raise InvalidInput(f"The input is larger than {MAX_INPUT_BYTES // 1024} KB.")


def _check_level(agent: Agent, user: Any, *, step_up: bool) -> None:
    """Refuse an agent above the person's clearance, and a restricted one unless they confirmed who they are."""
    level = SecurityLevel(agent.security_level)
    if level.exceeds(SecurityLevel(user.clearance)) and level.exceeds(clearance := clearances.of_user(user)):
        raise PermissionMissing(f"{agent.name} is {level}; you are cleared for {clearance} only.")
    if level is SecurityLevel.RESTRICTED and not step_up:
        raise StepUpRequired(
            f"{agent.name} is restricted: start its run in the browser and give your password again."
        )


def refuse(*, agent: Agent, user: Any, screened: Screening, trace_id: str, now: datetime) -> None:
    """Record that guardrails refused the input, and raise InvalidInput; neither says what was found, but where."""
    body = {"agent": agent.name, "guardrails": screened.told()}
    with transaction.atomic():
        audit.record(
            Entry(
                at=now,
                action="run.refused",
                actor=Actor(kind="person", id=str(user.pk), name=user.username),
                user=UserRef(id=user.pk, name=user.username),
                agent_id=str(agent.pk),
                agent_name=agent.name,
                trace_id=trace_id,
                subject=Subject(kind="agent", id=str(agent.pk)),
                outcome="deny",
                body=body,
            )
        )
    raise InvalidInput(
        f"The input holds what may not pass: {screened.words(Action.BLOCK)}.",
        errors=[
            {**found, "at": f"/input{found['at']}", "message": f"{found['label']}: {found['binding']}"}
            for found in screened.told()
        ],
    )
