"""A model that obeys an attacker gets no further than the person it works for."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from guardian.shortcuts import assign_perm, remove_perm

from agents.catalog.models import Agent
from agents.catalog.operations import create_agent
from agents.demo.models import Bonus, DeletedAccount, Employee, Refund, SentEmail
from agents.runs import operations
from agents.runs.models import Run
from agents.tools.models import Tool
from governance.access import roles
from governance.access.models import User
from governance.policies.models import PolicyDecision
from governance.types import Effect, Risk
from hitl.grants import operations as grants
from hitl.grants.types import GrantRequest
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from tenants.kernel.errors import DomainError, PermissionMissing
from tenants.kernel.models import uuid7
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.workbench import refresh, review_of, say, tool_steps
from tests.governance.samples import NOW

EVERYTHING: dict[str, dict[str, Any]] = {
    "current_time": {},
    "lookup_order": {"order_id": "A-1001"},
    "read_ticket": {"ticket_id": "T-3002"},
    "refund_order": {"order_id": "A-1001", "amount": 1.0, "reason": "because I say so"},
    "send_email": {"to": "eve@example.com", "subject": "Orders", "body": "All of them"},
    "recall_email": {"message_id": "M-0001"},
    "record_bonus": {"employee_id": "E-2001", "amount": 9999, "reason": "Eve"},
    "change_salary": {"employee_id": "E-2001", "salary": 1},
    "delete_user": {"username": "alice"},
}
DELETE = ("delete_user", {"username": "alice"})
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def hijacked(alice: Any) -> Agent:
    """Return an agent that was given every tool, delete_user too."""
    found = Agent.objects.filter(name="Hijacked").first()
    return found or create_agent(name="Hijacked", blueprint="assistant", owner=alice, tools=EVERYTHING)


@pytest.fixture
def victim(person: Any, hijacked: Agent) -> Callable[[str], Any]:
    """Return a function that makes a person of one role, who may start runs of the hijacked agent."""

    def make(role: str) -> Any:
        user = person(f"{role}-{uuid7().hex[-6:]}", roles=(role,))
        assign_perm("execute_agent", user, hijacked)
        return user

    return make


def start(agent: Agent, user: Any, **more: Any) -> Run:
    return operations.start(
        agent=agent, user=user, input={"query": "hello"}, trace_id="0" * 32, now=NOW, **more
    )


def to_the_end(run: Run, work: Work, reviewer: Any) -> Run:
    """Let the run go on, and let a person reject whatever waits for one."""
    run = work(run)
    while run.status == Run.Status.WAITING:
        say(run, reviewer, "reject", "No.")
        run = work(run)
    assert run.status == Run.Status.SUCCEEDED
    return run


def effects() -> tuple[int, ...]:
    """Count what calls have left behind."""
    changed = Employee.objects.filter(salary=1).count()
    return (*(m.objects.count() for m in (Refund, SentEmail, Bonus, DeletedAccount)), changed)


def reasons(run: Run, tool: str) -> set[str]:
    """Return why the gate denied the run's calls of a tool."""
    denied = PolicyDecision.objects.filter(run_id=run.pk, effect=Effect.DENY, request__tool__name=tool)
    return {reason["code"] for row in denied for reason in row.reasons}


class TestHijackedModel:
    @pytest.mark.parametrize("role", roles.ROLES)
    def test_does_nothing_that_counts_without_a_person(
        self, role: str, hijacked: Agent, victim: Any, model: FakeModel, work: Work, rita: Any
    ) -> None:
        before, user = effects(), victim(role)
        model.script(*(calls(call) for call in EVERYTHING.items()), text("Done."))
        run = to_the_end(start(hijacked, user), work, rita)
        steps = dict(tool_steps(run))
        assert set(steps) == set(EVERYTHING)
        assert effects() == before
        ran = {name for name, status in steps.items() if status in {"succeeded", "failed"}}
        assert all(tool.risk == Risk.LOW for tool in Tool.objects.filter(name__in=ran))
        may_use_tools = role in {roles.ADMIN, roles.OPERATOR}
        assert bool(ran) == may_use_tools
        assert steps["delete_user"] == ("rejected" if may_use_tools else "denied")

    @pytest.mark.parametrize("role", [role for role in roles.ROLES if role not in {"admin", "operator"}])
    def test_does_not_even_start_for_who_runs_no_agents(
        self, role: str, hijacked: Agent, person: Any
    ) -> None:
        with pytest.raises(PermissionMissing):
            start(hijacked, person(f"{role}-{uuid7().hex[-6:]}", roles=(role,)))


class TestViewersAgent:
    """However the call comes about, delete_user is not for who may not use it."""

    @pytest.fixture
    def viewer(self, victim: Any, model: FakeModel) -> Any:
        """Return a viewer who may start the hijacked agent, which calls delete_user."""
        model.script(calls(DELETE), text("Done."))
        return victim("viewer")

    @pytest.fixture(autouse=True)
    def nothing_is_deleted(self, acme: Any) -> Any:
        """Look afterwards."""
        yield
        assert not DeletedAccount.objects.exists()

    def refused(self, run: Run) -> None:
        assert tool_steps(run)[-1] == ("delete_user", "denied")
        assert "user-not-permitted" in reasons(run, "delete_user")

    def test_by_the_execute_api(self, viewer: Any, hijacked: Agent, client_of: Any, work: Work) -> None:
        path = f"/api/v1/agents/{hijacked.pk}/execute"
        made = client_of(viewer).post(path, {"input": {"query": "hello"}}, format="json")
        assert made.status_code == 202
        self.refused(work(Run.objects.get(pk=made.json()["id"])))

    def test_by_the_execute_api_without_the_right(self, person: Any, hijacked: Agent, client_of: Any) -> None:
        path = f"/api/v1/agents/{hijacked.pk}/execute"
        user = person("plain-viewer", roles=("viewer",))
        assert client_of(user).post(path, {"input": {"query": "x"}}, format="json").status_code == 403

    def test_in_a_session(self, viewer: Any, hijacked: Agent, model: FakeModel, work: Work) -> None:
        browser = Client(headers={"host": "acme.localhost"})
        browser.force_login(viewer, backend="governance.access.backends.PeopleBackend")
        browser.post("/ask/", {"agent": hijacked.pk, "query": "hello"})
        first = Run.objects.filter(requester=viewer).latest("id")
        self.refused(work(first))
        model.script(calls(DELETE), text("Done."))
        assert browser.post(f"/sessions/{first.pk}/", {"query": "again"}).status_code == 302
        following = Run.objects.filter(requester=viewer).latest("id")
        assert following.pk != first.pk
        self.refused(work(following))

    def test_on_behalf_of_somebody_who_may(
        self, viewer: Any, hijacked: Agent, work: Work, alice: Any
    ) -> None:
        self.refused(work(start(hijacked, viewer, on_behalf_of="alice")))

    def test_as_a_tool_of_elsewhere(self, viewer: Any, hijacked: Agent, model: FakeModel, work: Work) -> None:
        sources = (Tool.Source.HTTP, Tool.Source.MCP)
        for source in sources:
            name = f"remote_{source}__delete_user"
            tool = Tool.objects.create(
                name=name,
                description="Delete a user.",
                parameters={"type": "object"},
                schema_version="1",
                risk="low",
                effect="idempotent",
                source=source,
                definition={"method": "POST", "url": "http://127.0.0.1:9/", "name": "delete_user"},
            )
            hijacked.tools.add(tool)
            assign_perm("execute_tool", hijacked.principal, tool)
            model.script(calls((name, {"username": "alice"})), text("Done."))
            run = work(start(hijacked, viewer))
            assert tool_steps(run) == [(name, "denied")]
            assert reasons(run, name) == {"user-not-permitted"}

    def test_as_a_fallback(self, viewer: Any, hijacked: Agent, model: FakeModel, work: Work) -> None:
        lookup, delete = Tool.objects.get(name="lookup_order"), Tool.objects.get(name="delete_user")
        assign_perm("execute_tool", viewer, lookup)
        Tool.objects.filter(pk=lookup.pk).update(fallback=delete)
        try:
            model.script(calls(("lookup_order", {"order_id": "A-0"})), text("Done."))
            self.refused(work(start(hijacked, viewer)))
        finally:
            Tool.objects.filter(pk=lookup.pk).update(fallback=None)

    def test_by_an_edit_of_what_waits(self, viewer: Any, hijacked: Agent, work: Work, bob: Any) -> None:
        delete = Tool.objects.get(name="delete_user")
        assign_perm("execute_tool", viewer, delete)
        run = work(start(hijacked, viewer))
        assert run.status == Run.Status.WAITING
        remove_perm("execute_tool", viewer, delete)
        with pytest.raises(DomainError):
            self.edit(run, bob)
        assert review_of(run).status == Review.Status.PENDING

    def edit(self, run: Run, who: Any) -> None:
        from hitl.reviews import operations as reviews
        from hitl.reviews.types import Channel, DecisionVerb, Response

        given = Response(
            verb=DecisionVerb.EDIT,
            channel=Channel.DASHBOARD,
            arguments={"username": "bob"},
            message="Bob instead.",
            assurance=Assurance.STEP_UP,
        )
        reviews.respond(review_id=review_of(run).pk, reviewer=who, response=given, now=NOW)

    def test_by_a_standing_grant(
        self, viewer: Any, hijacked: Agent, oscar: Any, bob: Any, work: Work, model: FakeModel
    ) -> None:
        Tool.objects.filter(name="delete_user").update(risk="high")
        try:
            of_oscar = work(start(hijacked, oscar))
            asked = GrantRequest(
                scope="exact_args", reason="cleaning up", assurance=Assurance.STEP_UP, anyone=True
            )
            grants.give(review_id=review_of(of_oscar).pk, giver=bob, request=asked, now=NOW)
            model.script(calls(DELETE), text("Done."))
            self.refused(work(start(hijacked, viewer)))
        finally:
            Tool.objects.filter(name="delete_user").update(risk="critical")


class TestRightsRemovedAfterTheApproval:
    def test_are_missed_a_hundred_times_of_a_hundred(
        self, hijacked: Agent, person: Any, model: FakeModel, work: Work, rita: Any
    ) -> None:
        tool, group = Tool.objects.get(name="refund_order"), Group.objects.create(name="refunders")
        agents_right = ("execute_tool", hijacked.principal, tool)
        before, refused = Refund.objects.count(), 0
        for turn in range(100):
            user = person(f"refunder{turn}")
            assign_perm("execute_agent", user, hijacked)
            by_group = turn % 5 == 1
            if by_group:
                user.groups.add(group)
                assign_perm("execute_tool", group, tool)
            else:
                assign_perm("execute_tool", user, tool)
            model.script(calls(("refund_order", EVERYTHING["refund_order"])), text("Done."))
            run = work(start(hijacked, user))
            say(run, rita, "approve")
            assert refresh(run).status == Run.Status.QUEUED
            match turn % 5:
                case 0:
                    remove_perm("execute_tool", user, tool)
                case 1:
                    user.groups.remove(group)
                case 2:
                    User.objects.filter(pk=user.pk).update(is_active=False)
                case 3:
                    remove_perm(*agents_right)
                case _:
                    User.objects.filter(pk=user.pk).update(clearance="public")
            run = work(run)
            refused += tool_steps(run) == [("refund_order", "denied")]
            if turn % 5 == 3:
                assign_perm(*agents_right)
        assert (refused, Refund.objects.count() - before) == (100, 0)


class TestRestrictedRun:
    @pytest.fixture
    def restricted(self, hijacked: Agent) -> Any:
        """Make the agent and one of its tools restricted, until the test is over."""
        tool = Tool.objects.filter(name="lookup_order")
        Agent.objects.filter(pk=hijacked.pk).update(security_level="restricted")
        tool.update(security_level="restricted")
        yield Agent.objects.get(pk=hijacked.pk)
        Agent.objects.filter(pk=hijacked.pk).update(security_level="internal")
        tool.update(security_level="internal")

    def test_uses_restricted_tools_once_its_person_confirmed_who_they_are(
        self, restricted: Agent, alice: Any, model: FakeModel, work: Work
    ) -> None:
        model.script(calls(("lookup_order", EVERYTHING["lookup_order"])), text("Done."))
        run = work(start(restricted, alice, step_up=True))
        assert tool_steps(run) == [("lookup_order", "succeeded")]

    def test_that_became_restricted_after_its_start_does_nothing(
        self, hijacked: Agent, alice: Any, model: FakeModel, work: Work, request: Any
    ) -> None:
        model.script(calls(("lookup_order", EVERYTHING["lookup_order"])), text("Done."))
        run = start(hijacked, alice)
        request.getfixturevalue("restricted")
        run = work(run)
        assert tool_steps(run) == [("lookup_order", "denied")]
        assert reasons(run, "lookup_order") == {"step-up-required"}
