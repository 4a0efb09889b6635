"""Runs in the admin, read-only."""

from django.contrib import admin
from django.utils.safestring import SafeString

from agents.runs.models import Run, Step
from tenants.kernel.admin import LABELS, EvidenceAdmin, TabularInline, display
from tenants.templatetags.display import inert

QUERY_EXCERPT = 100


class StepInline(TabularInline):  # type: ignore[misc]  # untyped upstream
    """The steps of a run."""

    model = Step
    fields = ["number", "kind", "name", "status", "attempts", "request", "result"]
    readonly_fields = fields
    extra = 0
    can_delete = False


class RunAdmin(EvidenceAdmin):
    """Runs, newest first."""

    list_display = ["asked_for", "status_label", "requester", "agent", "started"]
    list_filter = ["status", "agent"]
    search_fields = ["requester__username", "id"]
    list_select_related = ["agent", "requester"]
    ordering = ["-id"]
    inlines = [StepInline]

    @admin.display(description="Request")
    def asked_for(self, run: Run) -> SafeString:
        """Return the beginning of what the person asked."""
        cut = len(run.query) > QUERY_EXCERPT
        return inert(f"{run.query[:QUERY_EXCERPT]}…" if cut else run.query)

    @display(description="Status", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def status_label(self, run: Run) -> str:
        """Return the status as a label."""
        return run.status

    @admin.display(description="Started (UTC)", ordering="id")
    def started(self, run: Run) -> str:
        """Return the moment to the second."""
        return f"{run.created_at:%Y-%m-%d %H:%M:%S}"
