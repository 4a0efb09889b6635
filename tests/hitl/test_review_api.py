"""The review queue over HTTP: what a reviewer is shown, and that a decision is about exactly that."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hitl.reviews.models import Review

QUEUE = "/api/v1/hitl/queue"
FIELDS = {
    "id", "status", "priority", "risk", "kind", "agent", "run", "tool", "arguments", "provenance", "reason", "rule",
    "due_at", "expires_at", "assigned_to", "required", "votes", "allowed_decisions", "digest", "version",
}  # fmt: skip
Open = Callable[..., Review]


@pytest.fixture
def pending(open_review: Open) -> Review:
    """Return a review that is pending now."""
    return fresh(open_review())


def fresh(review: Review) -> Review:
    review.expires_at = timezone.now() + timedelta(hours=1)
    review.save()
    return review


def respond(client: Any, review: Review, **body: Any) -> Any:
    return client.post(f"{QUEUE}/{review.pk}/respond", body, format="json")


class TestShown:
    def test_is_everything_a_reviewer_needs(self, pending: Review, bob: Any, client_of: Any) -> None:
        shown = client_of(bob).get(f"{QUEUE}/{pending.pk}").json()
        assert set(shown) >= FIELDS
        assert shown["arguments"] == {"order_id": "A-1001", "amount": 25.0, "reason": "arrived broken"}
        assert (shown["agent"], shown["requester"], shown["tool"]) == (
            "Support assistant",
            "oscar",
            "refund_order",
        )
        assert shown["digest"] == pending.digest

    @pytest.mark.parametrize(
        ("who", "allowed"),
        [
            ("bob", ["approve", "edit", "feedback", "reject", "request_info", "cancel_run"]),
            ("alice", []),
            ("vera", []),
            ("oscar", []),
        ],
    )
    def test_includes_what_the_caller_may_do(
        self, pending: Review, person: Any, client_of: Any, who: str, allowed: list[str]
    ) -> None:
        assert client_of(person(who)).get(f"{QUEUE}/{pending.pk}").json()["allowed_decisions"] == allowed

    def test_changes_nothing(self, pending: Review, bob: Any, client_of: Any) -> None:
        client = client_of(bob)
        for path in (f"{QUEUE}/{pending.pk}", f"{QUEUE}/{pending.pk}/respond"):
            for method in ("get", "head", "options"):
                getattr(client, method)(path)
        pending.refresh_from_db()
        assert (pending.status, pending.votes.count()) == ("pending", 0)


class TestRespond:
    def test_approves(self, pending: Review, bob: Any, client_of: Any) -> None:
        body = respond(client_of(bob), pending, decision="approve", version=1, digest=pending.digest).json()
        assert (body["status"], body["allowed_decisions"]) == ("approved", [])
        assert [(vote["reviewer"], vote["decision"], vote["channel"]) for vote in body["votes"]] == [
            ("bob", "approve", "api")
        ]

    def test_edits(self, pending: Review, bob: Any, rita: Any, client_of: Any) -> None:
        arguments = {**pending.arguments, "amount": 5}
        body = respond(client_of(bob), pending, decision="edit", arguments=arguments).json()
        assert (body["status"], body["arguments"], body["version"]) == ("pending", arguments, 2)
        assert body["arguments_proposed"] == pending.arguments
        assert body["votes"][0]["patch"] == [{"op": "replace", "path": "/amount", "value": 5}]
        body = respond(client_of(rita), pending, decision="approve", version=2).json()
        assert (body["status"], body["arguments"]) == ("approved", arguments)

    def test_rejects(self, pending: Review, bob: Any, client_of: Any) -> None:
        body = respond(client_of(bob), pending, decision="reject", message="no").json()
        assert (body["status"], body["votes"][0]["message"]) == ("rejected", "no")

    def test_replays_the_answer_to_the_same_key(self, pending: Review, bob: Any, client_of: Any) -> None:
        headers = {"Idempotency-Key": "once"}
        answers = [
            client_of(bob).post(
                f"{QUEUE}/{pending.pk}/respond", {"decision": "approve"}, format="json", headers=headers
            )
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert pending.votes.count() == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({}, 422, "invalid-input"),
            ({"decision": None}, 422, "invalid-input"),
            ({"decision": ""}, 422, "invalid-input"),
            ({"decision": "APPROVE"}, 422, "invalid-input"),
            ({"decision": ["approve"]}, 422, "invalid-input"),
            ({"decision": True}, 422, "invalid-input"),
            ({"decision": "cancel_run"}, 422, "invalid-input"),
            ({"decision": "reject"}, 422, "invalid-input"),
            ({"decision": "reject", "message": " "}, 422, "invalid-input"),
            ({"decision": "reject", "message": "a\x00"}, 422, "invalid-input"),
            ({"decision": "edit"}, 422, "invalid-input"),
            ({"decision": "edit", "arguments": None}, 422, "invalid-input"),
            ({"decision": "edit", "arguments": []}, 422, "invalid-input"),
            ({"decision": "edit", "arguments": {"amount": 1}}, 422, "invalid-input"),
            (
                {"decision": "edit", "arguments": {"order_id": "A\x00", "amount": 1, "reason": "x"}},
                422,
                "invalid-input",
            ),
            ({"decision": "approve", "arguments": {}}, 422, "invalid-input"),
            ({"decision": "approve", "version": "one"}, 422, "invalid-input"),
            ({"decision": "approve", "version": 2}, 409, "review-changed"),
            ({"decision": "approve", "version": 10**18}, 409, "review-changed"),
            ({"decision": "approve", "digest": "0" * 64}, 409, "review-changed"),
        ],
    )
    def test_leave_the_review_pending(
        self, pending: Review, bob: Any, client_of: Any, body: dict[str, Any], status: int, code: str
    ) -> None:
        response = respond(client_of(bob), pending, **body)
        assert (response.status_code, response.json()["code"]) == (status, code)
        pending.refresh_from_db()
        assert (pending.status, pending.version, pending.votes.count()) == ("pending", 1, 0)

    def test_of_numbers_that_cannot_be_stored_exactly(
        self, pending: Review, bob: Any, client_of: Any
    ) -> None:
        for number in ["NaN", "Infinity", "1e400", "1e22", "12345678901234567890"]:
            body = (
                '{"decision": "edit", "arguments": {"order_id": "A-1001", "reason": "x", "amount": '
                + number
                + "}}"
            )
            response = client_of(bob).generic(
                "POST", f"{QUEUE}/{pending.pk}/respond", body, "application/json"
            )
            assert response.status_code in {400, 422}
            pending.refresh_from_db()
            assert (pending.status, pending.version) == ("pending", 1)

    def test_of_a_second_decision(self, pending: Review, bob: Any, rita: Any, client_of: Any) -> None:
        respond(client_of(bob), pending, decision="approve")
        response = respond(client_of(rita), pending, decision="reject", message="no")
        assert (response.status_code, response.json()["code"]) == (409, "already-decided")
        assert response.json()["review_status"] == "approved"

    def test_of_a_decision_that_comes_too_late(self, pending: Review, bob: Any, client_of: Any) -> None:
        Review.objects.filter(pk=pending.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        response = respond(client_of(bob), pending, decision="approve")
        assert (response.status_code, response.json()["review_status"]) == (409, "expired")

    def test_of_the_requester_and_of_those_who_may_not(
        self, open_review: Open, alice: Any, charlie: Any, client_of: Any
    ) -> None:
        review = fresh(open_review(user=alice))
        for person in (alice, charlie):
            response = respond(client_of(person), review, decision="approve")
            assert (response.status_code, response.json()["code"]) == (403, "permission-denied")


class TestQueue:
    def test_can_be_asked(self, open_review: Open, bob: Any, client_of: Any) -> None:
        high, rejected = fresh(open_review()), fresh(open_review())
        mail = fresh(
            open_review(tool="send_email", reversible=True, to="maya@example.com", subject="Hello", body="x")
        )
        client = client_of(bob)
        respond(client, rejected, decision="reject", message="no")

        def asked(**question: Any) -> set[str]:
            return {item["id"] for item in client.get(QUEUE, question).json()["results"]}

        assert asked() >= {str(high.pk), str(rejected.pk), str(mail.pk)}
        assert asked(status="pending") >= {str(high.pk), str(mail.pk)}
        assert str(rejected.pk) not in asked(status="pending")
        assert asked(status="rejected") == {str(rejected.pk)}
        assert asked(risk="medium") == {str(mail.pk)} == asked(priority="medium")
        assert asked(run=str(high.run_id)) == {str(high.pk)}
        assert asked(assigned_to="bob") | asked(assigned_to="rita") == {str(high.pk), str(rejected.pk)}

    def test_comes_newest_first_in_pages(self, open_review: Open, bob: Any, client_of: Any) -> None:
        made = [str(open_review().pk) for _ in range(5)]
        client, seen, url = client_of(bob), [], f"{QUEUE}?page_size=2"
        while url:
            page = client.get(url).json()
            assert len(page["results"]) <= 2
            seen += [item["id"] for item in page["results"]]
            url = page["next"]
        assert [item for item in seen if item in made] == made[::-1]
        assert len(seen) == len(set(seen))
