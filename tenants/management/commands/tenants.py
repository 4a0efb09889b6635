"""`manage.py tenants`: list tenants, create one, give one a new key."""

import os
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.kernel.context import platform_context, tenant_context
from tenants.kernel.errors import DomainError
from tenants.keys.operations import rotate
from tenants.tenancy.models import Tenant
from tenants.tenancy.operations import provision
from tenants.tiers.models import ENTERPRISE


class Command(BaseCommand):
    """`tenants list`, `tenants rotate-key SCHEMA`, and
    `tenants create SCHEMA --name NAME --owner USERNAME [--tier TIER] [--domain HOST]`."""

    help = "List tenants, create one, or give one a new key for its secrets."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list")
        rotate = actions.add_parser("rotate-key")
        rotate.add_argument("schema")
        create = actions.add_parser("create")
        create.add_argument("schema")
        create.add_argument("--name", required=True)
        create.add_argument(
            "--owner", required=True, help="user name of its first person, who may do everything"
        )
        create.add_argument("--tier", default=ENTERPRISE, help="default ENTERPRISE: no limits")
        create.add_argument("--domain", help="host name; default SCHEMA.PLATFORM_HOST")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen subcommand."""
        if options["action"] == "list":
            with platform_context():
                for tenant in Tenant.objects.prefetch_related("domains").order_by("schema_name"):
                    hosts = ", ".join(domain.domain for domain in tenant.domains.all())
                    self.stdout.write(f"{tenant.schema_name}\t{tenant.name}\t{hosts}")
            return
        if options["action"] == "rotate-key":
            self._rotate(options["schema"])
            return
        domain = options["domain"] or f"{options['schema']}.{settings.PLATFORM_HOST}"
        try:
            tenant = provision(
                schema=options["schema"],
                name=options["name"],
                domain=domain,
                tier=options["tier"],
            )
            password = self._make_owner(tenant, options["owner"])
        except DomainError as error:
            raise CommandError(error.detail) from error
        port = os.environ.get("PORT", "")
        self.stdout.write(f"Created {tenant.name} at http://{domain}{':' if port else ''}{port}/.")
        self.stdout.write(
            f"Sign in as {options['owner']} with the password {password}; it is not shown again."
        )

    def _rotate(self, schema: str) -> None:
        with platform_context():
            if not Tenant.objects.filter(schema_name=schema).exists():
                raise CommandError(f"There is no tenant with the schema '{schema}'.")
            key = rotate(schema)
        self.stdout.write(
            f"Secrets that {schema} saves from now on are sealed under key {key.version}; older keys stay."
        )

    def _make_owner(self, tenant: Tenant, username: str) -> str:
        password = secrets.token_urlsafe(12)
        with tenant_context(tenant):
            get_user_model().objects.create_superuser(username, password=password)
        return password
