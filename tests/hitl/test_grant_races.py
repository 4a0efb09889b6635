"""Many calls and a revocation at once, each on a connection of its own: no use too many."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from hitl.grants import operations
from hitl.grants.models import GrantUse, StandingGrant
from hitl.grants.types import GrantRequest
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from tenants.kernel.context import schema_tenant, tenant_context
from tests.governance.clones import own_database
from tests.governance.samples import NOW

MANY, USES = 20, 7


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own: other connections see only what is committed."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def db(committed: str) -> None:
    """Use the module's own database."""


@pytest.fixture
def grant(open_review: Callable[..., Review], bob: Any) -> Iterator[StandingGrant]:
    """Return a grant of seven uses; revoked afterwards, so that no other test uses it."""
    asked = GrantRequest(scope="tool", reason="many", uses=USES, assurance=Assurance.SESSION)
    given = operations.give(review_id=open_review().pk, giver=bob, request=asked, now=NOW)
    yield given
    StandingGrant.objects.filter(pk=given.pk).update(revoked_at=NOW)


def at_once(actions: list[Callable[[], Any]]) -> "Counter[Any]":
    """Run each action in a thread of its own; return what came of them."""
    results: list[Any] = []
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> None:
        with tenant_context(schema_tenant("acme")):
            barrier.wait()
            try:
                results.append(action())
            finally:
                connection.close()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(actions)
    return Counter(results)


class TestUses:
    def test_are_as_many_as_were_given(
        self, grant: StandingGrant, open_review: Callable[..., Review]
    ) -> None:
        statuses = at_once([lambda: open_review().status] * MANY)
        grant.refresh_from_db()
        assert statuses == {"approved": USES, "pending": MANY - USES}
        assert (grant.uses_left, GrantUse.objects.filter(grant=grant).count()) == (0, USES)

    def test_end_with_a_revocation_that_came_before(
        self, grant: StandingGrant, open_review: Callable[..., Review], bob: Any
    ) -> None:
        """The call has found the grant, and waits for the revocation to be committed."""
        statuses: list[str] = []
        found = threading.Event()

        def call() -> None:
            with tenant_context(schema_tenant("acme")):
                found.set()
                statuses.append(open_review().status)
                connection.close()

        caller = threading.Thread(target=call)
        with transaction.atomic():
            operations.revoke(grant_id=grant.pk, by=bob, now=NOW)
            caller.start()
            found.wait()
            caller.join(timeout=2)
            assert caller.is_alive(), "it waits for the row"
        caller.join()
        assert statuses == ["pending"]
        assert not GrantUse.objects.filter(grant=grant).exists()

    def test_and_revocations_at_once_leave_no_use_after_it(
        self, grant: StandingGrant, open_review: Callable[..., Review], bob: Any
    ) -> None:
        def revoke() -> str:
            operations.revoke(grant_id=grant.pk, by=bob, now=NOW)
            return "revoked"

        outcomes = at_once([revoke, *[lambda: open_review().status] * 9])
        grant.refresh_from_db()
        assert outcomes["revoked"] == 1
        assert USES - grant.uses_left == outcomes["approved"] == GrantUse.objects.filter(grant=grant).count()
        assert open_review().status == Review.Status.PENDING
