"""System checks: a configuration under which tenants or evidence are not safe does not start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection

from governance.audit.models import AuditEvent
from tenants.kernel.context import platform_context

DATABASE_ENGINE = "tenants.kernel.postgresql"
CACHE_KEY = "tenants.kernel.context.cache_key"
TENANT_MIDDLEWARE = "tenants.middleware.TenantMiddleware"
MIN_SECRET = 50
SESSION_ENGINE = "django.contrib.sessions.backends.db"


@register(Tags.security)
def tenants_are_kept_apart(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse settings that would let one tenant reach another's rows, cache or sessions."""
    problems: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"] != DATABASE_ENGINE:
        problems.append(
            Error(f"DATABASES['default']['ENGINE'] must be '{DATABASE_ENGINE}'.", id="countersign.E001")
        )
    for name, cache in settings.CACHES.items():
        if cache.get("KEY_FUNCTION") != CACHE_KEY:
            problems.append(
                Error(f"CACHES['{name}']['KEY_FUNCTION'] must be '{CACHE_KEY}'.", id="countersign.E002")
            )
    middleware = list(settings.MIDDLEWARE)
    before = middleware.index(TENANT_MIDDLEWARE) if TENANT_MIDDLEWARE in middleware else len(middleware)
    if "django.contrib.sessions.middleware.SessionMiddleware" in middleware[:before]:
        problems.append(Error(f"{TENANT_MIDDLEWARE} must stand before the sessions.", id="countersign.E003"))
    if settings.SESSION_COOKIE_DOMAIN is not None:
        problems.append(
            Error(
                "SESSION_COOKIE_DOMAIN must be unset: tenants must not share cookies.", id="countersign.E004"
            )
        )
    if settings.SESSION_ENGINE != SESSION_ENGINE:
        problems.append(
            Error(
                f"SESSION_ENGINE must be '{SESSION_ENGINE}', in the tenant's schema.", id="countersign.E005"
            )
        )
    if getattr(settings, "ANONYMOUS_USER_NAME", "") is not None:
        problems.append(Error("ANONYMOUS_USER_NAME must be None.", id="countersign.E006"))
    return problems


@register(Tags.security)
def secrets_are_real(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse, outside the demo, a short SECRET_KEY, or an audit or encryption key derived from it."""
    problems: list[CheckMessage] = []
    if settings.DEMO:
        return problems
    if len(settings.SECRET_KEY) < MIN_SECRET:
        problems.append(Error(f"SECRET_KEY needs {MIN_SECRET} characters.", id="countersign.E007"))
    if not settings.AUDIT_SIGNING_KEY:
        problems.append(
            Error(
                "Set AUDIT_SIGNING_KEY: without it the audit key is derived from SECRET_KEY.",
                id="countersign.E011",
            )
        )
    if not settings.ENCRYPTION_KEY:
        problems.append(
            Error(
                "Set ENCRYPTION_KEY: 32 random bytes in base64, under which tenants' keys are stored.",
                id="countersign.E014",
            )
        )
    return problems


@register(Tags.security, deploy=True)
def production_is_not_the_demo(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse to deploy with demo people or any host."""
    problems: list[CheckMessage] = []
    if settings.DEMO:
        problems.append(Error("DEMO is on: use config.settings.production.", id="countersign.E010"))
    if "*" in settings.ALLOWED_HOSTS:
        problems.append(Error("ALLOWED_HOSTS must name hosts.", id="countersign.E012"))
    return problems


@register(Tags.database)
def runtime_role_cannot_rewrite_the_log(databases: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Refuse a runtime role that may change audit rows; run with `check --database default`."""
    if not databases or settings.DEMO:
        return []
    table = AuditEvent._meta.db_table
    with platform_context(), connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, 'UPDATE, DELETE, TRUNCATE')", [table])
        may_rewrite = cursor.fetchone() == (True,)
    if not may_rewrite:
        return []
    hint = "Run as a role that does not own the schemas; see docs/configuration.md."
    return [Error("The database role may change or delete audit events.", hint=hint, id="countersign.E013")]
