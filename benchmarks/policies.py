"""The policy engine alone: a hundred rules about one call."""

import time
from statistics import median

from django.utils import timezone

from benchmarks.machine import Figures
from governance.policies import document, engine
from governance.policies.rules import Rule, compile_rule
from governance.types import AgentRef, EffectClass, PolicyRequest, Risk, RunRef, ToolRef, UserRef

RULES, MATCHING = 100, 5
CALL = PolicyRequest(
    tenant="acme",
    user=UserRef(id=4, name="oscar"),
    agent=AgentRef(id="a", name="Support assistant", version=1, principal_id=9, blueprint="support"),
    tool=ToolRef(
        id=2,
        name="refund_order",
        risk=Risk.HIGH,
        effect=EffectClass.NON_IDEMPOTENT,
        parameters={},
        schema_version="1",
        enabled=True,
    ),
    arguments={"order_id": "A-1001", "amount": 25.0, "reason": "arrived broken"},
    run=RunRef(run_id="r", step_id="s", trace_id="0" * 32),
)


def _rule(number: int) -> Rule:
    """Return a rule with three conditions; one in twenty is about the tool that is called."""
    tool = "refund_*" if number % (RULES // MATCHING) == 0 else f"tool{number}_*"
    when = {
        "all": [
            {"path": "args.amount", "op": "gt", "value": 20},
            {"path": "user.groups", "op": "has", "value": "operator"},
            {"path": "run.integrity", "op": "eq", "value": "untrusted"},
        ]
    }
    return compile_rule({"id": f"rule-{number}", "match": {"tools": [tool]}, "when": when, "effect": "deny"})


def hundred_rules(repeat: int) -> Figures:
    """Return the median microseconds of asking 100 rules, without an index, and of making what they read."""
    rules, now, user = tuple(map(_rule, range(RULES))), timezone.now(), {"groups": ["operator"]}
    known = document.of(CALL, user=user, now=now)
    times, documents = [], []
    for _ in range(repeat):
        started = time.perf_counter()
        engine.ask(CALL, rules, known, now=now, read_only_may=True)
        times.append(time.perf_counter() - started)
        started = time.perf_counter()
        document.of(CALL, user=user, now=now)
        documents.append(time.perf_counter() - started)
    return {"policy.us_100_rules": median(times) * 1e6, "policy.us_document": median(documents) * 1e6}
