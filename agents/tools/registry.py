"""The tools written in Python. Tenants' own rows say which of them are enabled there."""

from collections.abc import Callable
from typing import Any

from agents.tools.base import ToolSpec
from tenants.kernel.registry import Registry

REGISTRY: Registry[Callable[..., Any]] = Registry(
    "tool",
    {
        "current_time": "agents.tools.builtin.clock:current_time",
        "ask_person": "agents.tools.builtin.people:ask_person",
        "extract": "agents.tools.builtin.reading:extract",
        "propose_plan": "agents.tools.builtin.plan:propose_plan",
    },
    group="countersign.tools",
)


def spec_of(name: str) -> ToolSpec:
    """Return the declaration of a registered tool; raise UnknownMember naming what exists."""
    spec: ToolSpec = REGISTRY.get(name).spec  # type: ignore[attr-defined]
    return spec
