"""Verify a tenant's audit log from its first event to its last."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from governance.audit import checkpoint, merkle
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from governance.audit.operations import origin, signing_key, unsealed

BATCH = 2000
SEALED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place where the log does not hold: `where` names the row."""

    where: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a verification read and found."""

    sealed: int
    unsealed: int
    checkpoints: int
    findings: tuple[Finding, ...]


def verify(*, now: datetime | None = None) -> Report:
    """Recompute every digest, the tree and every signature of the current tenant's log.

    Names altered, deleted, inserted and reordered events, and checkpoints that do not hold. What is
    not sealed yet is checked against its own digest and counted; with `now`, an event that has waited
    over a minute for its seal is a finding too. Call it in one snapshot while others write.
    """
    checkpoints = {item.size: item for item in AuditCheckpoint.objects.order_by("size")}
    findings: list[Finding] = []
    frontier: merkle.Frontier = []
    size = covered = 0
    for leaf, event in _leaves():
        findings.extend(_leaf_findings(leaf, event, expected=size + 1))
        frontier, size = merkle.extend(frontier, size, [bytes(leaf.digest)])
        if size in checkpoints:
            findings.extend(_checkpoint_findings(checkpoints[size], frontier))
            covered = size
    findings.extend(
        Finding(where=f"checkpoint {item}", what="leaves it covers are missing")
        for item in checkpoints
        if item > size
    )
    if covered != size:
        findings.append(Finding(where=f"leaf {covered + 1}", what="no checkpoint covers it"))
    tail = 0
    for event in unsealed().iterator():
        tail += 1
        findings.extend(_event_findings(event))
        if now is not None and now - event.at > SEALED_WITHIN:
            findings.append(
                Finding(where=f"event {event.pk}", what=f"not sealed since {event.at:%Y-%m-%d %H:%M:%S}Z")
            )
    return Report(sealed=size, unsealed=tail, checkpoints=len(checkpoints), findings=tuple(findings))


def _leaves() -> Iterator[tuple[AuditLeaf, AuditEvent | None]]:
    after = 0
    while batch := list(AuditLeaf.objects.filter(seq__gt=after).order_by("seq")[:BATCH]):
        events = AuditEvent.objects.in_bulk([leaf.event_id for leaf in batch])
        for leaf in batch:
            yield leaf, events.get(leaf.event_id)
        after = batch[-1].seq


def _leaf_findings(leaf: AuditLeaf, event: AuditEvent | None, *, expected: int) -> Iterator[Finding]:
    if leaf.seq != expected:
        yield Finding(where=f"leaf {leaf.seq}", what=f"leaf {expected} is missing or was moved")
    if event is None:
        yield Finding(where=f"event {leaf.event_id} (leaf {leaf.seq})", what="the event was deleted")
        return
    yield from _event_findings(event)
    if bytes(leaf.digest) != bytes(event.digest):
        yield Finding(where=f"event {event.pk} (leaf {leaf.seq})", what="its sealed digest is another")


def _event_findings(event: AuditEvent) -> Iterator[Finding]:
    if not event.is_intact():
        yield Finding(where=f"event {event.pk}", what="its content does not match its digest: it was altered")


def _checkpoint_findings(item: AuditCheckpoint, frontier: merkle.Frontier) -> Iterator[Finding]:
    root = merkle.root(frontier)
    key = signing_key().public_key()
    if not checkpoint.is_valid(item.note, origin=origin(), size=item.size, root=root, key=key):
        yield Finding(
            where=f"checkpoint {item.size}", what="its signed root is another: leaves up to it were altered"
        )
    if bytes(item.root) != root or item.frontier != [part.hex() for part in frontier]:
        yield Finding(where=f"checkpoint {item.size}", what="its stored root or frontier was altered")
