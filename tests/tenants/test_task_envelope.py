"""A task runs only for the tenant that sent it, and only as it was sent."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from tenants.kernel import tasks
from tenants.kernel.context import current_schema, platform_context, tenant_context
from tenants.kernel.doorbells import sender
from tenants.kernel.errors import TenantContextMissing
from tenants.kernel.tasks import SCHEMA_HEADER, SIGNATURE_HEADER, EnvelopeRefused, PlatformTask, TenantTask

ROOT = Path(__file__).resolve().parents[2]
RAN: list[tuple[str | None, dict[str, Any]]] = []
TASK_ID = "11111111-2222-3333-4444-555555555555"


@shared_task(base=TenantTask, name="tests.note")  # type: ignore[untyped-decorator]  # celery is untyped
def note(**kwargs: Any) -> None:
    """Note in which tenant it ran."""
    RAN.append((current_schema(), kwargs))


@shared_task(base=PlatformTask, name="tests.sweep")  # type: ignore[untyped-decorator]  # celery is untyped
def sweep() -> None:
    """Note in which schema it ran."""
    RAN.append((current_schema(), {}))


@pytest.fixture(autouse=True)
def _forget() -> None:
    RAN.clear()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect what would be put on the broker."""
    messages: list[dict[str, Any]] = []

    def collect(self: Any, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> None:
        messages.append({"name": name, "kwargs": kwargs, **options})

    monkeypatch.setattr("celery.Celery.send_task", collect)
    return messages


def deliver(
    task: Any, kwargs: dict[str, Any], headers: Any, *, args: Any = (), task_id: str = TASK_ID
) -> None:
    """Run a task as a worker does when a message arrives."""
    task.push_request(id=task_id, headers=headers)
    try:
        task(*args, **kwargs)
    finally:
        task.pop_request()


def envelope(task: Any, kwargs: dict[str, Any]) -> dict[str, str]:
    return tasks.envelope(task=task.name, task_id=TASK_ID, schema="acme", kwargs=kwargs)


class TestArrival:
    def test_runs_in_the_tenant_of_the_envelope(self, db: None) -> None:
        deliver(note, {"n": 1}, envelope(note, {"n": 1}))
        assert RAN == [("acme", {"n": 1})]
        assert current_schema() is None

    def test_leaves_no_tenant_behind_when_it_fails(self, db: None) -> None:
        @shared_task(base=TenantTask, name="tests.fail")  # type: ignore[untyped-decorator]  # celery is untyped
        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            deliver(fail, {}, envelope(fail, {}))
        assert current_schema() is None

    @pytest.mark.parametrize(
        "headers",
        [
            None,
            {},
            {SCHEMA_HEADER: "acme"},
            {SIGNATURE_HEADER: "0" * 64},
            {SCHEMA_HEADER: "acme", SIGNATURE_HEADER: ""},
            {SCHEMA_HEADER: "acme", SIGNATURE_HEADER: "0" * 64},
            {SCHEMA_HEADER: "acme", SIGNATURE_HEADER: "ä" * 64},
            {SCHEMA_HEADER: None, SIGNATURE_HEADER: None},
            {SCHEMA_HEADER: ["acme"], SIGNATURE_HEADER: "0" * 64},
            {SCHEMA_HEADER: "", SIGNATURE_HEADER: "0" * 64},
        ],
    )
    def test_without_a_valid_envelope_is_refused(self, db: None, headers: Any) -> None:
        with pytest.raises(EnvelopeRefused):
            deliver(note, {"n": 1}, headers)
        assert RAN == []

    @pytest.mark.parametrize("schema", ["globex", "public", "ACME", "acme ", ""])
    def test_for_another_tenant_is_refused(self, db: None, schema: str) -> None:
        with pytest.raises(EnvelopeRefused):
            deliver(note, {}, {**envelope(note, {}), SCHEMA_HEADER: schema})

    @pytest.mark.parametrize("kwargs", [{"n": 2}, {"n": "1"}, {"n": 1, "m": 1}, {}, {"n": None}])
    def test_with_other_arguments_is_refused(self, db: None, kwargs: dict[str, Any]) -> None:
        with pytest.raises(EnvelopeRefused):
            deliver(note, kwargs, envelope(note, {"n": 1}))
        assert RAN == []

    def test_with_positional_arguments_is_refused(self, db: None) -> None:
        with pytest.raises(EnvelopeRefused):
            deliver(note, {}, envelope(note, {}), args=("more",))

    def test_of_another_tasks_envelope_is_refused(self, db: None) -> None:
        with pytest.raises(EnvelopeRefused):
            deliver(note, {}, envelope(sweep, {}))

    def test_under_another_id_is_refused(self, db: None) -> None:
        with pytest.raises(EnvelopeRefused):
            deliver(note, {}, envelope(note, {}), task_id="another")

    def test_signed_with_another_key_is_refused(self, db: None, settings: Any) -> None:
        signed = envelope(note, {})
        settings.SECRET_KEY = "another key, just as long as the first one was"
        with pytest.raises(EnvelopeRefused):
            deliver(note, {}, signed)

    def test_called_like_a_function_is_refused(self, acme: Any) -> None:
        with pytest.raises(EnvelopeRefused):
            note(n=1)
        assert RAN == []

    def test_of_the_real_tasks_is_refused_too(self, db: None) -> None:
        from agents.tasks import advance_run, sweep_runs
        from governance.tasks import seal_audit_logs
        from hitl.tasks import expire_reviews

        for task in (advance_run, sweep_runs, seal_audit_logs, expire_reviews):
            with pytest.raises(EnvelopeRefused):
                deliver(task, {}, {})


class TestEveryTask:
    def test_carries_an_envelope(self) -> None:
        from config.celery import app

        app.loader.import_default_modules()
        ours = {name: task for name, task in app.tasks.items() if not name.startswith(("celery.", "tests."))}
        assert set(ours) >= {"agents.advance_run", "agents.sweep_runs", "governance.seal_audit_logs"}
        assert [name for name, task in ours.items() if not isinstance(task, TenantTask)] == []

    def test_on_the_clock_exists_and_belongs_to_the_platform(self) -> None:
        from django.conf import settings

        from config.celery import app

        app.loader.import_default_modules()
        for entry in settings.CELERY_BEAT_SCHEDULE.values():
            assert isinstance(app.tasks[entry["task"]], PlatformTask)


class TestSending:
    def test_writes_an_envelope_that_arrives(self, acme: Any, sent: list[dict[str, Any]]) -> None:
        note.apply_async(kwargs={"n": 1})
        (message,) = sent
        deliver(note, message["kwargs"], message["headers"], task_id=message["task_id"])
        assert RAN == [("acme", {"n": 1})]

    def test_outside_a_tenant_is_refused(self, db: None, sent: list[dict[str, Any]]) -> None:
        with pytest.raises(TenantContextMissing):
            note.apply_async(kwargs={})
        assert sent == []

    def test_with_positional_arguments_is_refused(self, acme: Any, sent: list[dict[str, Any]]) -> None:
        with pytest.raises(TypeError):
            note.apply_async(args=(1,))
        with pytest.raises(TypeError):
            note.delay(1)
        assert sent == []

    def test_of_the_platform_needs_no_tenant(self, db: None, sent: list[dict[str, Any]]) -> None:
        sweep.apply_async()
        assert sent[0]["headers"][SCHEMA_HEADER] == "public"


class TestEnqueue:
    @pytest.fixture
    def on_commit(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Collect what waits for the commit; it never comes in these tests."""
        waiting: list[Any] = []
        monkeypatch.setattr(transaction, "on_commit", waiting.append)
        return waiting

    def test_sends_nothing_before_the_commit(
        self, acme: Any, sent: list[dict[str, Any]], on_commit: list[Any]
    ) -> None:
        tasks.enqueue(note.name, n=1)
        assert (sent, len(on_commit)) == ([], 1)

    def test_sends_for_the_tenant_of_the_call(
        self, acme: Any, globex_tenant: Any, sent: list[dict[str, Any]], on_commit: list[Any]
    ) -> None:
        tasks.enqueue(note.name, n=1)
        with tenant_context(globex_tenant):
            tasks.enqueue(note.name, n=2)
        with platform_context():
            for send in on_commit:
                send()
            sender().flush(5)
        for message in sent:
            deliver(note, message["kwargs"], message["headers"], task_id=message["task_id"])
        assert RAN == [("acme", {"n": 1}), ("globex", {"n": 2})]

    def test_outside_a_tenant_is_refused_at_once(self, db: None, on_commit: list[Any]) -> None:
        with pytest.raises(TenantContextMissing):
            tasks.enqueue(note.name)

    @pytest.mark.parametrize("error", [OperationalError(), ConnectionRefusedError(), TimeoutError()])
    def test_does_not_fail_the_caller_when_the_broker_is_away(
        self, acme: Any, monkeypatch: pytest.MonkeyPatch, on_commit: list[Any], error: Exception
    ) -> None:
        def refuse(*_args: Any, **_kwargs: Any) -> None:
            raise error

        monkeypatch.setattr("celery.Celery.send_task", refuse)
        tasks.enqueue(note.name, n=1)
        on_commit[0]()
        sender().flush(5)

    def test_does_not_wait_for_a_slow_broker(
        self, acme: Any, monkeypatch: pytest.MonkeyPatch, on_commit: list[Any]
    ) -> None:
        answers, sent = threading.Event(), threading.Event()

        def dawdle(*_args: Any, **_kwargs: Any) -> None:
            answers.wait(30)
            sent.set()

        monkeypatch.setattr("celery.Celery.send_task", dawdle)
        tasks.enqueue(note.name, n=1)
        on_commit[0]()
        assert not sent.is_set(), "the caller went on while the broker had not answered"
        answers.set()
        sender().flush(5)
        assert sent.is_set()

    def test_of_a_name_that_is_a_task(self) -> None:
        from agents.runs import operations
        from agents.tasks import advance_run

        assert advance_run.name == operations.ADVANCE

    def test_reaches_our_broker_from_a_process_that_only_serves_pages(self) -> None:
        code = (
            "import django; django.setup(); from celery import current_app; from django.conf import settings;"
            "assert current_app.conf.broker_url == settings.CELERY_BROKER_URL, current_app.conf.broker_url"
        )
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
