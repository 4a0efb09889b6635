"""The sixteen acceptance tests of the approvals design, each a real drive of the whole path.

A run of the fake model proposes a call of a probe; people decide it through the API, on a database where
what is written is committed; a worker goes on. Timers with Redis flushed and workers started anew have a stack of
their own to break besides: tests/chaos/test_timer_outages.py.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.resilience.models import ConcurrencyCap
from agents.runs import lease
from agents.runs import operations as runs
from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance import gate
from governance.audit.models import AuditEvent
from governance.policies.models import RiskThreshold
from governance.types import UserRef
from hitl.escalation.models import EscalationEvent, EscalationState
from hitl.notifications.models import Notification
from hitl.reviews import deadlines, eligibility
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review, ReviewPlan, ReviewTier
from hitl.reviews.quorum import EXCLUSIONS
from hitl.reviews.signals import review_unsatisfiable
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response, ReviewRequest
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.timers.tick import tick
from tests.agents import conftest as stage
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.config.routes import routes
from tests.conftest import ROOT, database_url
from tests.governance.clones import as_owner
from tests.governance.samples import NOW, proposal

committed, fake_server, model, start, work = (
    stage.committed, stage.fake_server, stage.model, stage.start, stage.work,
)  # fmt: skip
QUEUE = "/api/v1/hitl/queue"
TWO = {"stages": [{"name": "two", "any_of": [{"approve": 2}]}]}
CONFIGURED = ("hitl_reviewplan", "hitl_reviewtier", "governance_riskthreshold", "agents_concurrencycap")
Start = Callable[..., Run]
Work = Callable[..., Run]
Propose = Callable[..., Run]
Decide = Callable[..., Any]


@pytest.fixture
def db(committed: str, model: FakeModel) -> Iterator[None]:
    """Use the module's own database and the fake model; leave no configuration behind."""
    yield
    with as_owner(committed) as owner:
        for table in CONFIGURED:
            owner.execute(f"DELETE FROM acme.{table}")


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def propose(model: FakeModel, start: Start, work: Work, probe: type[Probe]) -> Propose:
    """Return a function that lets a run propose a call, and works on it until it waits for people."""

    def bring(name: str = "seal", *, user: Any = None, at: datetime | None = None, **arguments: Any) -> Run:
        model.script(calls((name, arguments)), text("Done."))
        run = work(start("go", user=user), at=at or timezone.now())
        assert run.status == Run.Status.WAITING
        return run

    return bring


@pytest.fixture
def decide(client_of: Any) -> Decide:
    """Return a function with which somebody decides a review over HTTP."""

    def say(review: Review, who: Any, decision: Any = "approve", **more: Any) -> Any:
        body = {"decision": decision, **more}
        return client_of(who).post(f"{QUEUE}/{review.pk}/respond", body, format="json")

    return say


@pytest.fixture
def pat(person: Any) -> Any:
    """Pat writes the tenant's rules, and so decides nothing under them."""
    return person("pat", "hitl.decide_review")


def review_of(run: Run) -> Review:
    return Review.objects.filter(run_id=run.pk).latest("id")


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def go_on(run: Run, work: Work, *, at: datetime | None = None) -> Run:
    """Ring for the run several times, as late and doubled messages do."""
    for _ in range(3):
        run = work(run, at=at or timezone.now())
    return run


def at_once(actions: list[Callable[[], Any]]) -> list[Any]:
    """Do each in a thread of its own, at the same time."""
    results: list[Any] = []
    barrier = threading.Barrier(len(actions))

    def act(action: Callable[[], Any]) -> None:
        with tenant_context(schema_tenant("acme")):
            barrier.wait()
            try:
                results.append(action())
            finally:
                connection.close()

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class TestAcceptance01:
    def test_two_tabs_approve_one_effect(
        self, propose: Propose, decide: Decide, bob: Any, rita: Any, work: Work
    ) -> None:
        for second in (bob, rita):  # the same person's second tab, and another person's
            Probe.reset()
            run = propose()
            review = review_of(run)
            answers = at_once([partial(decide, review, bob), partial(decide, review, second)])
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            assert go_on(run, work).status == Run.Status.SUCCEEDED
            assert (Probe.names(), review.votes.count()) == (["seal"], 1)


class TestAcceptance02:
    """Kill -9 at each of the four points of an unkeyed effect; the worker is a process of its own."""

    @pytest.mark.parametrize(
        ("point", "effects_then", "ends", "effects_in_the_end"),
        [
            ("tool.claimed", 0, Run.Status.SUCCEEDED, 1),  # nothing was committed: it runs, once
            ("tool.before-effect", 0, Run.Status.WAITING, 0),  # claimed: nobody can know, people are asked
            ("tool.after-effect", 1, Run.Status.WAITING, 1),
            ("tool.before-commit", 1, Run.Status.WAITING, 1),
            ("tool.committed", 1, Run.Status.SUCCEEDED, 1),  # the journal has it
        ],
    )
    def test_kill_at_each_crash_point(
        self,
        committed: str,
        propose: Propose,
        bob: Any,
        work: Work,
        tmp_path: Path,
        model: FakeModel,
        point: str,
        effects_then: int,
        ends: str,
        effects_in_the_end: int,
    ) -> None:
        run = propose("offer", at=NOW, amount=5)
        said = Response(verb=DecisionVerb.APPROVE, channel=Channel.API)
        reviews.respond(review_id=review_of(run).pk, reviewer=bob, response=said, now=NOW)
        armed, ledger = tmp_path / "armed", tmp_path / "ledger"
        armed.write_text(point)
        ledger.touch()
        worker = subprocess.run(
            [sys.executable, "-m", "tests.hitl.crashing_worker", str(run.pk), str(armed), str(ledger)],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(committed, os.environ["DATABASE_URL"]),
                "OPENAI_BASE_URL": model.url,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert worker.returncode == -signal.SIGKILL, worker.stderr
        assert ledger.read_text().count("effect") == effects_then

        def take_effect() -> None:
            with ledger.open("a") as lines:
                lines.write("effect\n")

        Probe.each_time = take_effect
        later = NOW + timedelta(seconds=lease.seconds() + 1)
        runs.requeue(run=fresh(run), now=later)
        run = go_on(run, work, at=later)
        assert (run.status, ledger.read_text().count("effect")) == (ends, effects_in_the_end)
        if ends == Run.Status.WAITING:
            assert review_of(run).kind == Review.Kind.OUTCOME


class TestAcceptance03:
    def test_reject_then_any_routing_never_enters_the_tool(
        self, propose: Propose, decide: Decide, bob: Any, work: Work, model: FakeModel
    ) -> None:
        run = propose()
        rejected = review_of(run)
        model.script(
            calls(("seal", {})), calls(("seal", {}), ("seal", {}), ids=("x", "y")), text("I give up.")
        )
        assert decide(rejected, bob, "reject", message="no").status_code == 200
        run = go_on(run, work)
        assert (run.status, Probe.entered) == (Run.Status.SUCCEEDED, [])
        codes = [step.result["content"]["error"]["code"] for step in run.steps.filter(kind="tool")]
        assert codes == ["rejected", "rejected-before", "rejected-before", "rejected-before"]
        assert Review.objects.filter(run_id=run.pk).count() == 1, "the same call is not asked again"

    @pytest.mark.parametrize("status", ["planned", "waiting", "executing"])
    def test_reject_then_a_step_put_back_by_hand_never_enters_the_tool(
        self, propose: Propose, decide: Decide, bob: Any, work: Work, status: str
    ) -> None:
        run = propose("offer")
        decide(review_of(run), bob, "reject", message="no")
        run.steps.filter(kind="tool").update(status=status)
        Run.objects.filter(pk=run.pk).update(status=Run.Status.QUEUED)
        go_on(run, work)
        assert Probe.entered == []


class TestAcceptance04:
    def test_edit_raising_the_amount_above_a_threshold_voids_earlier_votes(
        self, propose: Propose, decide: Decide, bob: Any, rita: Any, person: Any, pat: Any, work: Work
    ) -> None:
        ReviewPlan.objects.create(name="two", document=TWO, author=pat)
        RiskThreshold.objects.create(
            tool="offer", argument="amount", at_least=500, risk="critical", author=pat
        )
        ReviewTier.objects.create(risk="critical", min_assurance=Assurance.TOKEN)
        run = propose("offer", amount=5)
        first = review_of(run)
        assert decide(first, bob).json()["status"] == "pending"
        edited = decide(first, rita, "edit", arguments={"amount": 600})
        second = review_of(run)
        assert (fresh(first).status, edited.json()["id"]) == ("superseded", str(second.pk))
        assert (second.supersedes_id, second.risk, second.votes.count()) == (first.pk, "critical", 0)
        assert (decide(first, bob).status_code, decide(second, rita).status_code) == (409, 403)
        assert (go_on(run, work).status, Probe.entered) == (Run.Status.WAITING, [])
        assert decide(second, bob).json()["status"] == "pending"
        assert (
            decide(second, person("rosa", "hitl.decide_review", "hitl.view_review")).json()["status"]
            == "approved"
        )
        assert go_on(run, work).status == Run.Status.SUCCEEDED
        assert Probe.names() == ["offer"]


class TestAcceptance05:
    @pytest.mark.parametrize("who", ["initiator", "delegator", "owner", "editor", "superuser"])
    def test_initiator_delegator_editor_and_superuser_are_refused(
        self, agent: Any, oscar: Any, alice: Any, person: Any, decide: Decide, who: str, pat: Any
    ) -> None:
        ReviewPlan.objects.create(name="two", document={**TWO, "exclude": list(EXCLUSIONS)}, author=pat)
        rights = ("hitl.decide_review", "hitl.view_review", "agents.execute_agent", "agents.execute_tool")
        dora = person("dora", *rights)
        super_sam = person("sam", *rights)
        type(super_sam).objects.filter(pk=super_sam.pk).update(is_superuser=True, is_staff=True)
        asks = {"initiator": dora, "superuser": fresh(super_sam)}.get(who, oscar)
        request = proposal(agent=agent, user=asks)
        if who == "delegator":
            request = replace(request, delegator=UserRef(id=dora.pk, name=dora.username))
        now = timezone.now()
        decision = gate.authorize(request, now=now)
        asked = ReviewRequest(decision=decision, evidence={}, expires_at=now + timedelta(hours=1))
        review = reviews.request_review(request=asked, now=now)
        refused = {"owner": alice, "superuser": asks}.get(who, dora)
        if who == "editor":
            arguments = {**review.arguments, "amount": 10.0}
            assert decide(review, dora, "edit", arguments=arguments).status_code == 200
            review = fresh(review)
        seen = {"version": review.version, "digest": review.digest}
        answer = decide(review, refused, **seen)
        assert (answer.status_code, answer.json()["code"]) in {
            (403, "permission-denied"),
            (409, "already-decided"),
        }
        assert "approve" not in reviews.available_actions(review, refused).verbs
        assert not review.votes.filter(reviewer=refused, verdict="approve").exists()
        assert refused not in eligibility.eligible(review)


class TestAcceptance06:
    def test_quorum_of_two_the_first_vote_keeps_the_second_reviewer_asked(
        self, propose: Propose, decide: Decide, bob: Any, rita: Any, pat: Any
    ) -> None:
        ReviewPlan.objects.create(name="two", document=TWO, author=pat)
        review = review_of(propose())

        def asked(*statuses: str) -> set[str]:
            """Return which of the two has a notice that asks for a decision, sent or still to be sent."""
            rows = Notification.objects.filter(review_id=review.pk, asks=True, status__in=statuses)
            return set(rows.values_list("recipient__username", flat=True)) & {"bob", "rita"}

        def escalated_to() -> set[str]:
            """Let the escalation take its steps; return whom it asked."""
            known = set(Notification.objects.filter(review_id=review.pk).values_list("pk", flat=True))
            for _ in range(3):
                next_at = EscalationState.objects.get(review=review).next_at
                if next_at is not None:
                    tick(now=next_at)
            told = Notification.objects.filter(review_id=review.pk).exclude(pk__in=known)
            return set(told.values_list("recipient__username", flat=True)) & {"bob", "rita"}

        assert asked("pending", "sent") == {"bob", "rita"}
        before = asked("pending")
        decide(review, bob)
        assert asked("pending") == before - {"bob"}
        assert "rita" in asked("pending", "sent")
        assert escalated_to() == {"rita"}
        assert review in Review.objects.actionable_by(rita)
        assert review not in Review.objects.actionable_by(bob)
        assert decide(review, rita).json()["status"] == "approved"
        assert EscalationState.objects.get(review=review).next_at is None


class TestAcceptance07:
    def test_redis_flushed_and_workers_restarted_escalation_fires_within_one_tick(
        self, propose: Propose, committed: str
    ) -> None:
        review = review_of(propose(at=NOW))
        due = EscalationState.objects.get(review=review).next_at
        assert due is not None
        redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()

        def tick_of_a_new_worker(now: datetime) -> int:
            code = (
                "import django, sys; django.setup();"
                "from datetime import datetime; from tenants.timers.tick import tick;"
                "tick(now=datetime.fromisoformat(sys.argv[1]))"
            )
            url = database_url(committed, os.environ["DATABASE_URL"])
            command = [sys.executable, "-c", code, now.isoformat()]
            subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=True)
            return EscalationEvent.objects.filter(review=review, step=1).count()

        assert tick_of_a_new_worker(due - timedelta(seconds=1)) == 0
        assert tick_of_a_new_worker(due) == 1
        assert tick_of_a_new_worker(due) == 1, "and once"


class TestAcceptance08:
    def test_policy_edited_mid_flight_leaves_the_running_request_as_it_was(
        self, propose: Propose, decide: Decide, bob: Any, pat: Any, work: Work
    ) -> None:
        run = propose()
        review = review_of(run)
        before = (review.plan, review.required, review.expires_at, review.min_assurance)
        ReviewPlan.objects.create(name="two", document=TWO, author=pat)
        ReviewTier.objects.create(risk="high", min_assurance=Assurance.STEP_UP, expires_after_s=60)
        review = fresh(review)
        assert (review.plan, review.required, review.expires_at, review.min_assurance) == before
        assert decide(review, bob).json()["status"] == "approved"
        assert go_on(run, work).status == Run.Status.SUCCEEDED
        assert Probe.names() == ["seal"]
        assert review_of(propose()).required == 2, "and the next request is under the new one"


class TestAcceptance09:
    def test_expired_at_t_a_decision_a_second_later_is_refused(
        self, propose: Propose, decide: Decide, bob: Any, work: Work
    ) -> None:
        run = propose()
        Review.objects.filter(run_id=run.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        answer = decide(review_of(run), bob)
        assert (answer.status_code, answer.json()["code"]) == (409, "already-decided")
        assert (go_on(run, work).status, Probe.entered) == (Run.Status.WAITING, [])
        with transaction.atomic():
            deadlines.on_expiry(review_of(run).pk, 0, timezone.now())
        assert decide(review_of(run), bob).status_code == 409
        run = go_on(run, work)
        assert (review_of(run).status, review_of(run).votes.count()) == ("expired", 0)
        assert (run.status, Probe.entered) == (Run.Status.SUCCEEDED, [])
        (step,) = run.steps.filter(kind="tool")
        assert step.status == Step.Status.REJECTED


class TestAcceptance10:
    def test_tool_schema_changed_after_approval_is_blocked(
        self, propose: Propose, decide: Decide, bob: Any, work: Work
    ) -> None:
        run = propose()
        decide(review_of(run), bob)
        tool = Tool.objects.get(name="seal")
        Tool.objects.filter(pk=tool.pk).update(schema_version="0" * 64)
        try:
            run = go_on(run, work)
        finally:
            tool.save()
        (step,) = run.steps.filter(kind="tool")
        assert (step.status, Probe.entered) == (Step.Status.DENIED, [])
        assert step.result["content"]["error"]["code"] == "approval-not-usable"


class TestAcceptance11:
    def test_mail_scanner_changes_nothing_by_get_and_head_on_every_link(
        self, propose: Propose, committed: str, bob: Any, alice: Any
    ) -> None:
        run = propose()
        review = review_of(run)
        ids = {
            "reviews": review.pk,
            "runs": run.pk,
            "hitl": review.pk,
            "agents": run.agent_id,
            "tools": "seal",
        }
        links = []
        for route in routes("config.urls"):
            if any(
                part in route.template for part in ("logout", "{app", "{content", "{path", "health", "/ws/")
            ):
                continue
            parts = route.template.strip("/").split("/")
            about = ids.get(parts[2] if parts[0] == "api" else parts[0], review.pk)
            if route.name.startswith("admin:"):
                about = first_of(route.name)
            values = {**dict.fromkeys(route.parameters, str(about)), "user_id": bob.pk, "group_id": 1}
            links.append(route.template.format(**values))
        assert f"/reviews/{review.pk}/" in links
        before = state_of(committed)
        for who in (bob, alice, None):
            client = Client(headers={"host": "acme.localhost"}, raise_request_exception=False)
            if who is not None:
                client.force_login(who)
            signed_in = state_of(committed)
            for link in links:
                assert client.get(f"{link}?decision=approve&verb=revoke&version=1").status_code < 500, link
                assert client.head(link).status_code < 500, link
            assert state_of(committed) == signed_in
        assert fresh(review).status == "pending"
        assert len(before) > 40


class TestAcceptance12:
    @pytest.mark.parametrize(
        "raw",
        [
            "null", "[]", "{}", '"approve"', "1", "NaN", "", "{", '{"decision": null}', '{"decision": []}',
            '{"decision": [null]}', '{"decision": {}}', '{"decision": true}', '{"decision": 1}', '{"decision": NaN}',
            '{"decision": ""}', '{"decision": "APPROVE"}', '{"decision": "approve "}', '{"decision": ["approve"]}',
            '{"decision": "ignore"}', '{"decision": "respond", "message": "go"}',
            '{"decision": "approve", "version": "one"}', '{"decision": "approve", "version": 0}',
            '{"decision": "approve", "version": null}', '{"decision": "approve", "digest": ""}',
            '{"decision": "approve", "digest": [1]}', '{"decision": "approve", "arguments": {"amount": 6}}',
            '{"decision": "edit"}', '{"decision": "edit", "arguments": null}', '{"decision": "edit", "arguments": []}',
            '{"decision": "edit", "arguments": {"amount": "6"}}', '{"decision": "edit", "arguments": {"amount": null}}',
            '{"decision": "edit", "arguments": {"amount": NaN}}',
            '{"decision": "edit", "arguments": {"amount": 1e400}}',
            '{"decision": "edit", "arguments": {"amount": 5, "force": true}}',
            '{"decision": "approve", "not_before": "soon"}', '{"decision": "reject"}',
        ],
    )  # fmt: skip
    def test_none_wrong_type_nan_and_empty_lists_run_nothing(
        self, waiting: Run, client_of: Any, bob: Any, work: Work, raw: str
    ) -> None:
        review = review_of(waiting)
        answer = client_of(bob).generic("POST", f"{QUEUE}/{review.pk}/respond", raw, "application/json")
        assert answer.status_code in {400, 409, 422}, answer.content
        assert (fresh(review).status, review.votes.count()) == ("pending", 0)
        assert (go_on(waiting, work).status, Probe.entered) == (Run.Status.WAITING, [])

    @pytest.fixture
    def waiting(self, propose: Propose) -> Run:
        """Return a run that waits for somebody to decide an offer of 5."""
        return propose("offer", amount=5)

    def test_a_plan_that_allows_nobody_to_decide_is_refused_where_it_is_written(self) -> None:
        from hitl.reviews.quorum import problems

        empty: list[Any] = [None, {}, [], {"stages": []}, {"stages": None}]
        empty += [{"stages": [{"name": "x", "any_of": []}]}, {"stages": [{"name": "x", "any_of": None}]}]
        empty += [{"stages": [{"name": "x", "any_of": [{"approve": n}]}]} for n in (0, None, True, "1", -1)]
        assert [document for document in empty if not problems(document)] == []

    def test_a_decision_nobody_knows_that_reached_the_row_runs_nothing(
        self, waiting: Run, work: Work, committed: str
    ) -> None:
        for status in ("", "APPROVED", "ok"):
            Review.objects.filter(run_id=waiting.pk).update(status=status)
            Run.objects.filter(pk=waiting.pk).update(status=Run.Status.QUEUED)
            waiting.steps.filter(kind="tool").update(status="waiting", finished_at=None)
            go_on(waiting, work)
            assert Probe.entered == []


class TestAcceptance13:
    def test_cross_tenant_request_id_is_as_unknown_as_no_id(
        self, propose: Propose, globex_tenant: Any, client_of: Any
    ) -> None:
        """The same answer from the same queries: nothing to time."""
        from governance.access.models import User

        there, nowhere = str(review_of(propose()).pk), "01890000-0000-7000-8000-00000000dead"
        with tenant_context(globex_tenant):
            grace, _ = User.objects.get_or_create(username="grace", is_superuser=True, is_staff=True)
            client = client_of(grace, host="globex.localhost")
            for method, path in (
                ("get", ""),
                ("post", "/respond"),
                ("post", "/revoke"),
                ("post", "/messages"),
            ):
                told = []
                for pk in (there, nowhere, there, nowhere):
                    body = {"decision": "approve", "message": "x"} if method == "post" else None
                    with CaptureQueriesContext(connection) as queries:
                        answer = getattr(client, method)(f"{QUEUE}/{pk}{path}", body, format="json")
                    content = {**answer.json(), "trace_id": ""}
                    told.append((answer.status_code, content, [without(q["sql"], pk) for q in queries]))
                assert told[2] == told[3]
                assert (told[2][0], told[0][1]) == (404, told[1][1])


class TestAcceptance14:
    def test_unsatisfiable_plan_alarms_at_creation(self, propose: Propose, pat: Any) -> None:
        where = "'board' in reviewer.groups"
        document = {"stages": [{"name": "board", "any_of": [{"approve": 1, "where": where}]}]}
        ReviewPlan.objects.create(name="board", document=document, author=pat)
        heard: list[Any] = []

        def alarmed(review: Review, **_kwargs: Any) -> None:
            heard.append(review.pk)

        review_unsatisfiable.connect(alarmed)
        try:
            review = review_of(propose())
        finally:
            review_unsatisfiable.disconnect(alarmed)
        assert heard == [review.pk]
        assert AuditEvent.objects.filter(subject_id=str(review.pk), action="review.unsatisfiable").exists()
        assert eligibility.eligible(review) == []


class TestAcceptance15:
    def test_same_key_twice_same_answer(
        self, propose: Propose, client_of: Any, bob: Any, rita: Any, work: Work
    ) -> None:
        run = propose()
        review = review_of(run)

        def send(who: Any, decision: str = "approve", key: str = "the-key") -> Any:
            body, headers = {"decision": decision, "message": "m"}, {"Idempotency-Key": key}
            return client_of(who).post(f"{QUEUE}/{review.pk}/respond", body, format="json", headers=headers)

        answers = at_once([lambda: send(bob)] * 6)
        assert {answer.status_code for answer in answers} == {200}
        assert len({json.dumps(answer.json(), sort_keys=True) for answer in answers}) == 1
        assert go_on(run, work).status == Run.Status.SUCCEEDED
        assert send(bob).json() == answers[0].json(), "also when all is over"
        assert (send(bob, "reject").status_code, send(rita).status_code) == (422, 409)
        assert (review.votes.count(), Probe.names()) == (1, ["seal"])


class TestOneHuman:
    def test_by_session_token_and_chat_counts_once(
        self, propose: Propose, client_of: Any, bob: Any, rita: Any, pat: Any
    ) -> None:
        ReviewPlan.objects.create(name="two", document=TWO, author=pat)
        review = review_of(propose())
        given = {"username": "bob", "password": "demo"}
        token = client_of().post("/api/v1/auth/login", given, format="json").json()["token"]
        page = Client(headers={"host": "acme.localhost"})
        page.force_login(bob)
        form = {"decision": "approve", "version": review.version, "digest": review.digest}

        def by_token(client: Any, **headers: str) -> Any:
            return client.post(f"{QUEUE}/{review.pk}/respond", form, format="json", headers=headers)

        def by_chat() -> Any:
            said = Response(verb=DecisionVerb.APPROVE, channel=Channel.CHAT, assurance=Assurance.TOKEN)
            return reviews.respond(review_id=review.pk, reviewer=bob, response=said, now=timezone.now())

        assert page.post(f"/reviews/{review.pk}/", form).status_code == 302
        assert by_token(client_of(), Authorization=f"Bearer {token}").status_code == 409
        assert by_token(client_of(bob)).status_code == 409
        with pytest.raises(reviews.AlreadyDecided):
            by_chat()
        assert (fresh(review).status, review.votes.count()) == ("pending", 1)
        assert by_token(client_of(rita)).json()["status"] == "approved"


class TestAcceptance16:
    def test_flood_is_throttled_and_nothing_is_lost(
        self, model: FakeModel, start: Start, work: Work, probe: type[Probe], bob: Any, decide: Decide
    ) -> None:
        """Twenty runs want one tool that takes two calls at a time."""
        ConcurrencyCap.objects.create(kind="tool", name="seal", limit=2)
        flood = []
        for _ in range(20):
            model.script(calls(("seal", {})), text("Done."))
            flood.append(work(start("go"), at=timezone.now()))
        now = timezone.now()
        for _ in range(30):
            for run in flood:
                run.refresh_from_db()
                if run.status == Run.Status.WAITING:
                    decide(review_of(run), bob)
                elif run.status == Run.Status.QUEUED:
                    model.script(text("Done."))
                    now += timedelta(seconds=10)
                    work(run, at=max(now, run.wake_at or now))
            if all(fresh(run).status == Run.Status.SUCCEEDED for run in flood):
                break
        assert [fresh(run).status for run in flood] == [Run.Status.SUCCEEDED] * 20
        assert len(Probe.names()) == 20
        assert len(set(Probe.keys())) == 20


def first_of(page: str) -> Any:
    """Return the key of the first object that an admin page of this name could be about."""
    app, _, rest = page.removeprefix("admin:").partition("_")
    known = {(model._meta.app_label, model._meta.model_name): model for model in apps.get_models()}
    model: Any = known.get((app, rest.partition("_")[0]))
    found = model._default_manager.first() if model else None
    return found.pk if found else 1


def without(sql: str, pk: str) -> str:
    """Return a query without the id that it is about."""
    return sql.replace(pk, "").replace(pk.replace("-", ""), "")


def state_of(name: str) -> dict[str, str]:
    """Return a digest of every table of the tenant, but for when somebody was last seen."""
    passing = {"django_session"}
    with as_owner(name) as owner:
        tables = [
            row[0]
            for row in owner.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'acme' ORDER BY tablename"
            ).fetchall()
        ]
        return {
            table: hashlib.sha256(
                repr(sorted(map(repr, owner.execute(f"SELECT * FROM acme.{table}").fetchall()))).encode()
            ).hexdigest()
            for table in tables
            if table not in passing
        }
