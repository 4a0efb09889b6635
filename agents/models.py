"""Index of this app's tables."""

from agents.catalog.models import Agent
from agents.runs.models import Run, Step
from agents.tools.models import Tool

__all__ = ["Agent", "Run", "Step", "Tool"]
