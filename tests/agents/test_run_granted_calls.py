"""Runs under standing grants: a granted call runs without anybody's look, and a bad end pauses the grant."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from agents.runs import lease, operations
from agents.runs.models import Run
from hitl.grants import operations as grants
from hitl.grants.models import StandingGrant
from hitl.grants.types import GrantRequest
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Crash, Probe, fails
from tests.governance.samples import NOW

LATER = NOW + timedelta(seconds=lease.seconds() + 1)
Start = Callable[..., Run]
Work = Callable[..., Run]
Propose = Callable[[], Run]


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def propose(model: FakeModel, start: Start, work: Work, probe: type[Probe]) -> Propose:
    """Return a function that lets a run propose an offer, and works on it until it waits or ends."""

    def bring() -> Run:
        model.script(calls(("offer", {"amount": 3})), text("Done."))
        return work(start("go"))

    return bring


@pytest.fixture
def grant(propose: Propose, bob: Any) -> Iterator[StandingGrant]:
    """Return a grant that Bob gave when a first run waited for him."""
    waiting = propose()
    assert waiting.status == Run.Status.WAITING
    review = Review.objects.get(run_id=waiting.pk)
    asked = GrantRequest(scope="exact_args", reason="always fine", assurance=Assurance.SESSION)
    given = grants.give(review_id=review.pk, giver=bob, request=asked, now=NOW)
    yield given
    StandingGrant.objects.filter(pk=given.pk).update(revoked_at=NOW)


def state(grant: StandingGrant) -> tuple[str, int]:
    grant.refresh_from_db()
    return grant.state(NOW), grant.uses_left


class TestGrantedCall:
    def test_runs_without_waiting(self, grant: StandingGrant, propose: Propose) -> None:
        run = propose()
        review = Review.objects.get(run_id=run.pk)
        assert (run.status, Probe.names()) == (Run.Status.SUCCEEDED, ["offer"])
        assert (review.status, review.effect_outcome) == (Review.Status.APPROVED, "ok")
        assert state(grant) == ("active", 9)

    def test_that_fails_pauses_the_grant(self, grant: StandingGrant, propose: Propose) -> None:
        Probe.during = fails("It is gone.", transient=False)
        propose()
        assert state(grant) == ("paused", 9)
        assert propose().status == Run.Status.WAITING

    def test_whose_worker_dies_pauses_the_grant(
        self, grant: StandingGrant, propose: Propose, work: Work, start: Start
    ) -> None:
        def die() -> None:
            raise Crash

        Probe.during = die
        with pytest.raises(Crash):
            propose()
        run = Run.objects.filter(status=Run.Status.RUNNING).latest("id")
        operations.requeue(run=run, now=LATER)
        assert work(run, at=LATER).status == Run.Status.WAITING
        assert state(grant) == ("paused", 9)
        assert grant.paused_why == "A call that it let through had an unknown outcome."

    def test_whose_grant_is_revoked_before_it_starts_waits_for_people(
        self, grant: StandingGrant, propose: Propose, bob: Any
    ) -> None:
        grants.revoke(grant_id=grant.pk, by=bob, now=NOW)
        assert propose().status == Run.Status.WAITING
        assert Probe.entered == []

    def test_whose_giver_lost_the_permission_before_it_started_is_blocked(
        self, grant: StandingGrant, person: Any, model: FakeModel, start: Start, work: Work
    ) -> None:
        """The approval is asked for again when the call starts; here between the vote and the start."""
        from hitl.reviews.signals import review_decided

        bob = person("bob")
        groups = list(bob.groups.all())

        def lose(**_kwargs: Any) -> None:
            bob.groups.clear()

        review_decided.connect(lose)
        try:
            model.script(calls(("offer", {"amount": 3})), text("Done."))
            run = work(start("go"))
        finally:
            review_decided.disconnect(lose)
            bob.groups.set(groups)
        review = Review.objects.get(run_id=run.pk)
        assert (review.status, Probe.entered) == (Review.Status.APPROVED, [])
        (step,) = run.steps.filter(kind="tool")
        assert step.result["content"]["error"]["code"] == "approval-not-usable"
