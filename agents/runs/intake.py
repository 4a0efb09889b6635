"""Whether a run may begin with this input."""

from datetime import datetime
from typing import Any

from django.db import transaction

from agents.catalog.models import Agent
from governance.access import permissions
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.guardrails.engine import Screening
from governance.guardrails.types import Action
from governance.types import Actor, Subject, UserRef
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject, canonical, storable

MAX_QUERY = 20_000
MAX_INPUT_BYTES = 64 * 1024


def check(*, agent: Agent, user: Any, input: JsonObject) -> None:
    """Raise PermissionMissing if the user may not execute the agent, InvalidInput for an input that is none."""
    if user.kind != User.Kind.PERSON or user.pk not in permissions.holders(
        model=Agent, codename="execute_agent", object_pk=agent.pk, users=[user.pk]
    ):
        raise PermissionMissing(f"You may not start runs of {agent.name}.")
    query = input.get("query")
    if not isinstance(query, str) or not query.strip() or len(query) > MAX_QUERY:
        raise InvalidInput(
            "The input needs a 'query' with what to do.",
            errors=[{"at": "/input/query", "message": f"a text of 1 to {MAX_QUERY} characters"}],
        )
    if len(canonical(storable(input))) > MAX_INPUT_BYTES:
        raise InvalidInput(f"The input is larger than {MAX_INPUT_BYTES // 1024} KB.")


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
