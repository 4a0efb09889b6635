"""Record the replay corpus: really run varied runs through the engine and store their histories.

`./countersign test tests/agents/record_histories.py -n 0` writes tests/agents/histories/*.json anew. Do
so only together with a new ENGINE_VERSION: the stored histories are what older code wrote.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.catalog.operations import change_agent
from agents.runs import operations
from agents.runs.models import Run
from agents.tools.base import Happened
from hitl.reviews import operations as reviews
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tests.agents import probes
from tests.agents.fake_model import FakeModel, Fault, Message, calls, text
from tests.agents.probes import Probe, fails
from tests.agents.workbench import Work, refresh, requeue, review_of
from tests.governance.samples import NOW

FOLDER = Path(__file__).parent / "histories"
DAY = timedelta(days=1)
BUSY, REFUSED = Fault(status=503), Fault(status=400)
DONE = text("Done.")
KEPT = ("number", "kind", "status", "name", "call_id", "request", "result")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A run to record: what the model answers, what the tools do, and what people say."""

    name: str
    answers: tuple[Message | Fault, ...]
    tools: tuple[Callable[[], Any] | None, ...] = ()
    people: tuple[tuple[str, Any], ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    session: str = ""
    query: str = "Please help."


def odd() -> None:
    raise KeyError("odd")


def die() -> None:
    raise probes.Crash


def one(name: str, **arguments: Any) -> Message:
    return calls((name, arguments))


def each_tool() -> list[Scenario]:
    plain = ("peek", "strike", "tap", "glance", "deliver", "first", "second", "third")
    return [Scenario(name=f"one-call-of-{tool}", answers=(one(tool), DONE)) for tool in plain]


def turns() -> list[Scenario]:
    return [
        Scenario(name=f"{n}-turns", answers=(*[calls(("peek", {}), ids=(f"c{k}",)) for k in range(n)], DONE))
        for n in (2, 3, 6, 12)
    ]


HAND_OFF = (one("peek"),) * 3
SCENARIOS = (
    Scenario(name="answer", answers=(DONE,)),
    Scenario(name="answer-in-many-scripts", answers=(text("Grüße 你好 🚚 \u202e"),), query="Où est-il? 你好"),
    Scenario(name="answer-of-many-lines", answers=(text("line\n" * 200),)),
    Scenario(name="empty-answer", answers=(text("  "),)),
    Scenario(name="instructions", answers=(one("peek"), DONE), config={"instructions": "Be brief."}),
    *each_tool(),
    *turns(),
    Scenario(name="two-calls-at-once", answers=(calls(("peek", {}), ("strike", {})), DONE)),
    Scenario(
        name="three-calls-at-once-of-one-tool", answers=(calls(("tap", {}), ("tap", {}), ("tap", {})), DONE)
    ),
    Scenario(name="text-beside-calls", answers=({**one("peek"), "content": "I look."}, DONE)),
    Scenario(name="one-id-in-every-turn", answers=(one("peek"), one("glance"), one("tap"), DONE)),
    Scenario(name="one-id-twice-in-a-turn", answers=(calls(("peek", {}), ("tap", {}), ids=("x", "x")), DONE)),
    Scenario(name="arguments-that-are-no-json", answers=(calls(("peek", "{nonsense")), one("peek"), DONE)),
    Scenario(name="arguments-the-schema-refuses", answers=(one("third", amount="much"), DONE)),
    Scenario(name="unknown-tool", answers=(one("nothing"), DONE)),
    Scenario(name="tool-without-the-right", answers=(one("spare"), DONE)),
    Scenario(name="too-many-turns", answers=(one("peek"),), config={"max_turns": 2}),
    Scenario(
        name="too-many-turns-with-a-fallback-answer",
        answers=(one("peek"),),
        config={"max_turns": 2, "fallback_answer": "Call us."},
    ),
    Scenario(name="approved", answers=(one("seal"), DONE), people=(("approve", None),)),
    Scenario(
        name="approved-with-a-preview", answers=(one("offer", amount=3), DONE), people=(("approve", None),)
    ),
    Scenario(
        name="edited",
        answers=(one("offer", amount=500), DONE),
        people=(("edit", {"amount": 5}), ("approve", None)),
    ),
    Scenario(name="rejected", answers=(one("seal"), DONE), people=(("reject", None),)),
    Scenario(name="nobody-approved", answers=(one("seal"), DONE), people=(("expire", None),)),
    Scenario(
        name="approved-beside-a-call-that-needs-none",
        answers=(calls(("peek", {}), ("seal", {}), ("tap", {})), DONE),
        people=(("approve", None),),
    ),
    Scenario(
        name="approved-by-two", answers=(one("launch"), DONE), people=(("approve", None), ("approve", None))
    ),
    Scenario(
        name="it-happened", answers=(one("strike"), DONE), tools=(odd,), people=(("it_happened", None),)
    ),
    Scenario(name="it-did-not", answers=(one("strike"), DONE), tools=(odd,), people=(("it_did_not", None),)),
    Scenario(name="run-again", answers=(one("strike"), DONE), tools=(odd,), people=(("retry", None),)),
    Scenario(name="nobody-knew", answers=(one("strike"), DONE), tools=(odd,), people=(("expire", None),)),
    Scenario(name="worker-lost-and-repeated", answers=(one("peek"), DONE), tools=(die,)),
    Scenario(
        name="worker-lost-and-settled",
        answers=(one("strike"), DONE),
        tools=(die,),
        people=(("it_happened", None),),
    ),
    Scenario(name="failed-and-told", answers=(one("peek"), DONE), tools=(fails("No.", transient=False),)),
    Scenario(name="busy-and-tried-again", answers=(one("tap"), DONE), tools=(fails(),)),
    Scenario(name="busy-too-often", answers=(one("tap"), DONE), tools=(fails(),) * 3),
    Scenario(name="fallback", answers=(one("first", amount=2), DONE), tools=(fails(),)),
    Scenario(name="fallback-of-the-fallback", answers=(one("first"), DONE), tools=(fails(), fails())),
    Scenario(
        name="every-fallback-failed",
        answers=(one("first"), DONE),
        tools=(fails(), fails(), fails(transient=False)),
        config={"hand_off_after": 0},
    ),
    Scenario(
        name="handed-off-and-answered",
        answers=HAND_OFF,
        tools=(fails(transient=False),) * 3,
        people=(("respond", None),),
    ),
    Scenario(
        name="handed-off-and-sent-back",
        answers=(*HAND_OFF, DONE),
        tools=(fails(transient=False),) * 3,
        people=(("retry", None),),
    ),
    Scenario(
        name="handed-off-between-two-calls",
        answers=(calls(*[("peek", {})] * 4), DONE),
        tools=(fails(transient=False),) * 3,
        people=(("retry", None),),
    ),
    Scenario(
        name="handed-off-and-given-up",
        answers=HAND_OFF,
        tools=(fails(transient=False),) * 3,
        people=(("reject", None),),
    ),
    Scenario(
        name="asked-and-answered",
        answers=(one("ask_person", question="Which colour?", options=["blue", "red"]), DONE),
        people=(("respond", None),),
    ),
    Scenario(
        name="asked-beside-another-call",
        answers=(calls(("peek", {}), ("ask_person", {"question": "Go on?"}), ("tap", {})), DONE),
        people=(("respond", None),),
    ),
    Scenario(
        name="asked-and-nobody-answered",
        answers=(one("ask_person", question="Which colour?", details="The front door."), DONE),
        people=(("expire", None),),
    ),
    Scenario(name="model-busy-once", answers=(BUSY, DONE)),
    Scenario(name="model-busy-in-the-middle", answers=(one("peek"), BUSY, BUSY, DONE)),
    Scenario(name="model-refuses", answers=(REFUSED,)),
    Scenario(
        name="model-refuses-with-a-fallback-answer",
        answers=(REFUSED,),
        config={"fallback_answer": "Call us."},
    ),
    Scenario(name="another-model", answers=(REFUSED, DONE), config={"fallback_models": ["other"]}),
    Scenario(name="model-gone-and-sent-back", answers=(BUSY, BUSY, BUSY, DONE), people=(("retry", None),)),
    Scenario(name="session-first", answers=(text("It is blue."),), session="s", query="What colour?"),
    Scenario(
        name="session-second", answers=(one("peek"), text("Still blue.")), session="s", query="And now?"
    ),
)


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


class TestRecording:
    def test_has_scenarios_with_names_of_their_own(self) -> None:
        assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 50

    @pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
    def test_of(
        self,
        scenario: Scenario,
        probe: type[Probe],
        model: FakeModel,
        agent: Any,
        oscar: Any,
        bob: Any,
        rita: Any,
        work: Work,
    ) -> None:
        from agents.resilience.models import Circuit

        Circuit.objects.update(state="closed", failures=0)
        before = dict(agent.config)
        change_agent(agent=agent, config={**before, **scenario.config})
        model.script(*scenario.answers)
        acts = iter(scenario.tools)

        def each() -> None:
            act = next(acts, None)
            if act is not None:
                act()

        probe.each_time = each
        probe.target_says = staticmethod(lambda: Happened.UNKNOWN)
        run = operations.start(
            agent=agent,
            user=oscar,
            input={"query": scenario.query},
            trace_id="0" * 32,
            now=NOW,
            session_id=scenario.session,
        )
        try:
            run = to_the_end(run, scenario, work, [bob, rita])
        finally:
            change_agent(agent=agent, config=before)
        assert run.status in Run.ENDED
        FOLDER.mkdir(exist_ok=True)
        body = json.dumps(history_of(run), indent=1, sort_keys=True, ensure_ascii=False)
        (FOLDER / f"{scenario.name}.json").write_text(f"{body}\n")


def to_the_end(run: Run, scenario: Scenario, work: Work, reviewers: list[Any]) -> Run:
    people = list(scenario.people)
    for minute in range(30):
        now = NOW + timedelta(minutes=minute * 2)
        try:
            run = work(run, at=now)
        except probes.Crash:
            requeue(run, at=now)
            continue
        if run.status == Run.Status.WAITING:
            said, more = people.pop(0)
            if said == "expire":
                reviews.expire(review=review_of(run), now=now)
                continue
            arguments = more if said == "edit" else None
            response = Response(
                verb=DecisionVerb(said),
                channel=Channel.DASHBOARD,
                message="I looked.",
                arguments=arguments,
                version=review_of(run).version,
                assurance=Assurance.STEP_UP,
            )
            reviewer = reviewers[review_of(run).votes.count()]
            reviews.respond(review_id=review_of(run).pk, reviewer=reviewer, response=response, now=now)
        elif run.status != Run.Status.QUEUED:
            break
    return refresh(run)


def history_of(run: Run) -> dict[str, Any]:
    return {
        "engine_version": run.engine_version,
        "snapshot": run.snapshot,
        "input": run.input,
        "steps": [{name: getattr(step, name) for name in KEPT} for step in run.steps.all()],
        "end": {"status": run.status, "output": run.output, "error": run.error},
    }
