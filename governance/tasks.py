"""Index of this app's tasks."""

from governance.audit.tasks import seal_audit_logs
from governance.metering.tasks import settle_reservations
from governance.signin.tasks import send_password_reset

__all__ = ["seal_audit_logs", "send_password_reset", "settle_reservations"]
