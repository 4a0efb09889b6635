"""Reviews in the admin: the queue, and the review page in place of a change form."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.timesince import timesince

from hitl.desk.filters import ALL, DUE_SOON, ME, NOBODY, OVERDUE, YES, Filters
from hitl.desk.listing import conditions
from hitl.desk.views import review_page
from hitl.reviews.models import Review
from hitl.reviews.types import Channel
from hitl.templatetags.reviews import gist, headline
from tenants.kernel.admin import LABELS, EvidenceAdmin, display
from tenants.templatetags.display import inert


class _WordFilter(admin.SimpleListFilter):
    """A filter of the dashboard's queue, under its own name."""

    words: tuple[tuple[str, dict[str, str], str], ...] = ()
    """A word for the address, the queue's filters that it stands for, and what it is called."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(word, title) for word, _, title in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        """Return what the chosen filters ask for."""
        for word, chosen, _ in self.words:
            if self.value() == word:
                filters = Filters(chosen={"status": ALL, **chosen})
                return queryset.filter(conditions(filters, user=request.user, now=timezone.now()))
        return queryset


class MineFilter(_WordFilter):
    """Whose a review is."""

    title = "whose"
    parameter_name = "whose"
    words = (
        ("may", {"may": YES}, "I may decide"),
        ("mine", {"assigned": ME}, "Assigned to me"),
        ("nobody", {"assigned": NOBODY}, "Unassigned"),
    )


class DueFilter(_WordFilter):
    """How pressing a review is."""

    title = "due"
    parameter_name = "due"
    words = (
        ("overdue", {"status": Review.Status.PENDING, "due": OVERDUE}, "Overdue"),
        ("soon", {"status": Review.Status.PENDING, "due": DUE_SOON}, "Due within 15 minutes"),
    )


class ReviewAdmin(EvidenceAdmin):
    """The reviewer's queue."""

    list_display = ["asks", "about", "risk_label", "status_label", "requested_by", "agent_name", "waiting"]
    list_filter = [MineFilter, DueFilter, "status", "kind", "risk", "priority", "queue", "agent_name", "tool"]
    search_fields = ["=id", "=run_id", "tool", "agent_name", "requester__username"]
    list_select_related = ["requester"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        """Return the most pressing first."""
        return Review.objects.queue_order()

    @admin.display(description="Question", ordering="tool")
    def asks(self, review: Review) -> str:
        """Return what people are asked."""
        return inert(headline(review))

    @admin.display(description="About")
    def about(self, review: Review) -> str:
        """Return the beginning of what it is about; the review page shows it whole."""
        return inert(gist(review, limit=120))

    @display(description="Risk", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def risk_label(self, review: Review) -> str:
        """Return the risk as a label."""
        return review.risk

    @display(description="Status", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def status_label(self, review: Review) -> str:
        """Return the status as a label."""
        return review.status

    @admin.display(description="Requested by")
    def requested_by(self, review: Review) -> str:
        """Return who asked the agent."""
        return str(review.requester.username)

    @admin.display(description="Waiting")
    def waiting(self, review: Review) -> str:
        """Return how long it waited, or waits."""
        return timesince(review.created_at, review.decided_at)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the review page; decisions are asked of the domain, not of the admin's change permission."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return review_page(request, object_id, channel=Channel.ADMIN)
