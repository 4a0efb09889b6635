"""Celery tasks that know whose work they do.

The envelope (schema, expiry-free, signed with the platform key over task name, task id, schema and
arguments) is written when a task is sent and checked before it runs. A message without one, or with
another tenant's signature, is refused: writing to the broker is not enough to act for a tenant.
"""

import hashlib
import hmac
import json
from typing import Any

from celery import Task
from celery.utils import uuid
from django.conf import settings
from django.db import transaction

from tenants.kernel.context import PUBLIC, require_schema, schema_tenant, tenant_context
from tenants.kernel.doorbells import sender
from tenants.kernel.errors import DomainError

SCHEMA_HEADER = "cs_schema"
SIGNATURE_HEADER = "cs_signature"


class EnvelopeRefused(DomainError):
    """A task message carries no valid tenant envelope."""

    code = "envelope-refused"
    status = 403


def sign(*, task: str, task_id: str, schema: str, kwargs: dict[str, Any]) -> str:
    """Return the HMAC-SHA256 of one message, in hex."""
    body = json.dumps([task, task_id, schema, kwargs], sort_keys=True, separators=(",", ":"))
    key = hashlib.sha256(b"countersign task envelope\x00" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()


def envelope(*, task: str, task_id: str, schema: str, kwargs: dict[str, Any]) -> dict[str, str]:
    """Return the headers that a message of ours carries."""
    signature = sign(task=task, task_id=task_id, schema=schema, kwargs=kwargs)
    return {SCHEMA_HEADER: schema, SIGNATURE_HEADER: signature}


class TenantTask(Task):  # type: ignore[misc]  # celery is untyped
    """A task that runs in the tenant it was sent from. Arguments are keywords only, JSON values."""

    abstract = True

    def sending_schema(self) -> str:
        """Return the schema to write in the envelope; raise TenantContextMissing outside any context."""
        return require_schema()

    def apply_async(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
    ) -> Any:
        if args:
            raise TypeError("Tasks take keyword arguments only.")
        task_id = task_id or uuid()
        kwargs = dict(kwargs or {})
        schema = options.pop("schema", None) or self.sending_schema()
        headers = dict(options.pop("headers", None) or {})  # beat sends some of its own
        headers |= envelope(task=self.name, task_id=task_id, schema=schema, kwargs=kwargs)
        return super().apply_async(args=(), kwargs=kwargs, task_id=task_id, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        schema = self._verified_schema(args, kwargs)
        with tenant_context(schema_tenant(schema)):
            return self.run(**kwargs)

    def _verified_schema(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        headers = self.request.headers or {}
        schema, signature = headers.get(SCHEMA_HEADER), headers.get(SIGNATURE_HEADER)
        if args or not isinstance(schema, str) or not isinstance(signature, str):
            raise EnvelopeRefused(f"Task {self.name} arrived without a tenant envelope.")
        expected = sign(task=self.name, task_id=self.request.id, schema=schema, kwargs=kwargs)
        if not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            raise EnvelopeRefused(f"Task {self.name} arrived with a forged tenant envelope.")
        return schema


class PlatformTask(TenantTask):
    """A task of the platform itself; it enters each tenant it works for by name."""

    abstract = True

    def sending_schema(self) -> str:
        """Return the platform's schema: beat has no tenant."""
        return PUBLIC


def enqueue(name: str, **kwargs: Any) -> None:
    """Send the task of that name when the transaction commits, for the tenant of this moment.

    By name, so that who rings need not import what the worker runs (a model client, say).

    The message is a doorbell, sent in the background: if the broker does not answer, the row it points
    at stays due and a sweeper rings again, so neither a failure nor a delay reaches the caller.
    """
    schema = require_schema()

    def send() -> None:
        task_id = uuid()
        headers = envelope(task=name, task_id=task_id, schema=schema, kwargs=kwargs)
        sender().put((name, kwargs, task_id, headers))

    transaction.on_commit(send)
