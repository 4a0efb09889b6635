"""Chain django-auditlog's record of configuration changes into the audit log."""

from contextvars import ContextVar
from typing import Any

from auditlog.middleware import AuditlogMiddleware
from auditlog.models import LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models.signals import post_save, pre_save
from django.http import HttpRequest, HttpResponse

from governance.audit import operations
from governance.audit.types import Entry
from governance.audit.via import via
from governance.types import SYSTEM, Actor, Subject
from tenants.kernel.context import require_schema

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


class ConfigurationAuditMiddleware(AuditlogMiddleware):  # type: ignore[misc]  # untyped upstream
    """Attribute configuration changes to the signed-in person and the peer's own address.

    Upstream believes the client's X-Forwarded-For header, and asks who is signed in before the API
    has looked at the request's token.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token, through = _request.set(request), via.set(None)
        try:
            response: HttpResponse = super().__call__(request)
            return response
        finally:
            via.reset(through)
            _request.reset(token)

    @staticmethod
    def _get_actor(request: HttpRequest) -> None:
        """Leave it to `_attribute`, which knows in whose schema the change is made."""

    @staticmethod
    def _get_remote_addr(request: HttpRequest) -> str | None:
        return request.META.get("REMOTE_ADDR") or None


def install() -> None:
    """Listen to the change log; called when apps are ready."""
    pre_save.connect(_attribute, sender=LogEntry, dispatch_uid="governance.audit.attribute")
    post_save.connect(_chain, sender=LogEntry, dispatch_uid="governance.audit.chain")


def _attribute(instance: Any, **_kwargs: Any) -> None:
    """Name who is signed in, unless the change is made in another schema: nobody there has that number."""
    request = _request.get()
    user = getattr(request, "user", None)
    home = getattr(getattr(request, "tenant", None), "schema_name", None)
    if instance.actor is None and isinstance(user, AbstractBaseUser) and home == require_schema():
        instance.actor, instance.actor_email = user, getattr(user, "email", "")


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
            trace_id=getattr(_request.get(), "trace_id", ""),
            outcome=instance.get_action_display(),
            body={"object": instance.object_repr, "changes": instance.changes or {}},
        )
    )
