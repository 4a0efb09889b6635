"""Whoever owns the tables can switch the triggers off; then verification names what they did."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from governance.audit import operations as audit
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.audit.types import Entry
from governance.audit.verify import verify
from tenants.kernel.context import schema_tenant, tenant_context
from tests.governance.clones import as_owner, own_database
from tests.governance.samples import NOW

TABLES = ("governance_auditevent", "governance_auditleaf", "governance_auditcheckpoint")


@pytest.fixture(scope="module")
def name(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Return a database with twelve events under three checkpoints."""
    with own_database(django_db_blocker) as name:
        with tenant_context(schema_tenant("acme")):
            audit.seal(now=NOW)
            for n in range(3):
                audit.record(*[Entry(at=NOW, action=f"sample.{n}", body={"n": n})] * 4)
                audit.seal(now=NOW)
        yield name


@pytest.fixture
def tamper(name: str) -> Iterator[Any]:
    """Return a function that changes a copy of the log as its owner and verifies it; then restore the log."""

    @contextmanager
    def changed() -> Iterator[psycopg.Connection]:
        with as_owner(name) as owner:
            owner.execute("SET search_path = acme")
            for table in TABLES:
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                owner.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
            try:
                yield owner
            finally:
                for table in TABLES:
                    owner.execute(f"DELETE FROM {table}")
                    owner.execute(f"INSERT INTO {table} TABLE kept_{table}")
                    owner.execute(f"DROP TABLE kept_{table}")
                    owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def go(statement: str, *values: Any) -> list[tuple[str, str]]:
        with changed() as owner:
            owner.execute(statement, values)
            return [(finding.where, finding.what) for finding in verify().findings]

    with tenant_context(schema_tenant("acme")):
        assert verify().findings == ()
        yield go
        assert verify().findings == (), "the log was not restored"


def victim() -> AuditLeaf:
    """Return a leaf in the middle of the log."""
    return AuditLeaf.objects.get(seq=AuditLeaf.objects.count() - 6)


def wheres(findings: list[tuple[str, str]]) -> str:
    return "\n".join(where for where, _ in findings)


class TestEvents:
    @pytest.mark.parametrize(
        "change",
        [
            "body = '{\"n\": 7}'",
            "at = at + interval '1 microsecond'",
            "actor_name = 'mallory'",
            "user_id = 1",
            "run_id = gen_random_uuid()",
            "outcome = 'ok'",
            "trace_id = 'x'",
            "digest = sha256('forged')",
        ],
    )
    def test_altered(self, tamper: Any, change: str) -> None:
        leaf = victim()
        findings = tamper(f"UPDATE governance_auditevent SET {change} WHERE id = %s", leaf.event_id)
        assert str(leaf.event_id) in wheres(findings)

    def test_deleted(self, tamper: Any) -> None:
        leaf = victim()
        findings = tamper("DELETE FROM governance_auditevent WHERE id = %s", leaf.event_id)
        assert (f"event {leaf.event_id} (leaf {leaf.seq})", "the event was deleted") in findings

    def test_inserted_without_a_matching_digest(self, tamper: Any) -> None:
        leaf = victim()
        findings = tamper(
            "INSERT INTO governance_auditevent SELECT (r).* FROM (SELECT jsonb_populate_record(e, "
            '\'{"id": "00000000-0000-7000-8000-000000000001"}\') AS r FROM governance_auditevent e WHERE id = %s) x',
            leaf.event_id,
        )
        assert wheres(findings) == "event 00000000-0000-7000-8000-000000000001"

    def test_exchanged(self, tamper: Any) -> None:
        """Two events trade places, digests and all."""
        leaf = victim()
        findings = tamper(
            "UPDATE governance_auditleaf a SET digest = b.digest FROM governance_auditleaf b "
            "WHERE (a.seq = %s AND b.seq = %s + 3) OR (a.seq = %s + 3 AND b.seq = %s)",
            *[leaf.seq] * 4,
        )
        assert f"event {leaf.event_id}" in wheres(findings)


class TestLeaves:
    def test_deleted_with_their_event(self, tamper: Any) -> None:
        leaf = victim()
        findings = tamper(
            "WITH gone AS (DELETE FROM governance_auditleaf WHERE seq = %s RETURNING event_id) "
            "DELETE FROM governance_auditevent WHERE id IN (SELECT event_id FROM gone)",
            leaf.seq,
        )
        assert (f"leaf {leaf.seq + 1}", f"leaf {leaf.seq} is missing or was moved") in findings

    def test_deleted_and_renumbered(self, tamper: Any) -> None:
        leaf = victim()
        findings = tamper(
            "WITH gone AS (DELETE FROM governance_auditleaf WHERE seq = %s RETURNING seq) "
            "UPDATE governance_auditleaf SET seq = governance_auditleaf.seq - 1 "
            "FROM gone WHERE governance_auditleaf.seq > gone.seq",
            leaf.seq,
        )
        assert "checkpoint" in wheres(findings)

    def test_cut_off_at_the_end(self, tamper: Any) -> None:
        size = AuditLeaf.objects.count()
        findings = tamper("DELETE FROM governance_auditleaf WHERE seq > %s", size - 2)
        assert (f"checkpoint {size}", "leaves it covers are missing") in findings

    def test_added_without_a_checkpoint(self, tamper: Any) -> None:
        size = AuditLeaf.objects.count()
        findings = tamper(
            "INSERT INTO governance_auditleaf (seq, event_id, digest) VALUES (%s, gen_random_uuid(), sha256('x'))",
            size + 1,
        )
        assert (f"leaf {size + 1}", "no checkpoint covers it") in findings

    def test_of_an_event_altered_with_all_its_digests(self, tamper: Any) -> None:
        """The event, its digest and its leaf agree; only the signed root does not."""
        leaf = victim()
        event = AuditEvent.objects.get(pk=leaf.event_id)
        event.actor_name = "mallory"
        digest = event.compute_digest()
        findings = tamper(
            "WITH changed AS (UPDATE governance_auditevent SET actor_name = 'mallory', digest = %s WHERE id = %s) "
            "UPDATE governance_auditleaf SET digest = %s WHERE seq = %s",
            digest,
            leaf.event_id,
            digest,
            leaf.seq,
        )
        covered = AuditCheckpoint.objects.filter(size__gte=leaf.seq).order_by("size").first()
        assert covered is not None
        assert f"checkpoint {covered.size}" in wheres(findings)


class TestCheckpoints:
    @pytest.mark.parametrize(
        "change",
        [
            "note = replace(note, 'acme', 'globex')",
            "note = ''",
            "root = sha256('x')",
            "frontier = '[]'",
            "size = size + 100",
        ],
    )
    def test_altered(self, tamper: Any, change: str) -> None:
        size = AuditCheckpoint.objects.latest("size").size
        findings = tamper(f"UPDATE governance_auditcheckpoint SET {change} WHERE size = %s", size)
        assert "checkpoint" in wheres(findings)

    def test_deleted_at_the_end(self, tamper: Any) -> None:
        size = AuditCheckpoint.objects.latest("size").size
        findings = tamper("DELETE FROM governance_auditcheckpoint WHERE size = %s", size)
        assert findings == [(f"leaf {size - 3}", "no checkpoint covers it")]

    def test_of_another_tenant(self, tamper: Any) -> None:
        with tenant_context(schema_tenant("globex")):
            audit.seal(now=NOW)
            foreign = AuditCheckpoint.objects.latest("size")
        size = AuditCheckpoint.objects.latest("size").size
        findings = tamper(
            "UPDATE governance_auditcheckpoint SET note = %s WHERE size = %s", foreign.note, size
        )
        assert f"checkpoint {size}" in wheres(findings)


class TestTriggers:
    @pytest.mark.parametrize("schema", ["public", "acme", "globex"])
    def test_refuse_the_owner_too(self, name: str, schema: str) -> None:
        with tenant_context(schema_tenant(schema)):
            audit.record(Entry(at=NOW, action="sample"))
            audit.seal(now=NOW)
        with as_owner(name) as owner:
            for table in TABLES:
                column = "at" if table != "governance_auditleaf" else "digest"
                for statement in ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                        owner.execute(statement.format(f"{schema}.{table}", column, column))
