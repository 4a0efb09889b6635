"""The only code that runs a tool."""

import inspect
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from agents.tools import adapters, tokens
from agents.tools.base import Happened, OutcomeUnknown, ToolContext, ToolFailed
from agents.tools.models import Tool
from agents.tools.registry import spec_of
from agents.tools.secrets import secrets_for
from governance import gate
from governance.policies import arguments
from governance.types import Decision, EffectClass, Outcome, PolicyRequest
from tenants.kernel.context import require_schema, schema_tenant, tenant_context
from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import JsonObject, canonical, storable

logger = logging.getLogger(__name__)
MAX_RESULT_BYTES = 256 * 1024
CHECK_S = 5


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


def execute(claim: Claim, *, tool: Tool, arguments: JsonObject | None = None) -> Outcome:
    """Run the claimed tool and return what it led to; a tool's failure is an outcome, not an exception.

    `arguments` are those of the claim with the originals of what guardrails took out, where the tool gets them.
    After `tool.timeout_s` seconds the call is given up. What raises, times out or loses its connection
    failed if the tool may be repeated or said that it never started, and has an unknown outcome if not.
    Raises PermitMissing if the action is no longer the claimed one, or this claim has run before.
    """
    request = claim.decision.request
    if request.digest() != claim.decision.digest or tool.name != request.tool.name:
        raise gate.PermitMissing
    claim.seal.break_once()
    started = time.monotonic()
    outcome = _outcome(lambda: _call(claim, tool, arguments), request, tool)
    return replace(outcome, duration_ms=round((time.monotonic() - started) * 1000))


def has_preview(tool: Tool) -> bool:
    """Tell whether the tool can say what a call would do."""
    return tool.source == Tool.Source.PYTHON and spec_of(tool.name).preview is not None


def asks_person(tool: Tool) -> bool:
    """Tell whether a person's answer is the result of its calls; then nothing is executed."""
    return tool.source == Tool.Source.PYTHON and spec_of(tool.name).asks_person


def asks_model(tool: Tool) -> bool:
    """Tell whether a model without tools answers its calls; then nothing is executed."""
    return tool.source == Tool.Source.PYTHON and spec_of(tool.name).asks_model


def has_probe(tool: Tool) -> bool:
    """Tell whether the tool can ask its target whether a call took effect."""
    return tool.source == Tool.Source.PYTHON and spec_of(tool.name).probe is not None


def preview(request: PolicyRequest, *, tool: Tool) -> Any:
    """Return what the call would do, says the tool, as a JSON value; its failure is told in words."""
    spec = spec_of(tool.name)
    if spec.preview is None:
        return None
    try:
        return _bounded(within(tool.timeout_s, _bound(spec.preview, request, tool, idempotency_key="")))
    except Exception as error:  # the edge to code we do not own
        logger.exception("The preview of %s raised", tool.name)
        return f"The tool could not say what it would do: {type(error).__name__}."


def probe(request: PolicyRequest, *, tool: Tool, idempotency_key: str) -> Happened:
    """Return whether a call took effect, as far as the tool can find out."""
    spec = spec_of(tool.name)
    if spec.probe is None:
        return Happened.UNKNOWN
    try:
        return Happened(
            within(tool.timeout_s, _bound(spec.probe, request, tool, idempotency_key=idempotency_key))
        )
    except Exception:  # the edge to code we do not own: what cannot be found out is unknown
        logger.exception("The probe of %s raised", tool.name)
        return Happened.UNKNOWN


def _outcome(call: Callable[[], Any], request: PolicyRequest, tool: Tool) -> Outcome:
    may_repeat = request.tool.effect is not EffectClass.NON_IDEMPOTENT
    try:
        return _receipt(_bounded(within(tool.timeout_s, call)), tool)
    except ToolFailed as error:
        return Outcome(
            ok=False,
            error=error.detail,
            transient=error.transient,
            started=error.started,
            retry_after_s=error.retry_after_s,
        )
    except (OutcomeUnknown, OSError, InterfaceError, OperationalError) as error:
        logger.warning("Tool %s was cut off: %s", tool.name, error)
        message = error.detail if isinstance(error, OutcomeUnknown) else _words(tool, error)
        return Outcome(ok=False, error=message, transient=may_repeat, unknown=not may_repeat)
    except DomainError as error:
        return Outcome(ok=False, error=error.detail, unknown=not may_repeat)
    except Exception as error:  # the edge to code we do not own
        logger.exception("Tool %s raised", tool.name)
        return Outcome(ok=False, error=_words(tool, error), unknown=not may_repeat)


def _words(tool: Tool, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"{tool.name} did not answer within {tool.timeout_s} s."
    return f"{tool.name} failed: {type(error).__name__}"


def _receipt(value: Any, tool: Tool) -> Outcome:
    """Return the result, or a notice in its place where it has not the declared shape: the call has run."""
    if tool.output_schema is None:
        return Outcome(ok=True, value=value)
    schema = tool.output_schema
    try:
        problems = within(CHECK_S, lambda: arguments.problems(schema, value))
    except TimeoutError:
        problems = [{"at": "/", "message": f"could not be checked within {CHECK_S} s"}]
    if not problems:
        return Outcome(ok=True, value=value)
    notice = f"{tool.name} ran; its result has not the declared shape and was withheld."
    return Outcome(ok=True, value={"notice": notice}, facts={"result_problems": list(problems)})


def _bounded(value: Any) -> Any:
    """Return the value if it is small enough to keep, else a notice: the call has run."""
    value = storable(value)
    if len(canonical(value)) <= MAX_RESULT_BYTES:
        return value
    return {"notice": f"The result was larger than {MAX_RESULT_BYTES // 1024} KB and was left out."}


def _call(claim: Claim, tool: Tool, given: JsonObject | None) -> Any:
    request = claim.decision.request
    if tool.schema_version != request.tool.schema_version:
        raise ToolFailed(f"{tool.name} has changed since this call was proposed.", started=False)
    call = adapters.function_of(tool)
    audience, scope = tokens.wanted_by(tool)
    context = replace(
        _context(request, tool, idempotency_key=claim.idempotency_key),
        audience=audience,
        mint=lambda: tokens.for_call(claim.decision, audience=audience, scope=scope),
    )
    return call(dict(request.arguments if given is None else given), context)


def _context(request: PolicyRequest, tool: Tool, *, idempotency_key: str) -> ToolContext:
    """Return what a tool may know of a call, without the right to tokens: only a claimed call has that."""
    return ToolContext(
        user_id=request.user.id,
        user_name=request.user.name,
        run_id=request.run.run_id,
        idempotency_key=idempotency_key,
        secrets=secrets_for(tool),
    )


def _bound(
    function: Callable[..., Any], request: PolicyRequest, tool: Tool, *, idempotency_key: str
) -> Callable[[], Any]:
    """Return a probe or a preview with the arguments of the call, and its context if it asks for one."""

    wants_context = "context" in inspect.signature(function).parameters

    def call(given: JsonObject, context: ToolContext) -> Any:
        return function(**{**given, "context": context} if wants_context else given)

    sealed = adapters.sealed(tool, call)
    return lambda: sealed(dict(request.arguments), _context(request, tool, idempotency_key=idempotency_key))


def within(timeout_s: float, call: Callable[[], Any]) -> Any:
    """Return what the call returns, or raise what it raises, or TimeoutError after `timeout_s` seconds.

    It runs in a thread of its own, in the tenant of the caller. A call that is given up goes on
    there: threads cannot be stopped.
    """
    schema = require_schema()
    answer: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

    def work() -> None:
        try:
            with tenant_context(schema_tenant(schema)):
                answer.put((True, call()))
        except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
            answer.put((False, error))
        finally:
            connection.close()

    threading.Thread(target=work, name="tool", daemon=True).start()
    try:
        ok, value = answer.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError from None
    if ok:
        return value
    raise value
