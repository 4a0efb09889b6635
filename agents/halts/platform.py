"""Trip and lift the platform's kill switches. Beside the tenant's own, because the audit log is above tenants."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from agents.halts.operations import AlreadyHalted, AlreadyLifted, valid_reason
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject
from tenants.kernel import live
from tenants.kernel.context import PUBLIC, require_schema, schema_tenant, tenant_context
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject
from tenants.kernel.tenants import all_schemas
from tenants.tenancy.models import PlatformHalt

TRIP = "tenants.add_platformhalt"
LIFT = "tenants.lift_platformhalt"


@transaction.atomic
def trip(*, schema: str, reason: str, by: Any, now: datetime) -> PlatformHalt:
    """Stop all agents of the tenant, or of every tenant where `schema` is empty.

    Workers meet it at their next fence. Call it in the platform's context, `by` one of its operators.
    Raises PermissionMissing, InvalidInput for an unknown tenant or no reason, AlreadyHalted.
    """
    _ensure_operator(by, TRIP)
    tenants = [name for name in all_schemas() if name != PUBLIC]
    if schema and schema not in tenants:
        raise InvalidInput(
            f"No tenant '{schema}'. Known: {', '.join(tenants)}.",
            errors=[{"at": "/schema", "message": "not a tenant's schema"}],
        )
    reason = valid_reason(reason)
    try:
        with transaction.atomic():
            halt = PlatformHalt.objects.create(schema=schema, reason=reason, by=by.username, at=now)
    except IntegrityError as error:
        raise AlreadyHalted from error
    _record(halt, "halt.tripped", at=now, by=by)
    return halt


@transaction.atomic
def lift(*, halt: PlatformHalt, by: Any, now: datetime) -> PlatformHalt:
    """Lift the halt; each tenant's sweeper lets its runs go on. Raises PermissionMissing, AlreadyLifted."""
    _ensure_operator(by, LIFT)
    standing = PlatformHalt.objects.filter(pk=halt.pk, lifted_at=None)
    if not standing.update(lifted_at=now, lifted_by=by.username):
        raise AlreadyLifted
    halt.lifted_at, halt.lifted_by = now, by.username
    _record(halt, "halt.lifted", at=now, by=by)
    return halt


def _ensure_operator(by: Any, permission: str) -> None:
    """Refuse a tenant's people, whatever they may do there: their superuser is not the platform's."""
    if require_schema() != PUBLIC or not by.has_perm(permission):
        raise PermissionMissing("Only the platform's operators may do this.")


def _record(halt: PlatformHalt, action: str, *, at: datetime, by: Any) -> None:
    body: JsonObject = {"scope": str(halt), "reason": halt.reason}
    audit.record(
        Entry(
            at=at,
            action=action,
            actor=Actor(kind=by.kind, id=str(by.pk), name=by.username),
            subject=Subject(kind="platformhalt", id=str(halt.pk)),
            body=body,
        )
    )
    for schema in [halt.schema] if halt.schema else all_schemas():
        with tenant_context(schema_tenant(schema)):
            live.publish_on_commit("halts")
