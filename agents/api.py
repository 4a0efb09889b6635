"""Index of this app's API."""

from agents.catalog.api import AgentViewSet
from agents.runs.api import ExecuteView, RunViewSet
from agents.sessions.api import SessionViewSet
from agents.tools.api import ToolViewSet

__all__ = ["AgentViewSet", "ExecuteView", "RunViewSet", "SessionViewSet", "ToolViewSet"]
