"""Changes of people and roles can leave a review that nobody can decide: the platform notices by itself."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache

from governance.access.models import User
from governance.audit.models import AuditEvent
from hitl.reviews.models import Review
from hitl.reviews.signals import review_unsatisfiable
from hitl.routing import recheck, tasks
from tenants.kernel.context import platform_context
from tests.governance.samples import NOW


@pytest.fixture(autouse=True)
def forget(acme: Any) -> None:
    """Forget what was seen before: another test's people, perhaps."""
    cache.delete(recheck.SEEN)


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """Collect the reviews that an alarm was about."""
    reviews: list[Any] = []

    def listen(review: Review, **_kwargs: Any) -> None:
        reviews.append(review.pk)

    review_unsatisfiable.connect(listen)
    yield reviews
    review_unsatisfiable.disconnect(listen)


def alarms(review: Review) -> int:
    return AuditEvent.objects.filter(subject_id=str(review.pk), action="review.unsatisfiable").count()


def nobody_reviews() -> None:
    Group.objects.get(name="reviewer").user_set.clear()
    User.objects.filter(is_superuser=True).update(is_superuser=False)
    Group.objects.get(name="admin").user_set.clear()


class TestRecheck:
    def test_alarms_once_when_too_few_are_left(self, review: Review, heard: list[Any]) -> None:
        assert recheck.recheck(now=NOW) == 0
        nobody_reviews()
        assert recheck.recheck(now=NOW) == 1
        cache.delete(recheck.SEEN)
        assert recheck.recheck(now=NOW + timedelta(hours=1)) == 0
        assert (heard, alarms(review)) == ([review.pk], 1)

    def test_looks_only_if_people_or_roles_changed(
        self, review: Review, django_assert_max_num_queries: Any
    ) -> None:
        recheck.recheck(now=NOW)
        with django_assert_max_num_queries(4):
            recheck.recheck(now=NOW)

    def test_leaves_alone_what_can_be_decided_or_is_closed(
        self, review: Review, critical: Review, say: Callable[..., Review], bob: Any, heard: list[Any]
    ) -> None:
        say(review, bob)
        bob.is_active = False
        bob.save()
        recheck.recheck(now=NOW)
        assert alarms(review) == 0
        assert set(heard) <= {critical.pk}

    @pytest.mark.parametrize("change", ["role", "account", "permission", "direct"])
    def test_notices_each_way_to_lose_a_decider(self, person: Any, bob: Any, change: str) -> None:
        direct = person("carol", "hitl.decide_review")
        before = recheck.deciders()
        match change:
            case "role":
                bob.groups.clear()
            case "account":
                User.objects.filter(pk=bob.pk).update(is_active=False)
            case "permission":
                group = Group.objects.get(name="reviewer")
                group.permissions.remove(group.permissions.get(codename="decide_review"))
            case "direct":
                direct.user_permissions.clear()
        assert recheck.deciders() != before


class TestTask:
    def test_visits_the_tenants(self, review: Review) -> None:
        nobody_reviews()
        with platform_context():
            tasks.recheck_reviews.run()
        assert alarms(review) == 1

    def test_is_on_the_clock(self, settings: Any) -> None:
        tasks_on_the_clock = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
        assert tasks.recheck_reviews.name in tasks_on_the_clock
