"""Overdue reviews of every tenant are closed on the clock; the runs that wait are woken."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hitl.reviews import operations, tasks
from hitl.reviews.models import Review
from tenants.kernel.context import platform_context, tenant_context
from tenants.kernel.errors import StaleTransition

Open = Callable[..., Review]


def tick() -> None:
    with platform_context():
        tasks.expire_reviews.run()


class TestExpireReviews:
    def test_closes_what_is_overdue_and_nothing_else(self, open_review: Open) -> None:
        overdue, open_still = open_review(), open_review()
        open_still.expires_at = timezone.now() + timedelta(hours=1)
        open_still.save()
        tick()
        overdue.refresh_from_db()
        open_still.refresh_from_db()
        assert (overdue.status, open_still.status) == ("expired", "pending")

    def test_leaves_decided_reviews_alone(self, open_review: Open, bob: Any, say: Any) -> None:
        review = say(open_review(), bob)
        tick()
        review.refresh_from_db()
        assert review.status == Review.Status.APPROVED

    def test_goes_on_after_one_that_was_decided_meanwhile(
        self, open_review: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = open_review(), open_review()

        def decided_meanwhile(*, review: Review, now: Any) -> None:
            if review.pk == first.pk:
                raise StaleTransition
            operations.expire(review=review, now=now)

        monkeypatch.setattr(tasks, "expire", decided_meanwhile)
        tick()
        second.refresh_from_db()
        assert second.status == Review.Status.EXPIRED

    def test_visits_every_tenant(self, open_review: Open, globex_tenant: Any) -> None:
        from agents.catalog.models import Agent
        from governance import gate
        from governance.access.models import User
        from hitl.reviews.types import ReviewRequest
        from tests.governance.samples import NOW, proposal

        with tenant_context(globex_tenant):
            request = proposal(
                agent=Agent.objects.get(), user=User.objects.get(username="oscar"), tool="record_bonus",
                employee_id="E-2001", amount=1, reason="x",
            )  # fmt: skip
            asked = ReviewRequest(decision=gate.authorize(request, now=NOW), evidence={}, expires_at=NOW)
            theirs = operations.request_review(request=asked, now=NOW)
        ours = open_review()
        tick()
        ours.refresh_from_db()
        with tenant_context(globex_tenant):
            theirs.refresh_from_db()
        assert (ours.status, theirs.status) == ("expired", "expired")

    def test_wakes_the_run_that_waits(self, open_review: Open, agent: Any, oscar: Any) -> None:
        from agents.runs.models import Run
        from tests.governance.samples import NOW

        review = open_review()
        run = Run.objects.create(
            pk=review.run_id, agent=agent, agent_version=1, snapshot={}, requester=oscar, input={}, trace_id="",
            status="waiting", created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        tick()
        run.refresh_from_db()
        assert run.status == Run.Status.QUEUED
