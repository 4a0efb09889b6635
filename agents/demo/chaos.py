"""Tools whose effects land outside the platform: in the ledger that `make chaos` keeps and counts."""

import json
import os

from agents.tools.base import OutcomeUnknown, ToolContext, ToolFailed, tool
from governance.types import EffectClass, Risk
from tenants.kernel import outbound
from tenants.kernel.jsonvalues import JsonObject

TIMEOUT_S = 30


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def ledger_read(job: int) -> JsonObject:
    """Count the lines about a job in the ledger of `make chaos`, which kills workers while these tools run."""
    return _ask("GET", f"/jobs/{job}")


@tool(risk=Risk.LOW, effect=EffectClass.IDEMPOTENT)
def ledger_put(job: int, n: int, context: ToolContext) -> JsonObject:
    """Set a line in the ledger of `make chaos`; repeated with the same key it is set once."""
    return _write("ledger_put", job, n, context)


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT)
def ledger_add(job: int, n: int, context: ToolContext) -> JsonObject:
    """Add a line to the ledger of `make chaos`, each time it is called."""
    return _write("ledger_add", job, n, context)


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT)
def ledger_pay(job: int, n: int, context: ToolContext) -> JsonObject:
    """Add a line that a person must approve to the ledger of `make chaos`, each time it is called."""
    return _write("ledger_pay", job, n, context)


def _write(name: str, job: int, n: int, context: ToolContext) -> JsonObject:
    line = {"tool": name, "job": job, "n": n, "run": context.run_id, "key": context.idempotency_key}
    return _ask("POST", "/lines", line)


def _ask(method: str, path: str, body: JsonObject | None = None) -> JsonObject:
    address = os.environ.get("COUNTERSIGN_LEDGER", "")
    if not address:
        raise ToolFailed("There is a ledger only while ./countersign chaos runs.", started=False)
    try:
        answer: JsonObject = json.loads(
            outbound.request(method, f"{address}{path}", timeout_s=TIMEOUT_S, json=body).body
        )
    except outbound.OutboundError as error:
        if error.sent:
            raise OutcomeUnknown("The ledger did not answer.") from error
        raise ToolFailed("The ledger could not be reached.", started=False) from error
    return answer
