"""`manage.py runs recover`: find runs whose stored state was damaged, and repair them."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agents.runs import operations, recovery
from agents.runs.models import Run
from tenants.kernel.context import PUBLIC, schema_tenant, tenant_context
from tenants.kernel.errors import DomainError
from tenants.kernel.tenants import all_schemas


class Command(BaseCommand):
    """`runs recover [--tenant SCHEMA] [--run ID] [--dry-run] [--json]`."""

    help = (
        "Check the steps of every run that has not ended against their checksums and repair what was damaged; "
        "queue again runs whose worker is gone. Exit code 1 if a run cannot be repaired."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommand."""
        actions = parser.add_subparsers(dest="action", required=True)
        recover = actions.add_parser("recover", help=self.help)
        recover.add_argument("--tenant", help="schema name; default: every tenant")
        recover.add_argument("--run", help="id of one run, ended or not; default: all that have not ended")
        recover.add_argument("--dry-run", action="store_true", help="say what is damaged, change nothing")
        recover.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through the tenants; raise CommandError naming the runs that could not be repaired."""
        known = [schema for schema in all_schemas() if schema != PUBLIC]
        schemas = [options["tenant"]] if options["tenant"] else known
        if unknown := set(schemas) - set(known):
            raise CommandError(f"No tenant {', '.join(unknown)}. Known: {', '.join(known)}.")
        checked, requeued, results = 0, 0, []
        for schema in schemas:
            with tenant_context(schema_tenant(schema)):
                runs = self._runs(options["run"])
                if not options["dry_run"]:
                    requeued += operations.requeue_stalled(now=timezone.now())
                for run in runs:
                    checked += 1
                    results += self._recover(schema, run, dry_run=options["dry_run"])
        if options["run"] and not checked:
            raise CommandError(f"There is no run {options['run']}.")
        if options["json"]:
            report = {"checked": checked, "requeued": requeued, "damaged": results}
            self.stdout.write(json.dumps(report))
        else:
            for result in results:
                self.stdout.write(f"{result['tenant']}: run {result['run']}: {result['said']}")
            self.stdout.write(f"{checked} runs checked, {len(results)} damaged, {requeued} queued again")
        if lost := [result["run"] for result in results if not result["repaired"] and not options["dry_run"]]:
            raise CommandError(f"Not repaired: {', '.join(lost)}.", returncode=1)

    def _runs(self, run_id: str | None) -> list[Run]:
        if run_id:
            return list(Run.objects.filter(pk=run_id))
        return list(Run.objects.exclude(status__in=Run.ENDED).order_by("id"))

    def _recover(self, schema: str, run: Run, *, dry_run: bool) -> list[dict[str, Any]]:
        bad = recovery.damaged(run)
        if not bad:
            return []
        result: dict[str, Any] = {"tenant": schema, "run": str(run.pk), "steps": bad, "repaired": False}
        words = ", ".join(map(str, bad))
        if dry_run:
            return [{**result, "said": f"damaged steps {words}"}]
        try:
            done = recovery.recover(run.pk, now=timezone.now())
        except DomainError as error:
            return [{**result, "said": f"damaged steps {words}: {error.detail}"}]
        if done is None:
            return []
        said = f"{done.outcome}; rebuilt {done.rebuilt or 'none'}, dropped {done.dropped or 'none'}"
        return [{**result, "repaired": True, "said": said}]
