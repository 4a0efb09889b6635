"""Set timers, and hand those that are due to whom they belong."""

from datetime import datetime
from uuid import UUID

from django.db import connection

from tenants.kernel.context import require_schema

_SET = """
INSERT INTO public.tenants_timer (schema, kind, object_id, due_at, generation)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (schema, kind, object_id) DO UPDATE
SET due_at = excluded.due_at, generation = excluded.generation, failures = 0
"""


def set_timer(*, kind: str, object_id: UUID, due_at: datetime, generation: int = 0) -> None:
    """Let the current tenant's object fall due then; one timer for each kind and object, the last one stands.

    Call it in the transaction that writes the object, after locking it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SET, [require_schema(), kind, object_id, due_at, generation])
