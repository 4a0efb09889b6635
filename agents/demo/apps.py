"""The demo: listed in INSTALLED_APPS by demo settings only."""

import os
from pathlib import Path

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Register the demo tools, and let `make chaos` kill a process at a named point."""

    name = "agents.demo"
    label = "demo"

    def ready(self) -> None:
        """Add tools to the registry; arm the failpoints if a file of them is named."""
        from agents.tools.registry import REGISTRY
        from tenants.kernel import failpoints

        for name in ("lookup_order", "read_ticket", "refund_order", "send_email", "recall_email"):
            REGISTRY.add(name, f"agents.demo.support:{name}")
        for name in ("lookup_employee", "calculate_bonus", "record_bonus", "change_salary"):
            REGISTRY.add(name, f"agents.demo.people:{name}")
        for name in ("ping", "approved_ping"):
            REGISTRY.add(name, f"agents.demo.bench:{name}")
        for name in ("ledger_read", "ledger_put", "ledger_add", "ledger_pay"):
            REGISTRY.add(name, f"agents.demo.chaos:{name}")
        REGISTRY.add("delete_user", "agents.demo.accounts:delete_user")
        if file := os.environ.get("COUNTERSIGN_FAILPOINTS"):
            failpoints.arm(Path(file))
