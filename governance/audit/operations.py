"""Write the audit log and seal it."""

from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from governance.audit import checkpoint, merkle
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.audit.types import Entry
from governance.audit.via import via
from tenants.kernel import live, writes
from tenants.kernel.context import require_schema
from tenants.kernel.errors import AuditUnavailable, DomainError
from tenants.kernel.jsonvalues import storable

SEAL_BATCH = 1000
SEAL_LOCK = 0x73_65_61_6C


class AuditAltered(DomainError):
    """An event no longer matches its digest; it is not sealed, so the alteration stays visible."""

    code = "audit-altered"
    status = 500


def record(*entries: Entry) -> list[AuditEvent]:
    """Append entries in the caller's transaction, in one statement, with the caller's batch if one is open.

    Raises AuditUnavailable, at once or when the batch is sent, if they cannot be written: then the caller's
    transaction fails too, and what was to be recorded does not happen.
    """
    events = [_event(entry) for entry in entries]
    try:
        if writes.is_open():
            for event in events:
                writes.insert(event, unwritable=AuditUnavailable)
        else:
            AuditEvent.objects.bulk_create(events)
    except DatabaseError as error:
        raise AuditUnavailable from error
    live.publish_on_commit("audit")
    return events


def _event(entry: Entry) -> AuditEvent:
    subject, through = entry.subject, via.get()
    event = AuditEvent(
        at=entry.at,
        action=entry.action,
        actor_kind=entry.actor.kind,
        actor_id=entry.actor.id,
        actor_name=entry.actor.name[:150],
        user_id=entry.user.id if entry.user else None,
        user_name=entry.user.name[:150] if entry.user else "",
        agent_id=entry.agent_id,
        agent_name=entry.agent_name[:150],
        run_id=UUID(entry.run_id) if entry.run_id else None,
        step_id=UUID(entry.step_id) if entry.step_id else None,
        trace_id=entry.trace_id,
        subject_kind=subject.kind if subject else "",
        subject_id=str(storable(subject.id))[:120] if subject else "",
        outcome=entry.outcome,
        body=storable({**entry.body, "via": through} if through else entry.body),
    )
    event.digest = event.compute_digest()
    return event


def signing_key() -> Ed25519PrivateKey:
    """Return the platform's checkpoint key; without AUDIT_SIGNING_KEY it is derived from SECRET_KEY."""
    return checkpoint.signing_key((settings.AUDIT_SIGNING_KEY or settings.SECRET_KEY).encode())


def origin() -> str:
    """Return the name of this tenant's log in its checkpoints."""
    return f"countersign/{require_schema()}"


def seal(*, now: datetime) -> int:
    """Put up to 1,000 committed events in order under a new signed checkpoint; return how many.

    One sealer at a time per tenant; a second returns 0. Raises AuditAltered, and seals nothing, if an
    event does not match its digest.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [SEAL_LOCK, require_schema()]
            )
            if cursor.fetchone() != (True,):
                return 0
        last = AuditCheckpoint.objects.order_by("-size").first()
        frontier = [bytes.fromhex(item) for item in last.frontier] if last else []
        size = last.size if last else 0
        events = list(unsealed()[:SEAL_BATCH])
        if not events:
            return 0
        for event in events:
            if not event.is_intact():
                raise AuditAltered(f"Audit event {event.pk} does not match its digest.", event=str(event.pk))
        AuditLeaf.objects.bulk_create(
            AuditLeaf(seq=size + n, event_id=event.pk, digest=event.digest)
            for n, event in enumerate(events, 1)
        )
        frontier, size = merkle.extend(frontier, size, (bytes(event.digest) for event in events))
        root = merkle.root(frontier)
        AuditCheckpoint.objects.create(
            size=size,
            at=now,
            root=root,
            frontier=[item.hex() for item in frontier],
            note=checkpoint.sign(origin=origin(), size=size, root=root, key=signing_key()),
        )
    return len(events)


def seal_all() -> None:
    """Seal everything that waits in the current tenant's log."""
    while seal(now=timezone.now()) == SEAL_BATCH:
        continue


def unsealed() -> QuerySet[AuditEvent]:
    """Return the committed events that no checkpoint covers yet, oldest first."""
    sealed = AuditLeaf.objects.filter(event_id=OuterRef("pk"))
    return AuditEvent.objects.filter(~Exists(sealed)).order_by("pk")
