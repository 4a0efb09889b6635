"""Many people claim at once and many reviews are opened at once, each on a connection of their own."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group

from hitl.reviews.models import Review
from hitl.routing import operations
from hitl.routing.models import ReviewQueue
from hitl.routing.operations import AlreadyClaimed
from hitl.routing.types import Strategy
from tests.governance.clones import own_database
from tests.governance.samples import NOW
from tests.hitl.conftest import Attempt, Together

MANY = 20


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own: other connections see only what is committed."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def db(committed: str) -> None:
    """Use the module's own database."""


class TestClaims:
    def test_by_twenty_at_once_are_one_persons(
        self, open_review: Callable[..., Review], person: Any, together: Together
    ) -> None:
        ReviewQueue.objects.all().delete()
        review = open_review(risk="high")
        people = [person(f"reviewer{n}", "hitl.decide_review") for n in range(MANY)]

        def claiming(who: Any) -> Attempt:
            return lambda: operations.claim(review_id=review.pk, user=who, now=NOW)

        outcomes = together([claiming(who) for who in people])
        assert outcomes == {"done": 1, AlreadyClaimed.__name__: MANY - 1}
        review.refresh_from_db()
        assert review.assigned_to in people


class TestReviews:
    @pytest.mark.parametrize("strategy", [Strategy.ROUND_ROBIN, Strategy.LEAST_LOADED])
    def test_opened_at_once_are_spread_evenly(
        self, open_review: Callable[..., Review], person: Any, together: Together, strategy: Strategy
    ) -> None:
        ReviewQueue.objects.all().delete()
        Review.objects.pending().update(assigned_to=None)
        group = Group.objects.create(name=f"team of {strategy}")
        team = [person(f"{strategy}-{n}", "hitl.decide_review") for n in range(4)]
        group.user_set.set(team)
        queue = ReviewQueue.objects.create(name=strategy, strategy=strategy, group=group)
        outcomes = together([open_review] * MANY)
        assert outcomes == {"done": MANY}
        held = Counter(Review.objects.filter(queue=queue).values_list("assigned_to", flat=True))
        assert held == {who.pk: MANY // 4 for who in team}
