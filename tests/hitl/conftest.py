"""Reviews to decide: a refund that Oscar's agent proposed."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from governance import gate
from governance.types import Risk, RunRef, UserRef
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response, ReviewRequest
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.errors import DomainError
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW, proposal

TTL = timedelta(hours=1)
Open = Callable[..., Review]
Say = Callable[..., Review]
Ask = Callable[..., Review]
HandOff = Callable[..., Review]
Attempt = Callable[[], Any]
Together = Callable[[list[Attempt]], "Counter[str]"]


@pytest.fixture
def open_review(agent: Any, oscar: Any) -> Open:
    """Return a function that opens a review of a call which somebody's agent proposed, an hour before it expires."""

    def make(
        *,
        user: Any = None,
        tool: str = "refund_order",
        risk: str = "",
        reversible: bool = False,
        **arguments: Any,
    ) -> Review:
        from agents.tools.models import Tool

        Tool.objects.filter(name=tool).update(reversible=reversible, **({"risk": risk} if risk else {}))
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
    """Return a function with which a person responds to a review, on its page and with the password given again."""

    def respond(
        review: Review, who: Any, verb: str = "approve", *, at: datetime = NOW, **response: Any
    ) -> Review:
        response.setdefault("assurance", Assurance.STEP_UP)
        given = Response(verb=DecisionVerb(verb), channel=Channel.API, **response)
        return operations.respond(review_id=review.pk, reviewer=who, response=given, now=at)

    return respond


@pytest.fixture
def ask(agent: Any, oscar: Any) -> Ask:
    """Return a function that asks whether a refund, cut off while it ran, happened."""

    def make(*, user: Any = None, required: int = 1) -> Review:
        return operations.ask_outcome(
            request=proposal(agent=agent, user=user or oscar),
            risk=Risk.HIGH,
            required=required,
            message="The worker died while refund_order ran.",
            evidence={"query": "refund, please"},
            expires_at=NOW + timedelta(hours=1),
            now=NOW,
        )

    return make


@pytest.fixture
def hand_off(agent: Any, oscar: Any) -> HandOff:
    """Return a function that hands a failed run over."""

    def make(*, user: Any = None) -> Review:
        asker = user or oscar
        return operations.hand_off(
            run=RunRef(run_id=str(uuid7()), step_id=str(uuid7()), trace_id="0" * 32),
            user=UserRef(id=asker.pk, name=asker.username),
            agent=agent.ref(),
            subject="lookup_order failed 3 times",
            evidence={"query": "where is my order?"},
            expires_at=NOW + timedelta(hours=1),
            now=NOW,
        )

    return make


@pytest.fixture
def together(acme: Any) -> Together:
    """Return a function that lets threads attempt things at once, and counts what came of it."""

    def run(attempts: list[Attempt]) -> "Counter[str]":
        outcomes: list[str] = []
        barrier = threading.Barrier(len(attempts))

        def attempt(action: Attempt) -> None:
            with tenant_context(schema_tenant("acme")):
                barrier.wait()
                try:
                    action()
                    outcomes.append("done")
                except DomainError as error:
                    outcomes.append(type(error).__name__)
            connection.close()

        threads = [threading.Thread(target=attempt, args=(action,)) for action in attempts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == len(attempts)
        return Counter(outcomes)

    return run
