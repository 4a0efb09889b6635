"""Index of this app's API."""

from agents.catalog.api import AgentViewSet
from agents.runs.api import ExecuteView, RunViewSet
from agents.tools.api import ToolSecretViewSet, ToolServerViewSet, ToolViewSet

__all__ = [
    "AgentViewSet",
    "ExecuteView",
    "RunViewSet",
    "ToolSecretViewSet",
    "ToolServerViewSet",
    "ToolViewSet",
]
