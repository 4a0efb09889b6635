"""Index of this app's tasks."""

from governance.audit.tasks import seal_audit_logs
from governance.identity.tasks import forget_tokens
from governance.metering.tasks import settle_reservations
from governance.signin.tasks import send_password_reset

__all__ = ["forget_tokens", "seal_audit_logs", "send_password_reset", "settle_reservations"]
