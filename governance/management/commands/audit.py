"""`manage.py audit verify`: prove that the audit log is whole."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.utils import timezone

from governance.audit.operations import AuditAltered, seal
from governance.audit.verify import Report, verify
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.tenants import all_schemas


class Command(BaseCommand):
    """`audit verify` and `audit seal`, for one tenant or all."""

    help = "Verify or seal the audit log. Exit code 1 and the first bad row if it does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        parser.add_argument("action", choices=["verify", "seal"])
        parser.add_argument("--tenant", help="schema name; default: every tenant and the platform")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it in each tenant; raise CommandError naming the first row that does not hold."""
        known = all_schemas()
        schemas = [options["tenant"]] if options["tenant"] else known
        if unknown := set(schemas) - set(known):
            raise CommandError(f"No tenant {', '.join(unknown)}. Known: {', '.join(known)}.")
        results = {}
        for schema in schemas:
            with tenant_context(schema_tenant(schema)):
                if options["action"] == "seal":
                    self._seal(schema)
                    continue
                results[schema] = self._verify()
        if options["json"]:
            self.stdout.write(json.dumps({schema: asdict(report) for schema, report in results.items()}))
        else:
            for schema, report in results.items():
                self.stdout.write(
                    f"{schema}: {report.sealed} events sealed under {report.checkpoints} checkpoints, "
                    f"{report.unsealed} not sealed yet, {len(report.findings)} findings"
                )
        bad = [(schema, finding) for schema, report in results.items() for finding in report.findings]
        if bad:
            lines = [f"{schema}: {finding.where}: {finding.what}" for schema, finding in bad[:20]]
            hint = ""
            if all(finding.what.startswith("not sealed") for _, finding in bad):
                hint = "\nIs the sealer (worker and beat) running? `manage.py audit seal` seals what waits."
            raise CommandError("The audit log does not hold.\n" + "\n".join(lines) + hint, returncode=1)

    def _verify(self) -> Report:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return verify(now=timezone.now())

    def _seal(self, schema: str) -> None:
        try:
            count = seal(now=timezone.now())
        except AuditAltered as error:
            raise CommandError(f"{schema}: {error.detail}") from error
        self.stdout.write(f"{schema}: sealed {count} events")
