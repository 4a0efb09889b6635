"""The only code that runs a tool."""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.tools.base import ToolContext, ToolFailed
from agents.tools.registry import spec_of
from governance import gate
from governance.types import Decision, Outcome
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import canonical, storable

logger = logging.getLogger(__name__)
MAX_RESULT_BYTES = 256 * 1024


class _Seal:
    """Proof that `claim` consumed the permit of this decision; it breaks when the action runs."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self._unbroken = threading.Lock()

    def break_once(self) -> None:
        """Break the seal; raise PermitMissing if it was broken before."""
        if not self._unbroken.acquire(blocking=False):
            raise gate.PermitMissing


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to run one action once. Only `claim` makes one."""

    decision: Decision
    idempotency_key: str
    seal: _Seal

    def __post_init__(self) -> None:
        """Refuse a claim that nobody's permit stands behind."""
        if not isinstance(self.seal, _Seal) or self.seal.decision is not self.decision:
            raise gate.PermitMissing


def claim(decision: Decision, *, idempotency_key: str, now: datetime) -> Claim:
    """Consume the permit of exactly this action; call it in the transaction that records the start.

    Raises PermitMissing if the decision is no permit, was used, or its arguments are not those it
    was given for.
    """
    gate.consume(decision, digest=decision.request.digest(), now=now)
    return Claim(decision=decision, idempotency_key=idempotency_key, seal=_Seal(decision))


def execute(claim: Claim) -> Outcome:
    """Run the claimed tool and return what it led to; a tool's failure is an outcome, not an exception.

    Raises PermitMissing if the action is no longer the claimed one, or this claim has run before.
    """
    request = claim.decision.request
    if request.digest() != claim.decision.digest:
        raise gate.PermitMissing
    claim.seal.break_once()
    started = time.monotonic()
    try:
        value = _call(claim)
        if len(canonical(value)) > MAX_RESULT_BYTES:
            raise ToolFailed(f"{request.tool.name} returned more than {MAX_RESULT_BYTES // 1024} KB.")
        outcome = Outcome(ok=True, value=value, duration_ms=_since(started))
    except DomainError as error:
        outcome = Outcome(ok=False, error=error.detail, duration_ms=_since(started))
    except Exception as error:  # the edge to code we do not own
        logger.exception("Tool %s raised", request.tool.name)
        message = f"{request.tool.name} failed: {type(error).__name__}"
        outcome = Outcome(ok=False, error=message, duration_ms=_since(started))
    return outcome


def _call(claim: Claim) -> Any:
    request = claim.decision.request
    spec = spec_of(request.tool.name)
    if spec.schema_version != request.tool.schema_version:
        raise ToolFailed(f"{request.tool.name} has changed since this call was proposed.")
    arguments = dict(request.arguments)
    if spec.wants_context:
        arguments["context"] = ToolContext(
            user_id=request.user.id,
            user_name=request.user.name,
            run_id=request.run.run_id,
            idempotency_key=claim.idempotency_key,
        )
    return storable(spec.function(**arguments))


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
