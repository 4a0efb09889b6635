"""The demo: listed in INSTALLED_APPS by demo settings only."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Register the demo tools."""

    name = "agents.demo"
    label = "demo"

    def ready(self) -> None:
        """Add tools to the registry."""
        from agents.tools.registry import REGISTRY

        for name in ("lookup_order", "refund_order", "send_email"):
            REGISTRY.add(name, f"agents.demo.support:{name}")
        for name in ("lookup_employee", "calculate_bonus", "record_bonus"):
            REGISTRY.add(name, f"agents.demo.people:{name}")
        for name in ("ping", "approved_ping"):
            REGISTRY.add(name, f"agents.demo.bench:{name}")
