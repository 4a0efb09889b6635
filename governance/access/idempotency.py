"""Answer a repeated unsafe request with its first answer."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from governance.access.models import IdempotencyRecord
from tenants.kernel.errors import DomainError, InvalidInput
from tenants.kernel.jsonvalues import sha256_hex, storable


class IdempotencyKeyReused(DomainError):
    """The key was used for another request."""

    code = "idempotency-key-reused"
    status = 422
    title = "This Idempotency-Key was used for a different request"


Answer = tuple[int, Any]
MAX_KEY = 255


def once(request: Any, operation: Callable[[], Answer]) -> Answer:
    """Run the operation, or return what it returned the first time this person sent this key.

    The record and the operation's writes share one transaction: a failed operation leaves no
    record, a repeated one waits for the first and then reads its answer. Without the header the
    operation simply runs. Raises IdempotencyKeyReused when method, path or body differ, InvalidInput
    for a key that is too long.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        return operation()
    if len(key) > MAX_KEY:
        raise InvalidInput(f"The Idempotency-Key is longer than {MAX_KEY} characters.")
    digest = sha256_hex([request.method, request.path, request.data])
    with transaction.atomic():
        record, created = IdempotencyRecord.objects.get_or_create(
            user=request.user, key=storable(key), defaults={"request_digest": digest}
        )
        if created:
            record.status, record.body = operation()
            record.save(update_fields=["status", "body"])
    if record.request_digest != digest:
        raise IdempotencyKeyReused
    return int(record.status or 0), record.body
