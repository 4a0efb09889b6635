"""The time."""

from django.utils import timezone

from agents.tools.base import tool
from governance.types import EffectClass, Risk


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True)
def current_time() -> dict[str, str]:
    """Return the current date and time in UTC, ISO 8601."""
    return {"utc": timezone.now().isoformat(timespec="seconds")}
