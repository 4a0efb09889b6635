"""A new tenant is an exact copy of the template, made in one transaction or not at all."""

import re
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from governance.access.roles import ROLES
from tenants.kernel.context import platform_context, tenant_context
from tenants.kernel.errors import InvalidInput
from tenants.tenancy.models import Domain, SchemaTemplate, Tenant
from tenants.tenancy.operations import TEMPLATE_SCHEMA, InstallFailed, install, provision
from tests.conftest import database_url
from tests.governance.samples import NOW

AUDIT = ("governance_auditevent", "governance_auditleaf", "governance_auditcheckpoint")
# What makes up a schema; each row with the schema's own name taken out.
CATALOGUE = {
    "columns": "SELECT table_name, column_name, data_type, coalesce(column_default, ''), "
    "is_nullable, coalesce(character_maximum_length::text, ''), is_identity FROM information_schema.columns "
    "WHERE table_schema = %s",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = %s",
    "constraints": "SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid) "
    "FROM pg_constraint WHERE connamespace = %s::regnamespace",
    "triggers": "SELECT tgrelid::regclass::text, tgname, tgenabled::text, pg_get_triggerdef(t.oid) FROM pg_trigger t "
    "JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = %s::regnamespace AND NOT tgisinternal",
    "functions": "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = %s::regnamespace",
    "sequences": "SELECT sequencename, data_type::text, start_value::text, increment_by::text FROM pg_sequences "
    "WHERE schemaname = %s",
    "grants": "SELECT relname, relkind::text, grantee::regrole::text, privilege_type "
    "FROM pg_class, aclexplode(relacl) WHERE relnamespace = %s::regnamespace",
    "grants on columns": "SELECT relname, attname, grantee::regrole::text, privilege_type FROM pg_class c "
    "JOIN pg_attribute a ON attrelid = c.oid, aclexplode(attacl) WHERE relnamespace = %s::regnamespace",
    "rights on the schema": "SELECT grantee::regrole::text, privilege_type FROM pg_namespace, aclexplode(nspacl) "
    "WHERE oid = %s::regnamespace",
}


@pytest.fixture
def db(owned: str) -> None:
    """Use the module's own database, as its owner."""


def catalogue(kind: str, schema: str) -> list[tuple[str, ...]]:
    with platform_context(), connection.cursor() as cursor:
        cursor.execute(CATALOGUE[kind], [schema])
        rows = cursor.fetchall()
    return sorted(
        tuple(plain(value.replace(f'"{schema}"', "*").replace(schema, "*")) for value in row) for row in rows
    )


def plain(text: str) -> str:
    """Leave out casts and brackets, which PostgreSQL writes elsewhere once an expression has been dumped."""
    return re.sub(r"::(?:character varying|text)(?:\[\])?|[()]", "", text)


def new(schema: str, domain: str = "") -> Tenant:
    return provision(schema=schema, name=schema.title(), domain=domain or f"{schema}.localhost")


@pytest.fixture(scope="module")
def initech(owned: str) -> Tenant:
    """Return a new tenant."""
    return new("initech")


class TestCopy:
    @pytest.mark.parametrize("kind", sorted(CATALOGUE))
    def test_equals_the_template(self, db: None, initech: Tenant, kind: str) -> None:
        copy = catalogue(kind, "initech")
        assert copy == catalogue(kind, TEMPLATE_SCHEMA)
        assert copy != []

    def test_names_the_template_nowhere(self, db: None, initech: Tenant) -> None:
        for kind in ("functions", "triggers", "columns"):
            assert TEMPLATE_SCHEMA not in str(catalogue(kind, "initech"))

    def test_has_the_same_rows_but_begins_its_own_log(self, db: None, initech: Tenant) -> None:
        def rows(schema: str) -> dict[str, int]:
            with platform_context(), connection.cursor() as cursor:
                cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema])
                tables = [row[0] for row in cursor.fetchall()]
                counts = {}
                for table in tables:
                    cursor.execute(f'SELECT count(*) FROM "{schema}"."{table}"')
                    counts[table] = cursor.fetchone()[0]
            return counts

        logs = {"governance_auditevent": 0, "auditlog_logentry": 0}
        assert rows("initech") == {**rows(TEMPLATE_SCHEMA), **logs}

    @pytest.mark.parametrize("table", AUDIT)
    def test_lets_the_runtime_role_append_to_the_log_only(
        self, db: None, initech: Tenant, table: str
    ) -> None:
        rights = {
            right
            for name, _, grantee, right in catalogue("grants", "initech")
            if (name, grantee) == (table, "cs_app")
        }
        assert rights == {"SELECT", "INSERT"}

    @pytest.mark.parametrize("table", AUDIT)
    @pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
    def test_refuses_changes_of_the_log(
        self, owned: str, db: None, initech: Tenant, table: str, statement: str
    ) -> None:
        column = "at" if table != "governance_auditleaf" else "digest"
        url = database_url(owned, settings.ENV.database_url)
        with psycopg.connect(url) as runtime, pytest.raises(psycopg.errors.InsufficientPrivilege):
            runtime.execute(statement.format(f"initech.{table}", column, column))

    def test_lets_the_runtime_role_work(self, owned: str, db: None, initech: Tenant) -> None:
        url = database_url(owned, settings.ENV.database_url)
        with psycopg.connect(url) as runtime:
            runtime.execute("INSERT INTO initech.auth_group (name) VALUES ('sales')")
            assert runtime.execute("SELECT current_user").fetchone() == ("cs_app",)
            runtime.rollback()

    def test_has_its_roles_and_tools_and_nobody(self, db: None, initech: Tenant) -> None:
        from django.contrib.auth.models import Group

        from agents.tools.models import Tool
        from agents.tools.registry import REGISTRY
        from governance.access.models import User
        from governance.access.roles import ROLES

        with tenant_context(initech):
            assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
            assert set(Tool.objects.values_list("name", flat=True)) == set(REGISTRY)
            assert User.objects.count() == 0

    def test_has_a_log_that_can_be_sealed_and_verified(self, db: None, initech: Tenant) -> None:
        from governance.audit import operations as audit
        from governance.audit.types import Entry
        from governance.audit.verify import verify

        with tenant_context(initech):
            audit.record(Entry(at=NOW, action="sample"))
            audit.seal(now=NOW)
            report = verify()
            assert (report.unsealed, report.findings) == (0, ())
            assert report.sealed >= 1

    def test_answers_at_its_host(self, db: None, initech: Tenant) -> None:
        from tenants.kernel.hosts import tenant_of_host

        assert tenant_of_host("INITECH.localhost:8000").schema_name == "initech"


class TestNames:
    def test_that_cannot_be_used_are_refused(self, db: None) -> None:
        for schema in [
            "",
            "a",
            "A",
            "Hooli",
            "1st",
            "_x",
            "a-b",
            "a b",
            "a.b",
            "a;b",
            'a"b',
            "a'b",
            "ä",
            "a\n",
            "a\x00",
            "x" * 49,
            "public",
            "acme",
            "extensions",
            "information_schema",
            "pg_catalog",
            "pg_toast",
            "pg_evil",
            TEMPLATE_SCHEMA,
        ]:
            before = catalogue_of_schemas()
            with pytest.raises(InvalidInput):
                new(schema, "somewhere.localhost")
            assert catalogue_of_schemas() == before
            assert not exists("somewhere.localhost")

    @pytest.mark.parametrize("schema", ["order", "user", "x" * 48])
    def test_that_look_odd_work(self, db: None, schema: str) -> None:
        with tenant_context(new(schema)):
            from django.contrib.auth.models import Group

            assert Group.objects.count() == len(ROLES)
        for kind in CATALOGUE:
            assert len(catalogue(kind, schema)) == len(catalogue(kind, TEMPLATE_SCHEMA))

    def test_of_hosts_that_cannot_be_used_are_refused(self, db: None) -> None:
        for domain in [
            "",
            " ",
            "a b.localhost",
            "UPPER.localhost",
            "a/b",
            "a:80",
            "https://a.localhost",
            "-a.localhost",
            "a..b",
            ".a",
            "ä.localhost",
            "x" * 254,
            "a_b.localhost",
            "a.localhost\n",
            "a\x00b",
            "*",
            "acme.localhost",
            "localhost",
        ]:
            before = catalogue_of_schemas()
            with pytest.raises(InvalidInput, match="host"):
                provision(schema="hooli", name="Hooli", domain=domain)
            if domain not in {"acme.localhost", "localhost", "a\x00b"}:
                assert not exists(domain)
            assert catalogue_of_schemas() == before

    @pytest.mark.parametrize(
        "domain", ["hooli.example", "a.b.c.example", "xn--mnchen-3ya.example", "h1.localhost"]
    )
    def test_of_hosts_may_be_any_host(self, db: None, domain: str) -> None:
        schema = "hooli_" + "".join(c for c in domain if c.isalnum())
        new(schema, domain)
        assert exists(domain)


class TestTogether:
    def test_a_failure_leaves_nothing(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        from tenants.signals import schema_ready

        def fail(**_kwargs: Any) -> None:
            raise ZeroDivisionError

        before = catalogue_of_schemas()
        schema_ready.connect(fail)
        try:
            with pytest.raises(ZeroDivisionError):
                new("halfway")
        finally:
            schema_ready.disconnect(fail)
        assert catalogue_of_schemas() == before
        assert not exists("halfway.localhost")

    def test_an_old_template_is_refused(self, db: None) -> None:
        with platform_context():
            template = SchemaTemplate.objects.latest("id")
            SchemaTemplate.objects.filter(pk=template.pk).update(fingerprint="old")
            try:
                with pytest.raises(InstallFailed, match="install"):
                    new("late")
            finally:
                SchemaTemplate.objects.filter(pk=template.pk).update(fingerprint=template.fingerprint)

    def test_a_second_install_changes_nothing(self, db: None, initech: Tenant) -> None:
        before = catalogue_of_schemas()
        assert install(platform_host="localhost") == []
        assert catalogue_of_schemas() == before

    def test_the_command_says_what_is_wrong(self, db: None) -> None:
        with pytest.raises(CommandError, match="acme"):
            call_command("tenants", "create", "acme", "--name", "Acme", "--owner", "alice")
        with pytest.raises(CommandError, match="GOLD"):
            call_command("tenants", "create", "golden", "--name", "G", "--owner", "alice", "--tier", "GOLD")


class TestRuntimeRole:
    def test_cannot_make_a_tenant(self, owned: str, db: None) -> None:
        url = database_url(owned, settings.ENV.database_url)
        with psycopg.connect(url) as runtime:
            for statement in (
                "CREATE SCHEMA mine",
                "CREATE TABLE acme.mine (id int)",
                "DROP SCHEMA acme CASCADE",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), runtime.transaction():
                    runtime.execute(statement)


def catalogue_of_schemas() -> set[str]:
    with platform_context(), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast_temp)'")
        return {row[0] for row in cursor.fetchall()}


def exists(domain: str) -> bool:
    with platform_context():
        return bool(Domain.objects.filter(domain=domain).exists())
