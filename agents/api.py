"""Index of this app's API."""

from agents.catalog.api import AgentViewSet
from agents.halts.api import KillSwitchViewSet
from agents.resilience.api import CircuitViewSet
from agents.runs.api import EscalateView, ExecuteView, RunViewSet
from agents.sessions.api import SessionViewSet
from agents.tools.api import ToolSecretViewSet, ToolServerViewSet, ToolViewSet

__all__ = [
    "AgentViewSet",
    "CircuitViewSet",
    "EscalateView",
    "ExecuteView",
    "KillSwitchViewSet",
    "RunViewSet",
    "SessionViewSet",
    "ToolSecretViewSet",
    "ToolServerViewSet",
    "ToolViewSet",
]
