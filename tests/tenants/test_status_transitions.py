"""A status moves only along its table, and of two writers one wins."""

from typing import Any

import pytest

from agents.runs.models import Run
from hitl.reviews.models import Review
from tenants.kernel.errors import StaleTransition
from tests.governance.samples import NOW

MODELS = (Run, Review)


@pytest.fixture
def run(agent: Any, oscar: Any) -> Run:
    """Return a queued run."""
    return Run.objects.create(
        agent=agent,
        agent_version=1,
        snapshot={},
        requester=oscar,
        input={},
        trace_id="",
        created_at=NOW,
        updated_at=NOW,
    )


class TestTable:
    @pytest.mark.parametrize("model", MODELS)
    def test_names_only_statuses_that_exist(self, model: Any) -> None:
        words = set(model.TRANSITIONS) | {new for news in model.TRANSITIONS.values() for new in news}
        assert words <= set(model.Status)

    @pytest.mark.parametrize(
        ("model", "ended"),
        [
            (Run, {"succeeded", "failed", "cancelled"}),
            (Review, {"rejected", "expired", "cancelled", "answered", "superseded", "revoked"}),
        ],
    )
    def test_leads_nowhere_from_an_end(self, model: Any, ended: set[str]) -> None:
        assert {status.value for status in model.Status if not model.TRANSITIONS.get(status)} == ended

    @pytest.mark.parametrize("model", MODELS)
    def test_never_leads_back_to_the_beginning_of_a_review(self, model: Any) -> None:
        assert model is Run or not any("pending" in news for news in model.TRANSITIONS.values())

    def test_lets_no_decided_review_be_approved(self) -> None:
        sources = {old for old, news in Review.TRANSITIONS.items() if "approved" in news}
        assert sources == {"pending"}


class TestTransition:
    def test_moves_and_sets(self, run: Run) -> None:
        assert run.transition("running", finished_at=NOW) is run
        stored = Run.objects.get(pk=run.pk)
        assert (stored.status, stored.finished_at, run.finished_at) == ("running", NOW, NOW)

    @pytest.mark.parametrize("new", ["succeeded", "failed", "waiting", "queued", "nonsense"])
    def test_refuses_what_the_table_does_not_name(self, run: Run, new: str) -> None:
        with pytest.raises(StaleTransition):
            run.transition(new)
        assert Run.objects.get(pk=run.pk).status == "queued"

    def test_refuses_the_second_of_two_writers(self, run: Run) -> None:
        first, second = Run.objects.get(pk=run.pk), Run.objects.get(pk=run.pk)
        first.transition("running")
        with pytest.raises(StaleTransition, match="no longer queued"):
            second.transition("cancelled", finished_at=NOW)
        stored = Run.objects.get(pk=run.pk)
        assert (stored.status, stored.finished_at) == ("running", None)

    def test_of_a_row_that_is_gone_is_refused(self, run: Run) -> None:
        Run.objects.filter(pk=run.pk).delete()
        with pytest.raises(StaleTransition):
            run.transition("running")
