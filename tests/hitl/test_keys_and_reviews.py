"""Deciding reviews with an API key: with less assurance than a page gives, and as one and the same person."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from governance.access.keys.operations import create_key
from hitl.reviews.models import Review

Respond = Callable[[Any, Review], int]


@pytest.fixture
def by_key(client_of: Any) -> Respond:
    """Return a function with which somebody approves a review with a new key of theirs."""

    def respond(user: Any, review: Review) -> int:
        _, text = create_key(owner=user, name="bot", wanted=["reviews:write"], now=timezone.now())
        client = client_of()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        body = {"decision": "approve", "password": "demo"}
        return int(client.post(f"/api/v1/hitl/queue/{review.pk}/respond", body, format="json").status_code)

    return respond


def soon() -> datetime:
    """Return a moment at which nothing has expired yet."""
    return timezone.now() + timedelta(hours=1)


class TestApiKey:
    def test_never_steps_up(self, review: Review, bob: Any, by_key: Respond) -> None:
        Review.objects.filter(pk=review.pk).update(min_assurance="step_up", expires_at=soon())
        assert by_key(bob, review) == 403
        assert not review.votes.exists()

    def test_and_the_session_of_one_person_count_once(
        self, critical: Review, rita: Any, by_key: Respond, client_of: Any
    ) -> None:
        Review.objects.filter(pk=critical.pk).update(min_assurance="token", expires_at=soon())
        path = f"/api/v1/hitl/queue/{critical.pk}/respond"
        assert client_of(rita).post(path, {"decision": "approve"}, format="json").status_code == 200
        for _ in range(3):
            assert by_key(rita, critical) >= 400
        critical.refresh_from_db()
        assert (critical.status, critical.votes.count()) == (Review.Status.PENDING, 1)
