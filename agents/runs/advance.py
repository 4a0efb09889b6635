"""Advance a run as far as it goes: the worker's entry."""

import logging
import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from agents.blueprints.base import CallModel, CallTool, Finish, GiveUp
from agents.runs import calls, engine, handoffs, lease, recovery, screening, shutdown, turns
from agents.runs.hold import Clock, Hold, Work
from agents.runs.keeper import keeper
from agents.runs.lease import LeaseLost
from agents.runs.models import Step
from tenants.kernel import writes
from tenants.kernel.errors import DomainError, StaleTransition
from tenants.kernel.failpoints import hit

logger = logging.getLogger(__name__)
DATABASE_GONE = (OperationalError, InterfaceError)
RECONNECT_S = 0.25


def advance(*, run_id: str, clock: Clock = timezone.now) -> None:
    """Advance the run until it waits, pauses, ends or belongs to somebody else.

    Nothing happens if it is not queued and due: a doorbell may ring twice. While the database is away
    the run is left as it is; it goes on from its last committed step when its lease is over.
    """
    claimed = lease.claim(run_id, now=clock())
    if claimed is None:
        return
    hit("run.claim-committed")
    run, held = claimed
    hold = Hold(run=run, held=held, clock=clock)
    with keeper().keeping(held):
        try:
            _take_steps(hold)
        except (LeaseLost, StaleTransition):
            logger.info("Run %s was taken from this worker", run_id)
        except DATABASE_GONE:
            logger.warning("The database was lost under run %s; it goes on from its last step", run_id)
            connection.close()
        except DomainError as error:
            logger.warning("Run %s failed: %s", run_id, error.detail)
            _fail(hold, error.code, error.detail)
        except Exception:  # the outer edge of the worker: log once, leave a consistent run
            logger.exception("Run %s failed", run_id)
            _fail(hold, "internal-error", "An internal error ended the run; operators find it in the log.")


def _take_steps(hold: Hold) -> None:
    work = _resume(hold)
    while work is not None:
        if shutdown.is_requested() and not work.starts_effect:
            _hand_back(hold)
            return
        work = _carry_on(hold, work)


def _resume(hold: Hold) -> Work | None:
    """Go on from the stored steps; return what to carry out."""
    with transaction.atomic(), writes.batched():
        hold.fence()
        pending = hold.load()
        if hold.run.engine_version not in engine.READABLE_VERSIONS:
            raise UnreadableRun(f"The run was written by version {hold.run.engine_version} of the engine.")
        if not recovery.is_sound(hold.run, hold.steps):
            recovery.restore(hold.run, now=hold.clock())
            writes.flush()
            pending = hold.load()
        hit("run.resumed")
        if hold.weather.stop:
            hold.pause(hold.weather.stop)
            return None
        if not hold.has_slot("tenant", ""):
            hold.queue_for("tenant", "")
            return None
        work = _go_on_with(hold, pending) if pending is not None else None
        work = work or _plan(hold)
        hit("plan.before-commit")
    hit("plan.committed")
    return work


class UnreadableRun(DomainError):
    """The run's steps were written under rules that this code does not know."""

    code = "engine-version"
    status = 409


def _go_on_with(hold: Hold, step: Step) -> Work | None:
    match step.kind:
        case Step.Kind.MODEL:
            return turns.resume(hold, step)
        case Step.Kind.PERSON:
            handoffs.after_answer(hold, step)
            return None
        case _:
            return calls.resume(hold, step)


def _plan(hold: Hold) -> Work | None:
    """Ask the blueprint what is next until something is to be carried out, or the run waits or ends."""
    while hold.is_running:
        if not hold.steps and hold.run.snapshot.get("held"):
            handoffs.ask(hold, why=hold.run.snapshot["held"])
            return None
        action = hold.next_action()
        if len(hold.steps) >= settings.RUN_MAX_STEPS and isinstance(action, CallModel | CallTool):
            action = GiveUp(
                code="too-many-steps", message=f"The run used all of its {len(hold.steps)} steps."
            )
        work: Work | None = None
        match action:
            case Finish():
                screening.finish(hold, action.output)
            case GiveUp():
                hold.give_up(action.code, action.message)
            case _ if hold.weather.stop:
                hold.pause(hold.weather.stop)
            case CallModel():
                work = turns.begin(hold, action)
            case CallTool():
                work = calls.begin(hold, action.call)
        if work is not None:
            return work
    return None


def _carry_on(hold: Hold, work: Work) -> Work | None:
    """Carry out one step outside any transaction, then close it and plan the next in one."""
    result = work.perform()
    try:
        return _settled(hold, work, result)
    except (LeaseLost, StaleTransition):
        work.report_late(result)
        raise
    except DATABASE_GONE:
        if not work.starts_effect:
            raise
        return _settle_when_back(hold, work, result)
    except Exception:
        with transaction.atomic(), writes.batched():  # what has run is on record, whatever became of the plan
            hold.reload(work.step)
            hold.fence(progress=True)
            work.finish(result)
            hold.spending.book()
        raise


def _settled(hold: Hold, work: Work, result: Any) -> Work | None:
    with transaction.atomic(), writes.batched():
        hold.fence(progress=True)
        following = work.finish(result)
        if following is None:
            following = _plan(hold)
        hold.spending.book()
        hit("plan.before-commit")
    hit("tool.committed" if work.starts_effect else "model.committed")
    return following


def _settle_when_back(hold: Hold, work: Work, result: Any) -> Work | None:
    """Keep the receipt of an effect until the database is back, as long as the lease holds."""
    while hold.lease.is_alive():
        connection.close()
        time.sleep(RECONNECT_S)
        try:
            hold.reload(work.step)
            stored = work.step.status != Step.Status.EXECUTING  # the commit that seemed to fail went through
            return _resume(hold) if stored else _settled(hold, work, result)
        except DATABASE_GONE:
            continue
        except (LeaseLost, StaleTransition):
            work.report_late(result)
            raise
    raise LeaseLost


def _hand_back(hold: Hold) -> None:
    with transaction.atomic(), writes.batched():
        hold.fence()
        hold.hand_back()


def _fail(hold: Hold, code: str, message: str) -> None:
    try:
        with transaction.atomic(), writes.batched():
            hold.fence()
            hold.fail(code, message)
    except LeaseLost:
        logger.info("Run %s was taken from this worker", hold.run.pk)
    except (DatabaseError, InterfaceError):
        logger.exception("Run %s could not be closed; it is taken up again", hold.run.pk)
