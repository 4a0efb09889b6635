"""Chain django-auditlog's record of configuration changes into the audit log."""

from typing import Any

from auditlog.middleware import AuditlogMiddleware
from auditlog.models import LogEntry
from django.db.models.signals import post_save
from django.http import HttpRequest

from governance.audit import operations
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Subject


class ConfigurationAuditMiddleware(AuditlogMiddleware):  # type: ignore[misc]  # untyped upstream
    """Attribute configuration changes to the signed-in person and the peer's own address.

    Upstream believes the client's X-Forwarded-For header.
    """

    @staticmethod
    def _get_remote_addr(request: HttpRequest) -> str | None:
        return request.META.get("REMOTE_ADDR") or None


def install() -> None:
    """Listen to the change log; called when apps are ready."""
    post_save.connect(_chain, sender=LogEntry, dispatch_uid="governance.audit.chain")


def _chain(instance: Any, created: bool, **_kwargs: Any) -> None:
    if not created:
        return
    actor = instance.actor
    operations.record(
        Entry(
            at=instance.timestamp,
            action="config.changed",
            actor=Actor(kind=actor.kind, id=str(actor.pk), name=actor.username) if actor else SYSTEM,
            subject=Subject(kind=instance.content_type.model, id=instance.object_pk),
            outcome=instance.get_action_display(),
            body={"object": instance.object_repr, "changes": instance.changes or {}},
        )
    )
