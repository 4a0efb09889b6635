"""`manage.py install`: bring the platform, the template and every tenant to this code."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tenants.tenancy.operations import install


class Command(BaseCommand):
    """Migrate what is not up to date. Run it as the role that owns the schemas."""

    help = "Create or upgrade the platform schema, the template schema and every tenant."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each schema that was migrated."""
        migrated = install(platform_host=settings.PLATFORM_HOST)
        self.stdout.write(f"Migrated: {', '.join(migrated)}." if migrated else "Everything is up to date.")
