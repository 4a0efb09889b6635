"""Agents as objects on which people hold levels."""

from agents.catalog.models import Agent
from governance.access.rights.types import Kind

AGENT = Kind(model=Agent, closed=lambda agent: "")
