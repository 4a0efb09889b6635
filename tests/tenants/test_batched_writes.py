"""Rows of one transaction go to the database in one statement, in their tenant, or not at all."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from agents.runs.models import Run, Step
from governance.audit import operations as audit
from governance.audit.models import AuditEvent
from governance.audit.types import Entry
from governance.types import SYSTEM
from tenants.kernel import prepared, writes
from tenants.kernel.context import tenant_context
from tenants.kernel.errors import AuditUnavailable, StaleTransition, TenantContextMissing
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW


@pytest.fixture
def run(agent: Any, oscar: Any) -> Run:
    """Return a run without steps."""
    return Run.objects.create(
        agent=agent, agent_version=1, snapshot={"agent": agent.name}, requester=oscar, input={}, trace_id="",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def step(run: Run, number: int = 1) -> Step:
    return Step(
        id=uuid7(), run=run, number=number, kind=Step.Kind.TOOL, status=Step.Status.PLANNED, name="x",
        request={"a": [1, "ü", None]}, created_at=NOW,
    )  # fmt: skip


def event(action: str = "test.done") -> Entry:
    return Entry(at=NOW, action=action, actor=SYSTEM, body={"n": 1})


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Collect what the hot path sends."""
    sent: list[str] = []
    original = prepared.execute

    def noting(sql: str, parameters: Any) -> Any:
        sent.append(sql)
        return original(sql, parameters)

    prepared.execute = noting
    yield sent
    prepared.execute = original


class TestBatch:
    def test_is_one_statement(self, run: Run, statements: list[str]) -> None:
        first = step(run)
        first.store(was=None)
        with transaction.atomic(), writes.batched():
            first.close(Step.Status.SUCCEEDED, now=NOW, result={"content": {"ok": True}})
            step(run, 2).store(was=None)
            audit.record(event(), event("test.more"))
        assert len(statements) == 1
        stored = Step.objects.get(pk=first.pk)
        assert (stored.status, stored.result, stored.finished_at) == (
            "succeeded",
            {"content": {"ok": True}},
            NOW,
        )
        assert run.steps.count() == 2
        assert AuditEvent.objects.filter(action__startswith="test.").count() == 2
        assert all(found.is_intact() for found in AuditEvent.objects.filter(action__startswith="test."))

    def test_writes_a_row_once_as_it_stands_at_the_end(self, run: Run) -> None:
        item = step(run)
        with transaction.atomic(), writes.batched():
            item.store(was=None)
            item.store(was=item.status, status=Step.Status.EXECUTING, attempts=1)
            item.close(Step.Status.FAILED, now=NOW, result={"content": None})
        stored = Step.objects.get(pk=item.pk)
        assert (stored.status, stored.attempts, stored.request) == ("failed", 1, {"a": [1, "ü", None]})

    def test_changes_nothing_that_somebody_else_moved(self, run: Run) -> None:
        item = step(run)
        item.store(was=None)
        Step.objects.filter(pk=item.pk).update(status="executing")
        with pytest.raises(StaleTransition), transaction.atomic(), writes.batched():
            item.close(Step.Status.SUCCEEDED, now=NOW, result={"content": 1})
            audit.record(event())
        assert Step.objects.get(pk=item.pk).status == "executing"
        assert not AuditEvent.objects.filter(action="test.done").exists()

    def test_sends_nothing_after_an_exception(self, run: Run, statements: list[str]) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic(), writes.batched():
            step(run).store(was=None)
            raise ZeroDivisionError
        assert (statements, run.steps.count()) == ([], 0)
        step(run).store(was=None)
        assert run.steps.count() == 1, "the next write is not caught in an old batch"

    def test_inside_another_is_part_of_it(self, run: Run, statements: list[str]) -> None:
        with transaction.atomic(), writes.batched():
            with writes.batched():
                step(run).store(was=None)
            assert statements == []
        assert len(statements) == 1

    def test_says_that_the_audit_log_cannot_be_written(self, run: Run) -> None:
        with pytest.raises(AuditUnavailable), transaction.atomic(), writes.batched():
            step(run).store(was=None)
            audit.record(event("longer than the column " * 4))
        assert run.steps.count() == 0


class TestPrepared:
    def test_statement_follows_its_connection_through_tenants(self, acme: Any, globex_tenant: Any) -> None:
        sql = "SELECT count(*), current_schema() FROM agents_run WHERE status <> %s"
        seen = []
        for tenant in (acme, globex_tenant, acme, globex_tenant):
            with tenant_context(tenant):
                seen.append(prepared.execute(sql, ["x"])[0][1])
        assert seen == ["acme", "globex", "acme", "globex"]

    def test_statement_outside_a_tenant_is_refused(self, db: None) -> None:
        with pytest.raises(TenantContextMissing):
            prepared.execute("SELECT 1", [])

    def test_row_comes_back_as_the_model(self, run: Run) -> None:
        found = prepared.first(Run, "id = %s", [run.pk])
        assert found is not None
        expected = Run.objects.get(pk=run.pk)
        assert {f.attname: getattr(found, f.attname) for f in Run._meta.concrete_fields} == {
            f.attname: getattr(expected, f.attname) for f in Run._meta.concrete_fields
        }
        assert prepared.first(Run, "id = %s", [uuid7()]) is None
