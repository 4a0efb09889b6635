"""Reviews to decide: a refund that Oscar's agent proposed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from governance import gate
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.types import Channel, DecisionVerb, Response, ReviewRequest
from tests.governance.samples import NOW, proposal

TTL = timedelta(hours=1)
Open = Callable[..., Review]
Say = Callable[..., Review]


@pytest.fixture
def open_review(agent: Any, oscar: Any) -> Open:
    """Return a function that opens a review of a call which somebody's agent proposed, an hour before it expires."""

    def make(*, user: Any = None, tool: str = "refund_order", risk: str = "", **arguments: Any) -> Review:
        from agents.tools.models import Tool

        if risk:
            Tool.objects.filter(name=tool).update(risk=risk)
        request = proposal(agent=agent, user=user or oscar, tool=tool, **arguments)
        decision = gate.authorize(request, now=NOW)
        asked = ReviewRequest(decision=decision, evidence={"query": "refund, please"}, expires_at=NOW + TTL)
        return operations.request_review(request=asked, now=NOW)

    return make


@pytest.fixture
def review(open_review: Open) -> Review:
    """Return a review of a high-risk refund of 25.00."""
    return open_review()


@pytest.fixture
def critical(open_review: Open) -> Review:
    """Return a review that two people must approve."""
    return open_review(risk="critical")


@pytest.fixture
def say() -> Say:
    """Return a function with which a person responds to a review."""

    def respond(
        review: Review, who: Any, verb: str = "approve", *, at: datetime = NOW, **response: Any
    ) -> Review:
        given = Response(verb=DecisionVerb(verb), channel=Channel.API, **response)
        return operations.respond(review_id=review.pk, reviewer=who, response=given, now=at)

    return respond
