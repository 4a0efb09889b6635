"""`manage.py halt`: trip, lift and list kill switches. Needs the database alone: no web, no broker."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agents.catalog.models import Agent
from agents.halts import operations, platform
from agents.halts.models import Halt
from tenants.kernel import live
from tenants.kernel.context import PUBLIC, platform_context, schema_tenant, tenant_context
from tenants.kernel.errors import DomainError
from tenants.kernel.tenants import all_schemas
from tenants.tenancy.models import PlatformHalt

ALL = ""
PAGES_S = 1.0
"""Seconds given to telling open pages; without a broker they find out when they are loaded again."""


class Command(BaseCommand):
    """`halt trip|lift (--tenant X [--agent NAME] | --platform [X]) --by USER`, and `halt list`."""

    help = "Trip, lift or list kill switches."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        trip = actions.add_parser("trip", help="stop an agent, a tenant, or all tenants")
        trip.add_argument("--reason", required=True, help="everybody whose runs stop reads it")
        lift = actions.add_parser("lift", help="let them go on")
        for command in (trip, lift):
            scope = command.add_mutually_exclusive_group(required=True)
            scope.add_argument("--tenant", help="schema name: the tenant's own switch")
            scope.add_argument(
                "--platform", nargs="?", const=ALL, metavar="TENANT",
                help="the platform's switch, over all tenants or the one named",
            )  # fmt: skip
            command.add_argument("--agent", help="name of one agent; with --tenant")
            command.add_argument("--by", required=True, help="your user name in the tenant, or the platform")
        listing = actions.add_parser("list", help="those that stand")
        listing.add_argument("--tenant", help="schema name; default: the platform's and every tenant's")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen subcommand; raise CommandError with what was refused."""
        tenants = [schema for schema in all_schemas() if schema != PUBLIC]
        named = options.get("tenant")
        if named and named not in tenants:
            raise CommandError(f"No tenant '{named}'. Known: {', '.join(tenants)}.")
        if options["action"] == "list":
            self._list([named] if named else tenants)
            return
        if options["agent"] and not named:
            raise CommandError("--agent needs --tenant.")
        try:
            if named:
                with tenant_context(schema_tenant(named)):
                    self._tenants(options)
            else:
                with platform_context():
                    self._platforms(options)
        except DomainError as error:
            raise CommandError(error.detail) from error
        live.publisher().flush(PAGES_S)

    def _tenants(self, options: dict[str, Any]) -> None:
        by, agent = _person(options["by"]), _agent(options["agent"])
        if options["action"] == "trip":
            halt = operations.trip(agent=agent, reason=options["reason"], by=by, now=timezone.now())
            self.stdout.write(f"Stopped in {options['tenant']}: {halt}. Nothing new starts.")
            return
        standing = Halt.objects.standing().filter(agent=agent).first()
        if standing is None:
            raise CommandError(f"No kill switch stands over exactly this in {options['tenant']}.")
        operations.lift(halt=standing, by=by, now=timezone.now())
        self.stdout.write(f"Lifted in {options['tenant']}: {standing}.")

    def _platforms(self, options: dict[str, Any]) -> None:
        by, schema = _person(options["by"]), options["platform"]
        if options["action"] == "trip":
            halt = platform.trip(schema=schema, reason=options["reason"], by=by, now=timezone.now())
            self.stdout.write(f"Stopped by the platform: {halt}. Nothing new starts.")
            return
        standing = PlatformHalt.objects.filter(schema=schema, lifted_at=None).first()
        if standing is None:
            raise CommandError("No kill switch of the platform stands over exactly this.")
        platform.lift(halt=standing, by=by, now=timezone.now())
        self.stdout.write(f"Lifted by the platform: {standing}.")

    def _list(self, schemas: list[str]) -> None:
        found = []
        with platform_context():
            standing = PlatformHalt.objects.filter(schema__in=[ALL, *schemas], lifted_at=None)
            found += [("platform", str(halt), halt.reason, halt.by, halt.at) for halt in standing]
        for schema in schemas:
            with tenant_context(schema_tenant(schema)):
                own = Halt.objects.standing().select_related("agent", "by")
                found += [(schema, str(halt), halt.reason, halt.who, halt.at) for halt in own]
        for where, what, reason, who, at in found:
            line = (where, what, one_line(reason), who, f"{at:%Y-%m-%d %H:%M:%S}")
            self.stdout.write("\t".join(line))


def one_line(reason: str) -> str:
    """Return the reason without characters that move a terminal's cursor."""
    return "".join(character if character.isprintable() else "?" for character in reason)


def _person(username: str) -> Any:
    person = get_user_model().objects.filter(username=username, is_active=True).first()
    if person is None:
        raise CommandError(f"Nobody here is called '{username}'.")
    return person


def _agent(name: str | None) -> Agent | None:
    if name is None:
        return None
    agent = Agent.objects.filter(name=name).first()
    if agent is None:
        known = ", ".join(Agent.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(f"No agent '{name}'. Known: {known}.")
    return agent
