"""Between approval and execution any bound field changes to any value: nothing runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.catalog.models import Agent
from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.access.models import User
from governance.types import PolicyRequest
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import Channel, DecisionVerb, Response
from tenants.kernel.jsonvalues import storable
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.governance.clones import as_owner
from tests.governance.samples import NOW, REFUND

Start = Callable[..., Run]
Work = Callable[..., Run]
EXAMPLES = 6
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
NAME = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=6, max_size=20)
PAST, FUTURE = (
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.timedeltas(timedelta(seconds=1), timedelta(6)),
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def approved(model: FakeModel, start: Start, work: Work, probe: type[Probe], bob: Any) -> Callable[[], Run]:
    """Return a function that gives a run whose offer of 5 Bob has approved."""

    def bring() -> Run:
        probe.reset()
        model.script(calls(("offer", {"amount": 5})), text("Done."))
        run = work(start("go"))
        said = Response(verb=DecisionVerb.APPROVE, channel=Channel.API)
        review = reviews.respond(
            review_id=Review.objects.get(run_id=run.pk).pk, reviewer=bob, response=said, now=NOW
        )
        assert (review.status, probe.entered) == ("approved", [])
        return run

    return bring


@contextmanager
def row(model: Any, pk: Any, **changes: Any) -> Iterator[None]:
    """Change a row behind everybody's back, and change it back."""
    before = model.objects.filter(pk=pk).values(*changes).get()
    model.objects.filter(pk=pk).update(**changes)
    try:
        yield
    finally:
        model.objects.filter(pk=pk).update(**before)


def review(run: Run) -> Any:
    return Review.objects.get(run_id=run.pk).pk


def tool() -> Any:
    return Tool.objects.get(name="offer").pk


def step(run: Run) -> Any:
    return run.steps.get(kind="tool").pk


@contextmanager
def vote(run: Run, name: str, **changes: Any) -> Iterator[None]:
    """Change a vote as only the owner of the tables could, having taken the trigger away."""
    (column, value), pk = next(iter(changes.items())), Vote.objects.get(review=review(run)).pk
    with as_owner(name) as owner:
        owner.execute("ALTER TABLE acme.hitl_vote DISABLE TRIGGER USER")
        owner.execute(f"UPDATE acme.hitl_vote SET {column} = %s WHERE id = %s", [value, pk])
        owner.execute("ALTER TABLE acme.hitl_vote ENABLE TRIGGER USER")
    yield


def stranger() -> int:
    return User.objects.get(username="vera").pk


# What is changed, with which values, and how.
MUTATIONS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Run, Any, str], Any]]] = {
    "arguments": (
        st.dictionaries(st.sampled_from(["amount", "more"]), SCALARS).filter(lambda a: a != {"amount": 5}),
        lambda run, value, _: row(Review, review(run), arguments=storable(value)),
    ),
    "digest": (HEX, lambda run, value, _: row(Review, review(run), digest=value)),
    "status": (
        st.text(max_size=12).map(storable).filter(lambda word: word != "approved"),
        lambda run, value, _: row(Review, review(run), status=value),
    ),
    "time to execute": (PAST, lambda run, ago, _: row(Review, review(run), execute_by=NOW - ago)),
    "not before": (FUTURE, lambda run, later, _: row(Review, review(run), not_before=NOW + later)),
    "consumed": (PAST, lambda run, ago, _: row(Review, review(run), consumed_at=NOW - ago)),
    "tool's schema": (HEX, lambda _run, value, _: row(Tool, tool(), schema_version=value)),
    "tool's name": (NAME, lambda _run, value, _: row(Tool, tool(), name=value)),
    "tool's parameters": (
        st.integers(-100, 4),
        lambda _run, most, _: row(
            Tool, tool(), parameters={"type": "object", "properties": {"amount": {"maximum": most}}}
        ),
    ),
    "tool's risk": (st.just("critical"), lambda _run, risk, _: row(Tool, tool(), risk=risk)),
    "tool enabled": (st.just(False), lambda _run, value, _: row(Tool, tool(), enabled=value)),
    "agent's version": (
        st.integers(1000, 2**31 - 1),
        lambda run, value, _: row(Agent, run.agent_id, version=value),
    ),
    "requester": (st.just(None), lambda run, _value, _: row(Run, run.pk, requester_id=stranger())),
    "requester's name": (NAME, lambda run, value, _: row(User, run.requester_id, username=value)),
    "stored call": (
        st.integers(6, 10**6),
        lambda run, value, _: row(
            Step, step(run), request={"arguments": {"amount": value}, "parsed": True, "preview": "x"}
        ),
    ),
    "step's tool": (
        st.sampled_from(["strike", "launch", "third"]),
        lambda run, value, _: row(Step, step(run), name=value),
    ),
    "vote's digest": (HEX, lambda run, value, name: vote(run, name, digest=value)),
    "voter": (st.just(None), lambda run, _value, name: vote(run, name, reviewer_id=run.requester_id)),
    "verdict": (
        st.sampled_from(["", "reject", "withdraw", "nothing", "APPROVE"]),
        lambda run, value, name: vote(run, name, verdict=value),
    ),
    "voter's right": (
        st.just(False),
        lambda _run, value, _: row(User, User.objects.get(username="bob").pk, is_active=value),
    ),
}


class TestAnyChange:
    def test_is_needed_for_nothing_to_run(self, approved: Callable[[], Run], work: Work) -> None:
        assert work(approved()).status == Run.Status.SUCCEEDED
        assert Probe.names() == ["offer"]

    @pytest.mark.parametrize("field", MUTATIONS)
    @given(data=st.data())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_of_a_bound_field_runs_nothing(
        self, committed: str, approved: Callable[[], Run], work: Work, field: str, data: st.DataObject
    ) -> None:
        values, mutate = MUTATIONS[field]
        run = approved()
        with mutate(run, data.draw(values), committed):
            work(run)
            work(run)
        assert Probe.entered == []


class TestDigest:
    """What an approval is bound to, field by field, without a database."""

    @given(
        member=st.sampled_from(
            ["user.id", "user.name", "agent.id", "agent.version", "tool.id", "tool.name", "tool.schema_version",
             "run.run_id", "run.step_id", "tenant", "arguments"]
        ),
        data=st.data(),
    )  # fmt: skip
    def test_of_any_other_value_is_another(self, member: str, data: st.DataObject) -> None:
        holder, _, name = member.rpartition(".")
        target: Any = getattr(REFUND, holder) if holder else REFUND
        old = getattr(target, name)
        kinds: dict[type, Any] = {
            int: st.integers(0, 2**53 - 1),
            str: st.text(max_size=40),
            dict: st.dictionaries(st.text(max_size=5), SCALARS, max_size=3),
        }
        value = data.draw(kinds[type(old)].filter(lambda new: new != old))
        changed = replace(target, **{name: value})
        other: PolicyRequest = replace(REFUND, **{holder: changed}) if holder else changed
        assert asdict(other) != asdict(REFUND)
        assert other.digest() != REFUND.digest()
