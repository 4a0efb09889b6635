"""What a failed request means for the call it was to carry. Pure."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from agents.tools.base import OutcomeUnknown, ToolFailed
from governance.types import EffectClass
from tenants.kernel import outbound
from tenants.kernel.errors import DomainError

MAX_RETRY_AFTER_S = 24 * 3600.0
PATIENCE = 0.95


def patience_s(timeout_s: float) -> float:
    """Return how long a request may take: it ends before the executor gives the call up, and tells more."""
    return timeout_s * PATIENCE


def of_transport(error: outbound.OutboundError, *, effect: EffectClass) -> DomainError:
    """Return the failure of a call that got no usable answer.

    What was not sent may be repeated. What was sent and not answered is unknown, unless repeating it
    changes nothing.
    """
    match error:
        case outbound.OutboundRefused():
            return ToolFailed(error.detail, started=False)
        case outbound.Unreachable():
            return ToolFailed(error.detail, transient=True, started=False)
    if effect is EffectClass.NON_IDEMPOTENT:
        return OutcomeUnknown(error.detail)
    return ToolFailed(error.detail, transient=isinstance(error, outbound.Interrupted))


def of_status(status: int, said: str, *, retry_after: str | None, now: datetime) -> ToolFailed | None:
    """Return the failure that an HTTP status means, None for success; `said` is shown to the agent."""
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    detail = f"The service answered {status}. {said}".strip()
    wait = seconds(retry_after, now=now)
    if status < HTTPStatus.BAD_REQUEST:
        return ToolFailed("The service answered with a redirect, which is not followed.")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ToolFailed(detail, transient=True, started=False, retry_after_s=wait)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ToolFailed(detail, transient=True, retry_after_s=wait)
    return ToolFailed(detail, transient=status >= HTTPStatus.INTERNAL_SERVER_ERROR)


def of_answer(
    status: int, said: str, *, effect: EffectClass, retry_after: str | None, now: datetime
) -> DomainError | None:
    """Return the failure of a call that was answered with an HTTP status, None for success.

    A server that failed, or a proxy that gave up on it, may have acted first, and so may one that leads on
    to another page: after a non-idempotent call that is unknown.
    """
    failure = of_status(status, said, retry_after=retry_after, now=now)
    if failure is None or effect is not EffectClass.NON_IDEMPOTENT:
        return failure
    led_on = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.TEMPORARY_REDIRECT
    if led_on or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return OutcomeUnknown(failure.detail)
    return failure


def seconds(retry_after: str | None, *, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks to wait (RFC 9110, section 10.2.3), a day at most."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MAX_RETRY_AFTER_S)
    try:
        wait = (parsedate_to_datetime(retry_after) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(wait, 0.0), MAX_RETRY_AFTER_S)
