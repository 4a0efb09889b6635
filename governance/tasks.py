"""Index of this app's tasks."""

from governance.audit.tasks import seal_audit_logs

__all__ = ["seal_audit_logs"]
