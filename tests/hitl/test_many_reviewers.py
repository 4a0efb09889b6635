"""Many people decide at once, each on a connection of their own: exactly one outcome comes of it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from governance.audit.models import AuditEvent
from hitl.reviews import deadlines, operations
from hitl.reviews.models import Review
from hitl.reviews.operations import AlreadyDecided, ApprovalNotUsable, ReviewChanged
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tenants.kernel.errors import StaleTransition
from tests.governance.clones import own_database
from tests.governance.samples import NOW
from tests.hitl.conftest import Attempt, Together

MANY = 20
LESS = {"order_id": "A-1001", "amount": 10.0, "reason": "arrived broken"}


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own: other connections see only what is committed."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def db(committed: str) -> None:
    """Use the module's own database."""


@pytest.fixture
def review(open_review: Callable[..., Review]) -> Review:
    """Return a review that one person must approve, whatever risk an earlier test committed."""
    return open_review(risk="high")


@pytest.fixture
def reviewers(person: Any) -> list[Any]:
    """Return twenty people who may decide."""
    return [person(f"reviewer{n}", "hitl.decide_review") for n in range(MANY)]


def deciding(review: Review, who: Any, verb: str = "approve", **response: Any) -> Attempt:
    given = Response(
        verb=DecisionVerb(verb), channel=Channel.DASHBOARD, assurance=Assurance.STEP_UP, **response
    )
    return lambda: operations.respond(review_id=review.pk, reviewer=who, response=given, now=NOW)


def decisions_on_record(review: Review) -> int:
    verbs = [f"review.{verb}" for verb in DecisionVerb]
    return AuditEvent.objects.filter(subject_id=str(review.pk), action__in=verbs).count()


class TestOneReview:
    def test_is_decided_once(self, review: Review, reviewers: list[Any], together: Together) -> None:
        ways: list[dict[str, Any]] = [
            {"verb": "approve"},
            {"verb": "reject", "message": "no"},
            {"verb": "feedback", "message": "less"},
            {"verb": "cancel_run", "message": "no more"},
        ]
        attempts = [deciding(review, who, **ways[n % 4]) for n, who in enumerate(reviewers)]
        outcomes = together(attempts)
        assert outcomes["done"] == 1
        assert outcomes[AlreadyDecided.__name__] == MANY - 1
        review.refresh_from_db()
        decided = {Review.Status.APPROVED, Review.Status.REJECTED, Review.Status.CANCELLED}
        assert review.status in decided
        assert (review.votes.count(), decisions_on_record(review)) == (1, 1)

    def test_by_one_person_many_times_counts_once(
        self, critical: Review, reviewers: list[Any], together: Together
    ) -> None:
        outcomes = together([deciding(critical, reviewers[0]) for _ in range(MANY)])
        assert outcomes == {"done": 1, AlreadyDecided.__name__: MANY - 1}
        critical.refresh_from_db()
        assert (critical.status, critical.votes.count()) == (Review.Status.PENDING, 1)

    def test_that_needs_two_takes_exactly_two(
        self, critical: Review, reviewers: list[Any], together: Together
    ) -> None:
        outcomes = together([deciding(critical, who) for who in reviewers])
        assert outcomes == {"done": 2, AlreadyDecided.__name__: MANY - 2}
        critical.refresh_from_db()
        assert (critical.status, critical.votes.count()) == (Review.Status.APPROVED, 2)

    def test_is_never_approved_in_a_version_nobody_saw(
        self, critical: Review, reviewers: list[Any], together: Together
    ) -> None:
        seen: dict[str, Any] = {"version": critical.version, "digest": critical.digest}
        attempts = [
            deciding(critical, who, **seen)
            if n % 2
            else deciding(critical, who, "edit", arguments=LESS, **seen)
            for n, who in enumerate(reviewers)
        ]
        outcomes = together(attempts)
        critical.refresh_from_db()
        approvals = critical.votes.filter(digest=critical.digest, verdict="approve").count()
        assert (approvals >= critical.required) == (critical.status == Review.Status.APPROVED)
        assert set(outcomes) <= {"done", AlreadyDecided.__name__, ReviewChanged.__name__}
        assert critical.version <= 2

    def test_expires_or_is_decided_but_not_both(
        self, review: Review, reviewers: list[Any], together: Together
    ) -> None:
        def expire() -> None:
            operations.expire(review=Review.objects.get(pk=review.pk), now=review.expires_at)

        outcomes = together([expire, *(deciding(review, who) for who in reviewers[:9]), expire])
        assert outcomes["done"] == 1
        assert set(outcomes) <= {"done", AlreadyDecided.__name__, StaleTransition.__name__}
        review.refresh_from_db()
        assert review.status in {Review.Status.APPROVED, Review.Status.EXPIRED}

    def test_is_cancelled_or_decided_but_not_both(
        self, review: Review, reviewers: list[Any], together: Together
    ) -> None:
        def cancel() -> None:
            operations.cancel_for_run(run_id=review.run_id, now=NOW)

        together([cancel, *(deciding(review, who) for who in reviewers[:9])])
        review.refresh_from_db()
        events = AuditEvent.objects.filter(subject_id=str(review.pk), action="review.cancelled").count()
        assert events + decisions_on_record(review) == 1
        assert review.status == (Review.Status.CANCELLED if events else Review.Status.APPROVED)


class TestOneApproval:
    def test_is_used_once(self, review: Review, reviewers: list[Any], together: Together) -> None:
        deciding(review, reviewers[0])()

        def use() -> None:
            operations.consume(review_id=review.pk, digest=review.digest, now=NOW)

        assert together([use] * MANY) == {"done": 1, ApprovalNotUsable.__name__: MANY - 1}

    def test_is_used_or_taken_back_but_not_both(
        self, review: Review, reviewers: list[Any], together: Together
    ) -> None:
        deciding(review, reviewers[0])()

        def use() -> None:
            operations.consume(review_id=review.pk, digest=review.digest, now=NOW)

        def revoke(who: Any) -> Attempt:
            return lambda: operations.revoke(review_id=review.pk, by=who, message="no", now=NOW)

        outcomes = together([attempt for who in reviewers[:15] for attempt in (use, revoke(who))])
        assert outcomes["done"] == 1
        assert set(outcomes) <= {"done", ApprovalNotUsable.__name__, StaleTransition.__name__}
        review.refresh_from_db()
        assert (review.status == Review.Status.REVOKED) != (review.consumed_at is not None)


class TestOneWindow:
    @pytest.fixture
    def window(self, open_review: Callable[..., Review]) -> Review:
        """Return a review of a medium call in its veto window."""
        return open_review(risk="medium", reversible=True)

    def test_ends_once(self, window: Review, together: Together) -> None:
        assert window.veto_until is not None
        ends = window.veto_until

        def tick() -> None:
            with transaction.atomic():
                deadlines.on_veto_end(window.pk, 0, ends)

        assert together([tick] * MANY) == {"done": MANY}
        window.refresh_from_db()
        assert (window.status, window.votes.get().kind) == (Review.Status.APPROVED, "window")

    def test_is_objected_to_or_ends_but_not_both(
        self, window: Review, reviewers: list[Any], together: Together
    ) -> None:
        assert window.veto_until is not None
        ends = window.veto_until

        def tick() -> None:
            with transaction.atomic():
                deadlines.on_veto_end(window.pk, 0, ends)

        together([tick, *(deciding(window, who, "reject", message="no") for who in reviewers[:9]), tick])
        window.refresh_from_db()
        kinds = [vote.kind for vote in window.votes.all()]
        assert (window.status, kinds) in [("approved", ["window"]), ("rejected", ["person"])]


class TestOnePermit:
    def test_is_used_once(self, agent: Any, oscar: Any, together: Together) -> None:
        from governance import gate
        from tests.governance.samples import proposal

        request = proposal(agent=agent, user=oscar, tool="lookup_order", order_id="A-1001")
        decision = gate.authorize(request, now=NOW)

        def use() -> None:
            gate.consume(decision, digest=decision.digest, now=NOW)

        assert together([use] * MANY) == {"done": 1, gate.PermitMissing.__name__: MANY - 1}


class TestOneKey:
    def test_starts_one_run(self, agent: Any, oscar: Any, client_of: Any, together: Together) -> None:
        from agents.runs.models import Run

        answers: list[Any] = []

        def execute() -> None:
            response = client_of(oscar).post(
                f"/api/v1/agents/{agent.pk}/execute",
                {"input": {"query": "only once"}},
                format="json",
                headers={"Idempotency-Key": "the key"},
            )
            answers.append((response.status_code, response.json()["id"]))

        together([execute] * 10)
        assert len(set(answers)) == 1
        assert Run.objects.filter(input={"query": "only once"}).count() == 1


class TestOneLog:
    def test_is_sealed_by_one_at_a_time(self, acme: Any, together: Together) -> None:
        from governance.audit import operations as audit
        from governance.audit.types import Entry
        from governance.audit.verify import verify

        def write_and_seal() -> None:
            audit.record(Entry(at=NOW, action="sample"))
            audit.seal(now=NOW)

        assert together([write_and_seal] * MANY) == {"done": MANY}
        audit.seal(now=NOW)
        report = verify()
        assert (report.findings, report.unsealed) == ((), 0)
