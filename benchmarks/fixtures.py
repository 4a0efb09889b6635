"""What the workloads run on: an agent with the tools that do nothing, and the people."""

from typing import Any

from agents.catalog.models import Agent
from agents.catalog.operations import create_agent
from governance.access.models import User
from tenants.kernel.context import HasSchema, schema_tenant

SCHEMA = "acme"
AGENT = "Benchmark"


def tenant() -> HasSchema:
    """Return the tenant that the workloads run in."""
    return schema_tenant(SCHEMA)


def agent() -> Agent:
    """Return the benchmark's agent, made on first use; call it in the tenant's context."""
    found = Agent.objects.filter(name=AGENT).first()
    return found or create_agent(
        name=AGENT, blueprint="assistant", owner=user("alice"), tools=["ping", "approved_ping"]
    )


def user(name: str) -> Any:
    """Return a person of the demo."""
    return User.objects.get(username=name)
