"""Plans and tiers in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from hitl.reviews.models import ReviewPlan, ReviewTier
from hitl.reviews.quorum import Plan
from hitl.reviews.rules.forms import ReviewPlanForm
from hitl.reviews.rules.lines import in_words
from tenants.kernel.admin import LABELS, ConfigAdmin, display
from tenants.templatetags.display import inert

OPTIONS = ("order", "min_distinct", "exclude", "human_only", "allow_overlap")


class ReviewPlanAdmin(ConfigAdmin):
    """Whose votes decide which calls."""

    form = ReviewPlanForm
    list_display = ["name", "applies_to", "words", "enabled", "author"]
    list_filter = ["risk", "enabled"]
    list_select_related = ["author"]
    search_fields = ["name", "tool"]
    readonly_fields = ["words", "author"]

    def get_fieldsets(self, request: HttpRequest, obj: ReviewPlan | None = None) -> Any:
        """Say first what the plan is for, then whose votes it asks."""
        what = ("name", "risk", "tool", "enabled")
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": (*what, "words", "author")})]
        said = ("words", "author") if obj else ()
        return [
            ("Which calls", {"fields": what}),
            ("Whose votes", {"fields": (*said, "stages", *OPTIONS)}),
            ("In full", {"fields": ("document",), "classes": ("collapse",)}),
        ]

    def get_form(self, request: HttpRequest, obj: ReviewPlan | None = None, **kwargs: Any) -> Any:
        """Let the form know who edits."""
        form = super().get_form(request, obj, **kwargs)
        return type(form.__name__, (form,), {"author": request.user})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Name who edits as its author: they do not decide under it."""
        obj.author = request.user
        super().save_model(request, obj, form, change)

    @admin.display(description="Calls")
    def applies_to(self, plan: ReviewPlan) -> str:
        """Return which calls it is for."""
        tool = f"of {inert(plan.tool)}" if plan.tool else "of every tool"
        return f"{plan.risk or 'all'} risk, {tool}"

    @admin.display(description="Plan")
    def words(self, plan: ReviewPlan) -> str:
        """Return the plan as a sentence."""
        return inert(in_words(Plan.from_json(plan.document))) if plan.document else ""


class ReviewTierAdmin(ConfigAdmin):
    """What reviews of each risk tier must meet."""

    list_display = ["tier", "expires_after_s", "veto_window_s", "min_assurance", "feedback_rounds"]
    fields = ["risk", "expires_after_s", "veto_window_s", "min_assurance", "feedback_rounds"]

    @display(description="Risk", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def tier(self, tier: ReviewTier) -> str:
        """Return the tier as a label."""
        return tier.risk
