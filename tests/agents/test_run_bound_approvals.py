"""Whatever changes between approval and execution, the effect does not happen."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from guardian.shortcuts import assign_perm, remove_perm

from agents.catalog.models import Agent
from agents.catalog.operations import change_agent, set_tools
from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.access.models import User
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tenants.kernel.models import uuid7
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.governance.clones import as_owner
from tests.governance.samples import NOW

Start = Callable[..., Run]
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def someone(person: Any) -> Callable[..., Any]:
    """Return a function that makes a person nobody else's test knows."""
    made = iter(range(100))

    def make(*permissions: str) -> Any:
        return person(f"person{next(made)}-{uuid7().hex[-6:]}", *permissions)

    return make


@pytest.fixture
def requester(someone: Callable[..., Any]) -> Any:
    """Return the person on whose behalf the agent acts."""
    return someone("agents.execute_agent", "agents.execute_tool")


@pytest.fixture
def approvers(someone: Callable[..., Any]) -> list[Any]:
    """Return the two people who approve."""
    return [someone("hitl.decide_review"), someone("hitl.decide_review")]


@pytest.fixture
def propose(
    probe: type[Probe], model: FakeModel, start: Start, work: Work, requester: Any
) -> Callable[[], Run]:
    """Return a function that brings a launch to where it waits for two people."""

    def bring() -> Run:
        model.script(calls(("launch", {})), text("Done."))
        run = work(start("go", user=requester))
        assert run.status == Run.Status.WAITING
        return run

    return bring


@pytest.fixture
def approved(propose: Callable[[], Run], approvers: list[Any]) -> Run:
    """Return a run whose launch two people approved."""
    return approve(propose(), approvers)


def approve(run: Run, approvers: list[Any]) -> Run:
    for person in approvers:
        given = Response(verb=DecisionVerb.APPROVE, channel=Channel.DASHBOARD, assurance=Assurance.STEP_UP)
        reviews.respond(review_id=review_of(run).pk, reviewer=person, response=given, now=NOW)
    run.refresh_from_db()
    assert run.status == Run.Status.QUEUED
    return run


def review_of(run: Run) -> Review:
    return Review.objects.filter(run_id=run.pk).latest("id")


def assert_nothing_ran(run: Run, code: str) -> None:
    (step,) = run.steps.filter(kind="tool")
    assert Probe.entered == []
    assert (step.status, step.result["content"]["error"]["code"]) == (Step.Status.DENIED, code)
    assert run.status == Run.Status.SUCCEEDED, "the model is told and the run goes on"
    assert AuditEvent.objects.filter(step_id=step.pk, outcome="deny").exists()
    assert not AuditEvent.objects.filter(step_id=step.pk, action="tool.succeeded").exists()


class TestUnchanged:
    def test_runs_once(self, approved: Run, probe: type[Probe], work: Work) -> None:
        assert work(approved).status == Run.Status.SUCCEEDED
        work(approved)
        assert [name for name, _ in probe.entered] == ["launch"]


class TestActionChanged:
    """What the approval is bound to is another by the time it would be used."""

    def test_in_the_tools_definition(self, approved: Run, work: Work) -> None:
        tool = Tool.objects.get(name="launch")
        Tool.objects.filter(pk=tool.pk).update(schema_version="0" * 64)
        try:
            run = work(approved)
        finally:
            tool.save()
        assert_nothing_ran(run, "approval-not-usable")

    def test_in_the_tools_identity(self, approved: Run, agent: Any, work: Work) -> None:
        tool = Tool.objects.get(name="launch")
        Tool.objects.filter(pk=tool.pk).update(name="launch-old")
        twin = Tool.objects.create(
            name="launch",
            description=tool.description,
            parameters=tool.parameters,
            schema_version=tool.schema_version,
            risk="low",
            effect=tool.effect,
        )
        set_tools(agent=agent, names=["launch"])
        try:
            run = work(approved)
        finally:
            set_tools(agent=agent, names=["lookup_order"])
            twin.delete()
            Tool.objects.filter(pk=tool.pk).update(name="launch")
        assert_nothing_ran(run, "approval-not-usable")

    def test_because_the_tool_is_gone(self, approved: Run, work: Work) -> None:
        Tool.objects.filter(name="launch").update(name="launch-old")
        try:
            run = work(approved)
        finally:
            Tool.objects.filter(name="launch-old").update(name="launch")
        assert_nothing_ran(run, "unknown-tool")

    def test_in_the_agents_version(self, approved: Run, agent: Any, work: Work) -> None:
        change_agent(agent=agent, config=agent.config)
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_in_the_agent_itself(self, approved: Run, agent: Any, alice: Any, work: Work) -> None:
        from agents.catalog.operations import create_agent

        other = create_agent(name=f"Twin {uuid7()}", blueprint="assistant", owner=alice, tools=["launch"])
        Agent.objects.filter(pk=other.pk).update(version=agent.version)
        Run.objects.filter(pk=approved.pk).update(agent=other)
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_in_the_person(self, approved: Run, alice: Any, work: Work) -> None:
        Run.objects.filter(pk=approved.pk).update(requester=alice)
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_in_the_persons_name(self, approved: Run, requester: Any, work: Work) -> None:
        User.objects.filter(pk=requester.pk).update(username=f"renamed-{uuid7().hex[-6:]}")
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_in_the_arguments(self, approved: Run, work: Work) -> None:
        Review.objects.filter(run_id=approved.pk).update(arguments={"more": 1})
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_in_the_digest(self, approved: Run, work: Work) -> None:
        Review.objects.filter(run_id=approved.pk).update(digest="0" * 64)
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_in_arguments_and_digest_together_leaves_no_vote_for_it(self, approved: Run, work: Work) -> None:
        review = review_of(approved)
        forged = review.policy_request.with_arguments({"more": 1})
        Review.objects.filter(pk=review.pk).update(arguments={"more": 1}, digest=forged.digest())
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_in_the_step(self, approved: Run, propose: Callable[[], Run], work: Work) -> None:
        """An approval of one run is put under the waiting step of another."""
        waiting = propose()
        step = waiting.steps.get(kind="tool")
        Review.objects.filter(run_id=waiting.pk).update(step_id=uuid7(), run_id=uuid7())
        Review.objects.filter(run_id=approved.pk).update(step_id=step.pk, run_id=waiting.pk)
        Run.objects.filter(pk=waiting.pk).update(status=Run.Status.QUEUED)
        assert_nothing_ran(work(waiting), "approval-not-usable")

    def test_in_the_stored_call_is_noticed(self, approved: Run, probe: type[Probe], work: Work) -> None:
        """The step no longer fits its checksum: the call is proposed anew, and people are asked anew."""
        seen = review_of(approved)
        approved.steps.filter(kind="tool").update(request={"arguments": {"more": 1}, "parsed": True})
        run = work(approved)
        assert (run.status, probe.entered) == (Run.Status.WAITING, [])
        assert (review_of(run).pk != seen.pk, review_of(run).arguments) == (True, {})


class TestRightLost:
    def test_by_the_agent(self, approved: Run, agent: Any, work: Work) -> None:
        tool = Tool.objects.get(name="launch")
        remove_perm("execute_tool", agent.principal, tool)
        try:
            run = work(approved)
        finally:
            assign_perm("execute_tool", agent.principal, tool)
        assert_nothing_ran(run, "denied")

    def test_by_the_agents_deactivation(self, approved: Run, agent: Any, work: Work) -> None:
        User.objects.filter(pk=agent.principal_id).update(is_active=False)
        try:
            run = work(approved)
        finally:
            User.objects.filter(pk=agent.principal_id).update(is_active=True)
        assert_nothing_ran(run, "denied")

    def test_by_the_person(self, approved: Run, requester: Any, work: Work) -> None:
        requester.user_permissions.clear()
        assert_nothing_ran(work(approved), "denied")

    def test_by_an_approver(self, approved: Run, approvers: list[Any], work: Work) -> None:
        approvers[1].user_permissions.clear()
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_by_the_deactivation_of_person_or_approver(
        self, propose: Callable[[], Run], approvers: list[Any], requester: Any, work: Work
    ) -> None:
        for person, code in ((approvers[0], "approval-not-usable"), (requester, "denied")):
            run = approve(propose(), approvers)
            User.objects.filter(pk=person.pk).update(is_active=False)
            assert_nothing_ran(work(run), code)
            User.objects.filter(pk=person.pk).update(is_active=True)

    def test_because_the_tool_was_disabled(self, approved: Run, work: Work) -> None:
        Tool.objects.filter(name="launch").update(enabled=False)
        try:
            run = work(approved)
        finally:
            Tool.objects.filter(name="launch").update(enabled=True)
        assert_nothing_ran(run, "denied")


class TestApprovalSpoiled:
    def test_because_it_was_spent(self, approved: Run, work: Work) -> None:
        review = review_of(approved)
        reviews.consume(review_id=review.pk, digest=review.digest, now=NOW)
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_because_its_time_is_over(self, approved: Run, work: Work) -> None:
        assert_nothing_ran(work(approved, at=NOW + reviews.EXECUTE_WITHIN), "approval-not-usable")

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE acme.hitl_vote SET reviewer_id = %s WHERE id = %s",
            "DELETE FROM acme.hitl_vote WHERE reviewer_id <> %s AND id = %s",
        ],
    )
    def test_because_the_tables_owner_changed_a_vote(
        self, committed: str, approved: Run, requester: Any, work: Work, change: str
    ) -> None:
        vote = Vote.objects.filter(review=review_of(approved)).latest("id")
        with as_owner(committed) as owner:
            owner.execute("ALTER TABLE acme.hitl_vote DISABLE TRIGGER USER")
            owner.execute(change, [requester.pk, vote.pk])
            owner.execute("ALTER TABLE acme.hitl_vote ENABLE TRIGGER USER")
        assert_nothing_ran(work(approved), "approval-not-usable")

    def test_because_the_tool_became_riskier(
        self, propose: Callable[[], Run], approvers: list[Any], work: Work
    ) -> None:
        Tool.objects.filter(name="launch").update(risk="high")
        try:
            run = approve(propose(), approvers[:1])
        finally:
            Tool.objects.filter(name="launch").update(risk="critical")
        assert_nothing_ran(work(run), "denied")
