"""Tools that note when they are entered and do what a test tells them to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agents.tools.base import ToolContext, tool
from agents.tools.registry import REGISTRY
from governance.types import EffectClass, Risk


class Crash(BaseException):
    """The worker dies on the spot."""


class Probe:
    """What the tools saw, and what happens while they run."""

    entered: list[tuple[str, ToolContext]] = []
    during: Callable[[], Any] | None = None

    @classmethod
    def enter(cls, name: str, context: ToolContext) -> dict[str, str]:
        """Note the call, and do what the test wants done meanwhile, once."""
        cls.entered.append((name, context))
        during, cls.during = cls.during, None
        if during is not None:
            during()
        return {"done": name}


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT)
def strike(context: ToolContext) -> dict[str, str]:
    """Do what must not be done twice."""
    return Probe.enter("strike", context)


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def peek(context: ToolContext) -> dict[str, str]:
    """Look, as often as one likes."""
    return Probe.enter("peek", context)


@tool(risk=Risk.CRITICAL, effect=EffectClass.NON_IDEMPOTENT)
def launch(context: ToolContext) -> dict[str, str]:
    """Do what two people must approve."""
    return Probe.enter("launch", context)


PROBES = {"strike": strike, "peek": peek, "launch": launch}


@contextmanager
def installed(agent: Any) -> Iterator[type[Probe]]:
    """Register the tools, and let the agent use them as long as its database lives."""
    from agents.catalog.operations import set_tools
    from agents.tools.sync import sync

    for name, function in PROBES.items():
        REGISTRY._paths[name] = f"{__name__}:{name}"
        REGISTRY._loaded[name] = function
    offered = set(agent.tools.values_list("name", flat=True))
    if not offered >= set(PROBES):
        sync()
        set_tools(agent=agent, names={*offered, *PROBES})
    Probe.entered, Probe.during = [], None
    try:
        yield Probe
    finally:
        for name in PROBES:
            del REGISTRY._paths[name], REGISTRY._loaded[name]
