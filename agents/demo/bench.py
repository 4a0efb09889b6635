"""Tools that do nothing, for measuring what governing a step costs."""

import time

from agents.tools.base import tool
from governance.types import EffectClass, Risk


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def ping(n: int) -> dict[str, int]:
    """Return the number."""
    return {"pong": n}


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT)
def approved_ping(n: int) -> dict[str, float]:
    """Return the number and when the tool started, in seconds since 1970, once a person approved."""
    return {"pong": n, "started_at": time.time()}
