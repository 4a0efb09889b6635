"""Tools that do nothing, for measuring what governing a step costs."""

import time

from agents.tools.base import tool
from governance.types import EffectClass, Risk


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def ping(n: int) -> dict[str, int]:
    """Return the number. It does nothing else: `make bench` measures with it what governing a step costs."""
    return {"pong": n}


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT)
def approved_ping(n: int) -> dict[str, float]:
    """Return the number once a person approved, and when it started. `make bench` measures the wait with it."""
    return {"pong": n, "started_at": time.time()}
