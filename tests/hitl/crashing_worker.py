"""A worker that is a process of its own, and is killed with SIGKILL at a failpoint.

    python -m tests.hitl.crashing_worker RUN FAILPOINT-FILE LEDGER

Its tools write a line into the ledger each time they take effect, which outlives the process.
"""

import sys
from pathlib import Path

import django


def main(run_id: str, armed: str, ledger: str) -> None:
    """Advance the run until it waits or ends, or this process dies."""
    django.setup()
    from agents.catalog.models import Agent
    from agents.runs.advance import advance
    from tenants.kernel import failpoints
    from tenants.kernel.context import schema_tenant, tenant_context
    from tests.agents import probes
    from tests.governance.samples import NOW

    def take_effect() -> None:
        with Path(ledger).open("a") as lines:
            lines.write("effect\n")

    failpoints._FILE = Path(armed)
    with tenant_context(schema_tenant("acme")):
        agent = Agent.objects.get(name="Support assistant")
        with probes.installed(agent) as probe:
            probe.each_time = take_effect
            advance(run_id=run_id, clock=lambda: NOW)


if __name__ == "__main__":
    main(*sys.argv[1:])
