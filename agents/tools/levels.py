"""Tools as objects on which people and agents hold levels."""

from typing import Any

from agents.tools.models import Tool
from governance.access.rights.types import Kind


def _closed(tool: Any) -> str:
    if tool.quarantined:
        return f"{tool} is in quarantine until somebody confirms its risk and effect."
    return "" if tool.enabled else f"{tool} is disabled in this tenant."


TOOL = Kind(model=Tool, closed=_closed)
