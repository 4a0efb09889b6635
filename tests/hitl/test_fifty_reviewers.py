"""Fifty people, each on a connection of their own, decide the same two hundred reviews at once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from governance.audit.models import AuditEvent
from hitl.reviews import operations
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import Channel, DecisionVerb, Response
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.errors import DomainError
from tests.governance.clones import own_database
from tests.governance.samples import NOW

PEOPLE, REVIEWS = 50, 200
VERBS = (DecisionVerb.APPROVE, DecisionVerb.REJECT, DecisionVerb.FEEDBACK)


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own, and a connection for each person."""
    options = connection.settings_dict["OPTIONS"]
    before = options["pool"]
    options["pool"] = {**before, "max_size": PEOPLE + 6, "timeout": 60}
    with own_database(django_db_blocker) as name:
        yield name
    options["pool"] = before


@pytest.fixture
def db(committed: str) -> None:
    """Use the module's own database."""


class TestTwoHundredReviews:
    def test_have_one_outcome_each_and_every_loser_hears_409(
        self, open_review: Callable[..., Review], person: Any
    ) -> None:
        people = [person(f"reviewer{n}", "hitl.decide_review") for n in range(PEOPLE)]
        opened = [open_review(risk="high").pk for _ in range(REVIEWS)]
        outcomes: Counter[Any] = Counter()
        winners: list[Any] = []
        barrier, writing = threading.Barrier(PEOPLE), threading.Lock()

        def decide_all(number: int) -> None:
            mine: Counter[Any] = Counter()
            won = []
            with tenant_context(schema_tenant("acme")):
                barrier.wait()
                for turn, pk in enumerate(opened):
                    verb = VERBS[(number + turn) % len(VERBS)]
                    said = Response(verb=verb, channel=Channel.API, message="because")
                    try:
                        operations.respond(review_id=pk, reviewer=people[number], response=said, now=NOW)
                        mine["won"] += 1
                        won.append((pk, people[number].pk, verb))
                    except DomainError as error:
                        mine[error.status, error.code] += 1
            connection.close()
            with writing:
                outcomes.update(mine)
                winners.extend(won)

        threads = [threading.Thread(target=decide_all, args=(number,)) for number in range(PEOPLE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == {"won": REVIEWS, (409, "already-decided"): REVIEWS * (PEOPLE - 1)}
        votes = {vote.review_id: (vote.reviewer_id, vote.decision) for vote in Vote.objects.all()}
        assert votes == {pk: (who, verb) for pk, who, verb in winners}
        assert Vote.objects.count() == REVIEWS
        for review in Review.objects.filter(pk__in=opened):
            approved = votes[review.pk][1] == DecisionVerb.APPROVE
            assert review.status == ("approved" if approved else "rejected")
        said_words = [f"review.{verb}" for verb in VERBS]
        assert AuditEvent.objects.filter(action__in=said_words).count() == REVIEWS
