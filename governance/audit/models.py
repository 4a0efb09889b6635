"""The audit log: events, the leaves that order them, and signed checkpoints.

All three tables refuse UPDATE, DELETE and TRUNCATE by trigger, and the runtime role holds neither
right. An event's place in the log is the `seq` of its leaf: sealing orders events in batches, so
writers never wait for each other.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from django.db import models

from governance.audit import merkle
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import canonical
from tenants.kernel.models import Identified


class AuditEvent(Identified):
    """One thing that happened. Identifiers and snapshots, no foreign keys: it outlives its subjects."""

    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=60)
    actor_kind = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=60, blank=True)
    actor_name = models.CharField(max_length=150, blank=True)
    user_id = models.BigIntegerField(null=True)
    user_name = models.CharField(max_length=150, blank=True)
    agent_id = models.CharField(max_length=60, blank=True)
    agent_name = models.CharField(max_length=150, blank=True)
    run_id = models.UUIDField(null=True, db_index=True)
    step_id = models.UUIDField(null=True)
    trace_id = models.CharField(max_length=32, blank=True)
    subject_kind = models.CharField(max_length=40, blank=True)
    subject_id = models.CharField(max_length=120, blank=True)
    outcome = models.CharField(max_length=20, blank=True)
    body = models.JSONField()
    digest = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = "audit event"

    def __str__(self) -> str:
        return f"{self.action} {self.id}"

    def compute_digest(self) -> bytes:
        """Return the leaf hash over every column but the digest itself (RFC 6962, RFC 8785)."""
        return merkle.leaf(canonical(leaf_fields(self)))

    def is_intact(self) -> bool:
        """Tell whether the columns still match the digest; what has no canonical form does not."""
        try:
            return self.compute_digest() == bytes(self.digest)
        except InvalidInput:
            return False


def leaf_fields(event: AuditEvent) -> dict[str, Any]:
    """Return the columns that the digest covers, as JSON values."""
    fields = {}
    for field in event._meta.concrete_fields:
        if field.attname == "digest":
            continue
        value = getattr(event, field.attname)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).isoformat(timespec="microseconds")
        elif field.get_internal_type() == "UUIDField" and value is not None:
            value = str(value)
        fields[field.attname] = value
    return fields


class AuditLeaf(models.Model):
    """The place of an event in the log, 1-based and dense."""

    seq = models.BigIntegerField(primary_key=True)
    event_id = models.UUIDField(unique=True)
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.CheckConstraint(name="leaves_count_from_one", condition=models.Q(seq__gte=1))]

    def __str__(self) -> str:
        return f"{self.seq}: {self.event_id}"


class AuditCheckpoint(models.Model):
    """A signed statement of the log's size and Merkle root (C2SP checkpoint, Ed25519 signed note)."""

    size = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    root = models.BinaryField(max_length=32)
    frontier = models.JSONField()
    note = models.TextField()

    class Meta:
        verbose_name = "audit checkpoint"

    def __str__(self) -> str:
        return f"{self.size} events: {hashlib.sha256(bytes(self.root)).hexdigest()[:12]}"
