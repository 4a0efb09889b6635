"""Runs in the admin, read-only."""

from agents.runs.models import Step
from tenants.kernel.admin import EvidenceAdmin, TabularInline


class StepInline(TabularInline):  # type: ignore[misc]  # untyped upstream
    """The steps of a run."""

    model = Step
    fields = ["number", "kind", "name", "status", "request", "result"]
    readonly_fields = fields
    extra = 0
    can_delete = False


class RunAdmin(EvidenceAdmin):
    """Runs, newest first."""

    list_display = ["created_at", "agent", "requester", "status", "query", "finished_at"]
    list_filter = ["status", "agent"]
    search_fields = ["requester__username", "id"]
    list_select_related = ["agent", "requester"]
    ordering = ["-id"]
    inlines = [StepInline]
