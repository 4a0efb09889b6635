"""`manage.py seed_demo`: tenants, people, agents and first runs of the demo."""

from typing import Any

from django.core.management.base import BaseCommand

from agents.demo.seed import seed


class Command(BaseCommand):
    """Seed the demo; running it again adds only what is missing."""

    help = "Seed the demo tenants. Run it as the role that owns the schemas."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed."""
        seed()
        self.stdout.write("The demo is seeded.")
