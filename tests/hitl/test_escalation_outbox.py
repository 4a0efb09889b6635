"""What escalations tell people goes through the outbox, and is taken back when the review is decided."""

from datetime import timedelta
from typing import Any

import pytest

from hitl.notifications.models import Notification
from hitl.notifications.types import Status
from hitl.reviews.models import Review
from tenants.timers.tick import tick
from tests.governance.samples import NOW
from tests.hitl.escalation_policies import EVERYBODY, WAIT, save


@pytest.fixture
def told(acme: Any, person: Any, open_review: Any) -> Review:
    """Return a review of which the first step of its escalation has told everybody."""
    person("rita", roles=("reviewer",))
    save([EVERYBODY, WAIT, {"step": "webhook"}])
    review: Review = open_review()
    tick(now=NOW + timedelta(seconds=10))
    return review


def asked(review: Review) -> set[str]:
    rows = Notification.objects.filter(review_id=review.pk, kind="escalation").select_related("recipient")
    return {row.recipient.username for row in rows}


class TestStepThatNotifies:
    def test_puts_a_row_for_each_person_into_the_outbox_once(self, told: Review) -> None:
        assert asked(told) == {"bob", "rita"}
        before = Notification.objects.count()
        tick(now=NOW + timedelta(seconds=11))
        assert Notification.objects.count() == before

    def test_leaves_nothing_to_send_once_the_review_is_decided(
        self, told: Review, bob: Any, say: Any
    ) -> None:
        say(told, bob)
        waiting = Notification.objects.filter(review_id=told.pk, kind="escalation", status=Status.PENDING)
        assert not waiting.exists()

    def test_reaches_the_tenant_where_it_says_so(self, told: Review) -> None:
        tick(now=NOW + timedelta(seconds=15))
        tick(now=NOW + timedelta(seconds=320))
        assert "alice" in asked(told), "without an endpoint, the admins' inboxes"
