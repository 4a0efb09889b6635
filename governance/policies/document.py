"""The document that rules read: what is known of a call, by root. Pure. What nobody knows is absent."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from governance.policies.validity import DAYS
from governance.types import PolicyRequest
from tenants.kernel.jsonvalues import JsonObject

TOLD = ("cost", "model", "env")
"""Roots of which only the caller knows."""


def of(request: PolicyRequest, *, user: Mapping[str, Any], now: datetime, zone: tzinfo = UTC) -> JsonObject:
    """Return the document of a call; `user` is what was looked up about the person, `zone` the tenant's."""
    agent, tool, told = request.agent, request.tool, request.circumstances
    chain = [f"agent:{agent.id}"]
    if request.delegator is not None:
        chain.append(f"user:{request.user.name}")
    document: JsonObject = {
        "tenant": request.tenant,
        "agent": {
            "id": agent.id,
            "name": agent.name,
            "blueprint": agent.blueprint,
            "version": agent.version,
            "level": agent.level.value,
            **_told(told, "agent"),
        },
        "user": {"id": request.user.id, "name": request.user.name, **_told(told, "user"), **user},
        "act_chain": chain,
        "tool": {
            "name": tool.name,
            "risk": tool.risk.value,
            "effect": tool.effect.value,
            "consequential": tool.is_consequential,
            "reversible": tool.reversible,
            "level": tool.level.value,
            "server": tool.server,
            "schema_hash": tool.schema_version,
        },
        "args": request.arguments,
        "run": {
            "id": request.run.run_id,
            "integrity": "untrusted" if request.influence else "trusted",
            "sources": list(request.influence),
            **_told(told, "run"),
        },
        "time": _time(now, zone),
    }
    for root in TOLD:
        if root in told:
            document[root] = _told(told, root)
    return document


def _told(circumstances: Mapping[str, Any], root: str) -> Mapping[str, Any]:
    found = circumstances.get(root)
    return found if isinstance(found, dict) else {}


def _time(now: datetime, zone: tzinfo) -> JsonObject:
    local = now.astimezone(zone)
    return {
        "utc": now.astimezone(UTC).isoformat(timespec="seconds"),
        "hour": local.hour,
        "weekday": DAYS[local.weekday()],
        "date": local.date().isoformat(),
    }
