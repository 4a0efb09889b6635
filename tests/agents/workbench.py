"""What tests of runs do again and again: crash, take a run away, answer reviews, read the trail."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from agents.runs import lease, operations
from agents.runs.models import Run, Step
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tenants.kernel.context import schema_tenant, tenant_context
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Crash, Probe
from tests.governance.samples import NOW

LATER = NOW + timedelta(seconds=lease.seconds() + 1)
Start = Callable[..., Run]
Work = Callable[..., Run]


def refresh(run: Run) -> Run:
    """Return the run as it is stored."""
    return Run.objects.select_related("agent", "requester").get(pk=run.pk)


def requeue(run: Run, *, at: datetime = LATER) -> None:
    """Give the run to another worker, as the sweeper does when a lease is over: again if a heartbeat came between."""
    while (found := refresh(run)).status == Run.Status.RUNNING:
        operations.requeue(run=found, now=at)


def elsewhere(action: Callable[[], Any]) -> None:
    """Do something in another process: here, on a connection of another thread."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with tenant_context(schema_tenant("acme")):
                action()
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def proposes(model: FakeModel, name: str, *more: Any, **arguments: Any) -> None:
    """Let the model propose one call and then answer."""
    model.script(calls((name, arguments)), *more, text("Done."))


def crash() -> None:
    """Die while a tool runs."""
    raise Crash


def crashes(run: Run, work: Work, *, at: datetime = NOW) -> None:
    """Let the worker die inside the tool, and the sweeper queue the run again."""
    Probe.during = crash
    with pytest.raises(Crash):
        work(run, at=at)
    requeue(run, at=max(at, LATER))


def tool_step(run: Run) -> Step:
    """Return the run's one tool step."""
    return run.steps.get(kind="tool")


def tool_steps(run: Run) -> list[tuple[str, str]]:
    """Return name and status of the run's tool steps."""
    return list(run.steps.filter(kind="tool").values_list("name", "status"))


def review_of(run: Run) -> Review:
    """Return the run's latest review."""
    return Review.objects.filter(run_id=run.pk).latest("id")


def say(run: Run, who: Any, verb: str, message: str = "I looked.", *, at: datetime = NOW) -> Review:
    """Answer the run's latest review."""
    response = Response(
        verb=DecisionVerb(verb), channel=Channel.DASHBOARD, message=message, assurance=Assurance.STEP_UP
    )
    return reviews.respond(review_id=review_of(run).pk, reviewer=who, response=response, now=at)


def trail(run: Run) -> list[str]:
    """Return what the audit log says of the run, in order."""
    return [event.action for event in AuditEvent.objects.filter(run_id=run.pk).order_by("id")]


def told(model: FakeModel) -> list[dict[str, Any]]:
    """Return the tool results in the last request to the model."""
    return [message for message in model.requests[-1]["messages"] if message["role"] == "tool"]
