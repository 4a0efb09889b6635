"""Advance a run as far as it goes: the worker's entry."""

import logging
import uuid
from datetime import datetime, timedelta

from django.utils import timezone

from agents.runs.hold import Clock, Hold, LeaseLost
from agents.runs.models import Run
from agents.runs.operations import lease_seconds
from tenants.kernel.errors import DomainError

logger = logging.getLogger(__name__)


def advance(*, run_id: str, clock: Clock = timezone.now) -> None:
    """Advance the run until it waits, ends or belongs to somebody else.

    Nothing happens if it is not queued: a doorbell may ring twice.
    """
    run = _claim(run_id, now=clock())
    if run is None:
        return
    hold = Hold(run=run, clock=clock)
    try:
        work = hold.resume()
        while work is not None:
            work = hold.carry_on(work)
    except LeaseLost:
        logger.info("Run %s was taken from this worker", run_id)
    except DomainError as error:
        logger.warning("Run %s failed: %s", run_id, error.detail)
        hold.fail(error.code, error.detail)
    except Exception:  # the outer edge of the worker: log once, leave a consistent run
        logger.exception("Run %s failed", run_id)
        hold.fail("internal-error", "An internal error ended the run; operators find it in the log.")


def _claim(run_id: str, *, now: datetime) -> Run | None:
    token = uuid.uuid4()
    claimed = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING,
        lease_token=token,
        lease_expires_at=now + timedelta(seconds=lease_seconds()),
        updated_at=now,
    )
    return Run.objects.select_related("requester").get(pk=run_id, lease_token=token) if claimed else None
