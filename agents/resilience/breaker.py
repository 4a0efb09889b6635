"""When a circuit lets calls through, and what a result makes of it. Pure.

closed: calls pass; `fail_after` failures in a row open it. open: calls wait for `retry_after_s` seconds,
then pass as trials, which is half open. half open: `close_after` successes in a row close it, one
failure opens it again. (M. Nygard, "Release It!", chapter 5, Circuit Breaker.)
"""

from dataclasses import replace
from datetime import datetime, timedelta

from agents.resilience.types import CircuitState


def allows(circuit: CircuitState | None, now: datetime) -> bool:
    """Tell whether a call may be made; a part without a circuit has not failed."""
    return circuit is None or seconds_until_try(circuit, now) <= 0


def seconds_until_try(circuit: CircuitState | None, now: datetime) -> float:
    """Return for how many seconds calls must still wait, 0 where they need not."""
    if circuit is None or circuit.state != "open" or circuit.opened_at is None:
        return 0.0
    tried_at = circuit.opened_at + timedelta(seconds=circuit.retry_after_s)
    return max((tried_at - now).total_seconds(), 0.0)


def after(circuit: CircuitState, ok: bool, now: datetime) -> CircuitState:
    """Return the circuit after one result.

    While it is open and not to be tried yet, results are of calls that began before it opened: they
    change nothing.
    """
    if circuit.state == "closed":
        return replace(circuit, failures=0) if ok else _failed(circuit, now)
    if not allows(circuit, now):
        return circuit
    if not ok:
        return _opened(circuit, now)
    successes = circuit.successes + 1 if circuit.state == "half_open" else 1
    if successes >= circuit.close_after:
        return closed(circuit)
    return replace(circuit, state="half_open", successes=successes)


def closed(circuit: CircuitState) -> CircuitState:
    """Return the circuit as if nothing had ever failed."""
    return replace(circuit, state="closed", failures=0, successes=0, opened_at=None)


def _failed(circuit: CircuitState, now: datetime) -> CircuitState:
    counted = replace(circuit, failures=circuit.failures + 1)
    return _opened(counted, now) if counted.failures >= circuit.fail_after else counted


def _opened(circuit: CircuitState, now: datetime) -> CircuitState:
    return replace(circuit, state="open", successes=0, opened_at=now)
