"""The audit log, read-only."""

from django.contrib import admin
from django.utils.html import format_html

from governance.audit.models import AuditEvent
from tenants.kernel.admin import EvidenceAdmin


class AuditEventAdmin(EvidenceAdmin):
    """Events, newest first."""

    list_display = ["when", "action", "actor_name", "user_name", "subject_kind", "outcome", "run"]
    list_filter = ["action", "outcome"]
    search_fields = ["action", "user_name", "agent_name", "subject_id", "run_id"]
    ordering = ["-id"]
    show_full_result_count = False

    @admin.display(description="At (UTC)", ordering="id")
    def when(self, event: AuditEvent) -> str:
        """Return the moment to the second."""
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    def run(self, event: AuditEvent) -> str:
        """Link to every event of the run."""
        if event.run_id is None:
            return ""
        return format_html('<a href="?q={}">{}</a>', event.run_id, str(event.run_id)[-12:])


class AuditCheckpointAdmin(EvidenceAdmin):
    """Signed checkpoints, newest first."""

    list_display = ["size", "at"]
    ordering = ["-size"]
