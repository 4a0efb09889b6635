"""Health: live means the process answers; ready means it can do its work."""

import logging
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from governance.audit.models import AuditEvent
from tenants.tenancy.models import SchemaTemplate

logger = logging.getLogger(__name__)


def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process runs."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 if database, schema, audit log and Redis can be used, else 503 naming what cannot."""
    results = {name: _holds(check) for name, check in CHECKS.items()}
    ok = all(results.values())
    return JsonResponse(
        {"status": "ok" if ok else "unavailable", "checks": results}, status=200 if ok else 503
    )


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # the edge of a probe: any failure means not ready
        logger.exception("Readiness check failed")
        return False


def _migrated() -> bool:
    return SchemaTemplate.objects.exists()


def _audit_writable() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, 'INSERT')", [AuditEvent._meta.db_table])
        return bool(cursor.fetchone()[0])


def _redis() -> bool:
    with redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_timeout=2, socket_connect_timeout=2
    ) as client:
        return bool(client.ping())


CHECKS = {"database_migrated": _migrated, "audit_writable": _audit_writable, "redis": _redis}
