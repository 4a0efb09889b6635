"""`manage.py keys`: the keys with which tenants sign tokens."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from governance.identity import keys
from governance.identity.models import SigningKey
from tenants.kernel.context import PUBLIC, schema_tenant, tenant_context
from tenants.kernel.tenants import all_schemas


class Command(BaseCommand):
    """`keys list` and `keys rotate [--compromised]`, for one tenant or all."""

    help = "List or rotate the keys with which tenants sign tokens."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        parser.add_argument("action", choices=["list", "rotate"])
        parser.add_argument("--tenant", help="schema name; default: every tenant")
        parser.add_argument(
            "--compromised",
            action="store_true",
            help="take the old key out of the key set at once: every token that it signed ends",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through the tenants and say which key signs now."""
        known = [schema for schema in all_schemas() if schema != PUBLIC]
        schemas = [options["tenant"]] if options["tenant"] else known
        if unknown := set(schemas) - set(known):
            raise CommandError(f"No tenant {', '.join(unknown)}. Known: {', '.join(known)}.")
        for schema in schemas:
            with tenant_context(schema_tenant(schema)):
                if options["action"] == "rotate":
                    keys.rotate(now=timezone.now(), compromised=options["compromised"])
                for key in SigningKey.objects.all():
                    self.stdout.write(f"{schema}: {key.status:8} {key.kid}")
