"""Calls that somebody describes, to ask a rule about them: what is left out is as harmless as it can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.types import (
    AgentRef,
    EffectClass,
    PolicyRequest,
    Risk,
    RunRef,
    SecurityLevel,
    ToolRef,
    UserRef,
)
from tenants.kernel.context import require_schema
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import canonical

MAX_CALLS, MAX_BYTES = 100, 100_000
MEMBERS = {"tool", "arguments", "user", "agent", "influence", "run", "cost", "model", "env"}


@dataclass(frozen=True, kw_only=True)
class Given:
    """A described call, and what is said about its person."""

    request: PolicyRequest
    user: Mapping[str, Any]


def calls(raw: Any) -> list[Given]:
    """Return the calls that a JSON list describes; raise InvalidInput naming the member that cannot be used.

    One is `{"tool": {"name", "risk", "effect"}, "arguments": {}, "user": {"name", "groups"}, "agent": {"name",
    "blueprint"}, "influence": [], "run": {}, "cost": {}, "model": {}, "env": {}}`; only the tool's name is needed.
    """
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_CALLS:
        raise _refused("/requests", f"Send a list of 1 to {MAX_CALLS} calls.")
    if len(canonical(raw)) > MAX_BYTES:
        raise _refused("/requests", f"Send at most {MAX_BYTES} bytes.")
    return [_given(item, f"/requests/{n}") for n, item in enumerate(raw)]


def _given(item: Any, at: str) -> Given:
    if not isinstance(item, dict) or set(item) - MEMBERS:
        raise _refused(at, f"A call has some of {', '.join(sorted(MEMBERS))}.")
    for member in MEMBERS - {"influence"}:
        if not isinstance(item.get(member, {}), dict):
            raise _refused(f"{at}/{member}", "Send an object.")
    tool, user, agent = item.get("tool", {}), item.get("user", {}), item.get("agent", {})
    influence = item.get("influence", [])
    if not isinstance(influence, list) or not all(isinstance(name, str) for name in influence):
        raise _refused(f"{at}/influence", "Send a list of names of tools.")
    if not isinstance(tool.get("name"), str):
        raise _refused(f"{at}/tool/name", "Name the tool.")
    request = PolicyRequest(
        tenant=require_schema(),
        user=UserRef(id=0, name=str(user.get("name", ""))),
        agent=AgentRef(
            id=str(agent.get("id", "")),
            name=str(agent.get("name", "")),
            version=0,
            principal_id=0,
            blueprint=str(agent.get("blueprint", "")),
        ),
        tool=ToolRef(
            id=0,
            name=tool["name"],
            risk=_word(Risk, tool, "risk", Risk.LOW, at),
            effect=_word(EffectClass, tool, "effect", EffectClass.NON_IDEMPOTENT, at),
            level=_word(SecurityLevel, tool, "level", SecurityLevel.INTERNAL, at),
            parameters={},
            schema_version="",
            enabled=True,
        ),
        arguments=item.get("arguments", {}),
        run=RunRef(run_id="", step_id="", trace_id=""),
        influence=tuple(influence),
        circumstances={root: item[root] for root in ("run", "cost", "model", "env") if root in item},
    )
    return Given(
        request=request, user={name: user[name] for name in ("groups", "acr", "mfa") if name in user}
    )


def _word(words: Any, tool: Mapping[str, Any], member: str, default: Any, at: str) -> Any:
    raw = tool.get(member, default)
    if raw not in {str(word) for word in words}:
        raise _refused(f"{at}/tool/{member}", f"Use one of {', '.join(words)}.")
    return words(raw)


def _refused(at: str, message: str) -> InvalidInput:
    return InvalidInput(f"{at}: {message}", errors=[{"at": at, "message": message}])
