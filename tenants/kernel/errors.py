"""Domain errors: each knows its code, its HTTP status and the facts a caller needs to mend it."""

from collections.abc import Sequence
from typing import Any, ClassVar


class DomainError(Exception):
    """Base of every expected failure; faces turn it into a problem document or a message."""

    code: ClassVar[str] = "domain-error"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "The request cannot be carried out"

    def __init__(self, detail: str = "", *, errors: Sequence[dict[str, Any]] = (), **data: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = list(errors)
        self.data = data


class TenantContextMissing(DomainError):
    """A query was made outside any tenant context."""

    code = "tenant-context-missing"
    status = 500
    title = "No tenant context: enter tenant_context(tenant) or platform_context() first"


class UnknownTenant(DomainError):
    """The Host header or a task envelope names no tenant."""

    code = "unknown-tenant"
    status = 404
    title = "No such tenant"


class TenantSuspended(DomainError):
    """The platform has suspended the tenant: nobody is let in until it is activated."""

    code = "tenant-suspended"
    status = 403
    title = "This organisation is suspended; its data is kept. The operators of the platform can tell why"


class NotFound(DomainError):
    """The object does not exist in this tenant."""

    code = "not-found"
    status = 404
    title = "Not found"


class PermissionMissing(DomainError):
    """The caller lacks a permission."""

    code = "permission-denied"
    status = 403
    title = "You do not have permission to do this"


class StaleTransition(DomainError):
    """Somebody else changed the row first."""

    code = "stale-transition"
    status = 409
    title = "The object has changed since you read it"


class InvalidInput(DomainError):
    """Input has the wrong shape; `errors` names each place."""

    code = "invalid-input"
    status = 422
    title = "The input is not valid"


class AuditUnavailable(DomainError):
    """The audit log cannot be written, so the action did not happen."""

    code = "audit-unavailable"
    status = 503
    title = "The audit log cannot be written; nothing was done"
