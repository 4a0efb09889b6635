"""Index of this app's tables."""

from agents.catalog.models import Agent
from agents.halts.models import Halt
from agents.resilience.models import Circuit, ConcurrencyCap
from agents.runs.models import Run, Step
from agents.tools.models import Tool, ToolSecret, ToolServer

__all__ = ["Agent", "Circuit", "ConcurrencyCap", "Halt", "Run", "Step", "Tool", "ToolSecret", "ToolServer"]
