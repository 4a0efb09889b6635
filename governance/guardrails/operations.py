"""Keep what was found and what was taken out; give it back to those who may have it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.access import stepup
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.guardrails import engine
from governance.guardrails.models import GuardrailBinding, GuardrailFinding, RedactedValue
from governance.guardrails.standing import guardrails_of
from governance.guardrails.types import Stage
from governance.types import Actor, Removed, Subject
from tenants.kernel import writes
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject
from tenants.kernel.models import uuid7
from tenants.keys import operations as keys
from tenants.keys.operations import Place, Sealed

REVEAL = "governance.reveal_redacted"


def keep(
    *,
    findings: Sequence[JsonObject],
    removed: Sequence[Removed],
    stage: Stage,
    run_id: str,
    step_id: str | None,
    now: datetime,
) -> None:
    """Store findings, and seal what was taken out; nothing is written where nothing was found."""
    for found in findings:
        writes.insert(
            GuardrailFinding(
                at=now,
                run_id=UUID(run_id),
                step_id=UUID(step_id) if step_id else None,
                stage=stage,
                binding=found["binding"],
                check_name=found["check"],
                rule=found["rule"][:60],
                label=found["label"][:60],
                score=found["score"],
                pointer=found["at"][:200],
                start=found["span"][0],
                end=found["span"][1],
                action=found["action"],
            )
        )
    if removed:
        rows = [_sealed(item, stage=stage, run_id=run_id, now=now) for item in removed]
        RedactedValue.objects.bulk_create(rows, ignore_conflicts=True)


def _sealed(item: Removed, *, stage: Stage, run_id: str, now: datetime) -> RedactedValue:
    row = RedactedValue(
        id=uuid7(),
        run_id=UUID(run_id),
        token=item.token,
        label=item.label,
        stage=stage,
        check_name=item.check,
        created_at=now,
    )
    sealed = keys.seal(item.text, _place(row))
    row.ciphertext, row.key_version = sealed.ciphertext, sealed.key_version
    return row


def for_tool(
    arguments: JsonObject, *, run_id: str, checks: frozenset[str], removed: Sequence[Removed] = ()
) -> tuple[JsonObject, list[str]]:
    """Return the arguments with the originals that these checks took out of the run, and the tokens they had.

    `removed` is what was taken out and is not stored yet. Asks the database only where a token stands in the
    arguments.
    """
    wanted = engine.tokens_in(arguments) if checks else set()
    if not wanted:
        return arguments, []
    rows = RedactedValue.objects.filter(run_id=run_id, token__in=wanted, check_name__in=checks)
    originals = {item.token: item.text for item in removed if item.check in checks and item.token in wanted}
    originals |= {row.token: _opened(row) for row in rows}
    return engine.restored(arguments, originals), sorted(originals)


def reveal(*, value_id: UUID, by: User, password: str, reason: str, now: datetime) -> str:
    """Return what was taken out, and record who saw it and why.

    Raises PermissionMissing without the permission, InvalidInput without a reason, WrongPassword, TooManyTries,
    NotFound if there is no such value.
    """
    if not by.has_perm(REVEAL):
        raise PermissionMissing("You may not see what was taken out of runs.")
    if not reason.strip():
        raise InvalidInput("Say why.", errors=[{"at": "/reason", "message": "must not be empty"}])
    stepup.confirm(by, password)
    return _reveal(value_id=value_id, by=by, reason=reason, now=now)


@transaction.atomic
def _reveal(*, value_id: UUID, by: User, reason: str, now: datetime) -> str:
    row = RedactedValue.objects.filter(pk=value_id).first()
    if row is None:
        raise NotFound
    original = _opened(row)
    audit.record(
        Entry(
            at=now,
            action="guardrail.revealed",
            actor=Actor(kind="person", id=str(by.pk), name=by.username),
            run_id=str(row.run_id),
            subject=Subject(kind="redacted-value", id=str(row.pk)),
            outcome="ok",
            body={"token": row.token, "label": row.label, "reason": reason},
        )
    )
    return original


def _opened(row: RedactedValue) -> str:
    return keys.unseal(Sealed(ciphertext=bytes(row.ciphertext), key_version=row.key_version), _place(row))


def _place(row: RedactedValue) -> Place:
    return Place(model=row._meta.label_lower, field="value", pk=str(row.pk))


def tried(binding: GuardrailBinding, text: str) -> engine.Screening:
    """Return what the binding finds in a text, recording nothing."""
    return guardrails_of([binding]).screen(text, Stage(binding.stage), agent=binding.agent)
