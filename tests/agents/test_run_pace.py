"""Limits per minute: runs slow down, nothing is lost, and without Redis nothing that changes anything runs."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as given

from agents.resilience.models import Circuit
from agents.runs.models import Run
from governance.audit.models import AuditEvent
from governance.metering.models import RateLimit
from tenants.kernel import rates
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.governance.clones import as_owner
from tests.governance.samples import NOW

Start = Callable[..., Run]
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, model: FakeModel) -> Iterator[None]:
    """Use the module's own database; leave neither limits nor buckets behind."""
    url = given.CELERY_BROKER_URL
    _forget(url)
    yield
    with as_owner(committed) as owner:
        owner.execute("DELETE FROM acme.governance_ratelimit")
    _forget(url)


def _forget(url: str) -> None:
    client = redis.Redis.from_url(url)
    for key in client.scan_iter(f"{rates.PREFIX}acme:*"):
        client.delete(key)


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def no_redis(db: None, settings: Any) -> Iterator[None]:
    """Point the buckets at a port where nobody listens."""
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"
    rates._script.cache_clear()
    yield
    rates._script.cache_clear()


def limit(per_minute: int, **more: Any) -> RateLimit:
    made = {"scope": "tenant", "unit": "requests", **more}
    return RateLimit.objects.create(per_minute=per_minute, **made)


class TestRequests:
    def test_above_a_minutes_wait_for_the_next(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel
    ) -> None:
        limit(1)
        model.script(calls(("peek", {})), text("Done."))
        run = work(start("look"))
        assert (run.status, run.waits_for, len(model.requests)) == (Run.Status.QUEUED, "rate", 1)
        assert run.wake_at is not None
        assert timedelta(seconds=59) < run.wake_at - NOW < timedelta(seconds=67)
        assert AuditEvent.objects.filter(run_id=run.pk, action="model.slowed").count() == 1
        run = work(run, at=run.wake_at)
        assert (run.status, len(model.requests)) == (Run.Status.SUCCEEDED, 2)
        assert run.steps.get(number=3).attempts == 1, "waiting was no attempt"

    @pytest.mark.parametrize("scope", ["user", "agent"])
    def test_of_one_subject_alone(self, start: Start, work: Work, scope: str, agent: Any, oscar: Any) -> None:
        subject = str(oscar.pk if scope == "user" else agent.pk)
        limit(1, scope=scope, subject="somebody-else")
        assert work(start("look")).status == Run.Status.SUCCEEDED
        assert work(start("look")).status == Run.Status.SUCCEEDED
        limit(1, scope=scope, subject=subject)
        assert work(start("look")).status == Run.Status.SUCCEEDED
        assert work(start("look")).waits_for == "rate"

    def test_count_tokens_with_the_cap_of_the_answer(self, start: Start, work: Work) -> None:
        limit(6000, unit="tokens")
        assert work(start("look")).status == Run.Status.SUCCEEDED
        assert work(start("look")).waits_for == "rate", "4096 and the request do not fit twice"


class TestToolCalls:
    def test_above_a_minutes_are_tried_again_later_and_do_not_break_the_tool(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel
    ) -> None:
        limit(1, unit="tool_calls")
        model.script(calls(("strike", {}), ("tap", {})), text("Done."))
        run = work(start("hit it"))
        assert (run.status, Probe.names()) == (Run.Status.QUEUED, ["strike"])
        assert run.wake_at is not None
        run = work(run, at=run.wake_at)
        assert (run.status, Probe.names()) == (Run.Status.SUCCEEDED, ["strike", "tap"])
        assert not Circuit.objects.filter(kind="tool", name="tap").exists()


@pytest.mark.usefixtures("no_redis")
class TestWithoutRedis:
    def test_nothing_is_asked(self, start: Start, work: Work, model: FakeModel) -> None:
        limit(100)
        run = work(start("look"))
        assert (run.waits_for, model.requests) == ("rate", [])

    def test_the_operator_may_choose_that_models_answer_but_not_that_anything_is_changed(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel, settings: Any
    ) -> None:
        settings.RATE_LIMITS_FAIL_OPEN = True
        limit(100)
        limit(100, unit="tool_calls")
        model.script(calls(("peek", {}), ("strike", {})), text("Done."))
        run = work(start("hit it"))
        assert (run.status, Probe.names()) == (Run.Status.QUEUED, ["peek"])

    def test_what_has_no_limit_goes_on(self, start: Start, work: Work) -> None:
        assert work(start("look")).status == Run.Status.SUCCEEDED
