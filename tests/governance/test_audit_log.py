"""Every column of an event is covered by its digest; events are appended and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from governance.audit import checkpoint, merkle
from governance.audit import operations as audit
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.audit.types import Entry
from governance.audit.verify import verify
from governance.types import Actor, Subject, UserRef
from tenants.kernel.errors import AuditUnavailable
from tests.governance.samples import AGENT_ID, NOW, RUN_ID, STEP_ID

ENTRY = Entry(
    at=NOW,
    action="tool.succeeded",
    actor=Actor(kind="agent", id=AGENT_ID, name="Support assistant"),
    user=UserRef(id=4, name="oscar"),
    agent_id=AGENT_ID,
    agent_name="Support assistant",
    run_id=RUN_ID,
    step_id=STEP_ID,
    trace_id="a" * 32,
    subject=Subject(kind="tool", id="refund_order"),
    outcome="ok",
    body={"amount": 25.0, "note": "é", "nested": {"list": [1, None, True]}},
)
COLUMNS = [field.attname for field in AuditEvent._meta.concrete_fields if field.attname != "digest"]
TABLES = [model._meta.db_table for model in (AuditEvent, AuditLeaf, AuditCheckpoint)]


def record(**more: Any) -> AuditEvent:
    (event,) = audit.record(Entry(**{**vars(ENTRY), **more}))
    return AuditEvent.objects.get(pk=event.pk)


def other(value: Any) -> Any:
    """Return another value of the column's type."""
    match value:
        case datetime():
            return value + timedelta(microseconds=1)
        case UUID():
            return UUID(int=value.int ^ 1)
        case str():
            return value[:-1] + "~"
        case int():
            return value + 1
        case dict():
            return {**value, "amount": 25.01}
    raise TypeError(f"{value!r}: give the entry a value in every column")


class TestDigest:
    @pytest.mark.parametrize("column", COLUMNS)
    def test_covers_every_column(self, acme: Any, column: str) -> None:
        event = record()
        setattr(event, column, other(getattr(event, column)))
        assert event.compute_digest() != bytes(event.digest)
        assert not event.is_intact()

    @pytest.mark.parametrize("column", ["user_id", "run_id", "step_id"])
    def test_covers_that_a_value_is_missing(self, acme: Any, column: str) -> None:
        event = record()
        setattr(event, column, None)
        assert not event.is_intact()

    def test_holds_after_a_trip_through_the_database(self, acme: Any) -> None:
        assert record().is_intact()

    def test_holds_for_any_body(self, acme: Any) -> None:
        for value in [
            1e15,
            1e16,
            1e22,
            -1e300,
            5e-324,
            0.1 + 0.2,
            2**53,
            2**80,
            float("nan"),
            float("inf"),
            "\x00",
            "\ud800",
            b"x",
        ]:
            assert record(body={"value": value, "list": [value]}).is_intact()

    def test_does_not_depend_on_the_time_zone_it_is_read_in(self, acme: Any) -> None:
        event = record()
        event.at = event.at.astimezone(tz=None)
        assert event.is_intact()

    def test_is_a_leaf_hash(self, acme: Any) -> None:
        event = record()
        assert bytes(event.digest) != merkle.node(b"", b"")
        assert len(bytes(event.digest)) == 32

    def test_of_an_event_without_a_canonical_form_does_not_hold(self, acme: Any) -> None:
        event = record()
        event.body = {"amount": 10**30}
        assert not event.is_intact()


class TestRecord:
    def test_cuts_names_that_are_too_long(self, acme: Any) -> None:
        event = record(
            actor=Actor(kind="person", id="1", name="n" * 999),
            agent_name="a" * 999,
            subject=Subject(kind="x", id="s" * 999),
        )
        assert (len(event.actor_name), len(event.agent_name), len(event.subject_id)) == (150, 150, 120)
        assert event.is_intact()

    def test_takes_several_entries_at_once(self, acme: Any) -> None:
        before = AuditEvent.objects.count()
        audit.record(ENTRY, ENTRY, ENTRY)
        assert AuditEvent.objects.count() == before + 3

    def test_that_cannot_be_written_says_so_and_fails_the_callers_transaction(self, acme: Any) -> None:
        before = AuditEvent.objects.count()
        with pytest.raises(AuditUnavailable), transaction.atomic():
            audit.record(ENTRY)
            audit.record(Entry(at=NOW, action="x" * 100))
        assert AuditEvent.objects.count() == before


class TestAppendOnly:
    @pytest.mark.parametrize("table", TABLES)
    def test_the_runtime_role_is_refused(self, acme: Any, table: str) -> None:
        audit.record(ENTRY)
        audit.seal(now=NOW)
        column = "digest" if table != AuditCheckpoint._meta.db_table else "root"
        with connection.cursor() as cursor:
            for statement in (
                f"UPDATE {table} SET {column} = {column}",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                f"ALTER TABLE {table} DISABLE TRIGGER ALL",
                f"ALTER TABLE {table} ADD COLUMN x int",
                f"DROP TABLE {table}",
                f"CREATE TRIGGER x AFTER INSERT ON {table} EXECUTE FUNCTION governance_append_only()",
            ):
                with (
                    pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
                    transaction.atomic(),
                ):
                    cursor.execute(statement)
            cursor.execute(f"GRANT ALL ON {table} TO cs_app")  # warns, and grants nothing
            cursor.execute("SELECT has_table_privilege(%s, 'UPDATE')", [table])
            assert cursor.fetchone() == (False,)

    def test_the_runtime_role_cannot_become_another(self, acme: Any) -> None:
        with connection.cursor() as cursor:
            for statement in ("SET ROLE cs_owner", "SET session_replication_role = replica"):
                with pytest.raises(DatabaseError), transaction.atomic():
                    cursor.execute(statement)

    @pytest.mark.parametrize("table", TABLES)
    def test_the_runtime_role_holds_only_select_and_insert(self, acme: Any, table: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT array_agg(privilege_type::text ORDER BY privilege_type::text) "
                "FROM pg_class c, aclexplode(c.relacl) WHERE c.oid = %s::regclass AND grantee = 'cs_app'::regrole",
                [table],
            )
            assert cursor.fetchone() == (["INSERT", "SELECT"],)


class TestSeal:
    def test_puts_every_event_under_a_signed_checkpoint(self, acme: Any) -> None:
        waiting = audit.unsealed().count()
        audit.record(ENTRY)
        assert audit.seal(now=NOW) == waiting + 1
        last = AuditCheckpoint.objects.latest("size")
        leaves = [bytes(leaf.digest) for leaf in AuditLeaf.objects.order_by("seq")]
        root = merkle.root(merkle.extend([], 0, leaves)[0])
        assert (last.size, bytes(last.root), last.at) == (len(leaves), root, NOW)
        key = audit.signing_key().public_key()
        assert checkpoint.is_valid(last.note, origin="countersign/acme", size=last.size, root=root, key=key)

    def test_a_second_time_seals_nothing(self, acme: Any) -> None:
        audit.seal(now=NOW)
        before = AuditCheckpoint.objects.count()
        assert audit.seal(now=NOW) == 0
        assert AuditCheckpoint.objects.count() == before

    def test_goes_on_where_it_stopped(self, acme: Any) -> None:
        audit.seal(now=NOW)
        for n in range(1, 6):
            audit.record(*[ENTRY] * n)
            assert audit.seal(now=NOW) == n
        assert verify().findings == ()
        assert list(AuditLeaf.objects.order_by("seq").values_list("seq", flat=True)) == list(
            range(1, AuditLeaf.objects.count() + 1)
        )

    def test_takes_a_batch_at_a_time(self, acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        audit.seal(now=NOW)
        monkeypatch.setattr(audit, "SEAL_BATCH", 3)
        audit.record(*[ENTRY] * 7)
        assert [audit.seal(now=NOW) for _ in range(4)] == [3, 3, 1, 0]
        assert verify().findings == ()

    def test_refuses_to_seal_an_event_that_does_not_match_its_digest(self, acme: Any) -> None:
        forged = AuditEvent(at=NOW, action="tool.succeeded", body={"amount": 1}, digest=bytes(32))
        AuditEvent.objects.bulk_create([forged])
        with pytest.raises(audit.AuditAltered) as raised:
            audit.seal(now=NOW)
        assert raised.value.data == {"event": str(forged.pk)}
        assert not AuditLeaf.objects.filter(event_id=forged.pk).exists()
        assert [finding.where for finding in verify().findings] == [f"event {forged.pk}"]

    def test_refuses_an_event_that_cannot_be_hashed_at_all(self, acme: Any) -> None:
        forged = AuditEvent(at=NOW, action="x", body={"amount": 10**30}, digest=bytes(32))
        AuditEvent.objects.bulk_create([forged])
        with pytest.raises(audit.AuditAltered):
            audit.seal(now=NOW)

    def test_of_one_altered_log_does_not_stop_the_others(self, acme: Any, globex_tenant: Any) -> None:
        from governance.audit.tasks import seal_audit_logs
        from tenants.kernel.context import platform_context, tenant_context

        AuditEvent.objects.bulk_create([AuditEvent(at=NOW, action="x", body={"n": 10**30}, digest=bytes(32))])
        with tenant_context(globex_tenant):
            audit.record(ENTRY)
        with platform_context():
            seal_audit_logs.run()
        with tenant_context(globex_tenant):
            assert audit.unsealed().count() == 0


class TestVerify:
    def test_counts_what_is_sealed_and_what_is_not_yet(self, acme: Any) -> None:
        audit.seal(now=NOW)
        sealed = AuditLeaf.objects.count()
        audit.record(ENTRY, ENTRY)
        report = verify()
        assert (report.sealed, report.unsealed, report.findings) == (sealed, 2, ())

    def test_notices_another_signing_key(self, acme: Any, settings: Any) -> None:
        audit.seal(now=NOW)
        settings.AUDIT_SIGNING_KEY = "another key"
        assert {finding.where.split()[0] for finding in verify().findings} == {"checkpoint"}


class TestTime:
    def test_is_kept_to_the_microsecond(self, acme: Any) -> None:
        at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        assert record(at=at).at == at
