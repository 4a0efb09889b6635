"""Plans and tiers in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from governance.types import Risk
from hitl.reviews.models import ReviewPlan, ReviewTier
from hitl.reviews.quorum import Plan
from hitl.reviews.rules.forms import ReviewPlanForm
from hitl.reviews.rules.lines import in_words
from hitl.reviews.tiers import tier_of
from tenants.kernel.admin import LABELS, ConfigAdmin, display
from tenants.templatetags.display import duration, inert, words

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
    list_before_template = "admin/hitl/reviewtier/in_force.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show above the rows what is in force for each tier: the defaults where it has no row."""
        own = set(ReviewTier.objects.values_list("risk", flat=True))
        tiers = [(risk, tier_of(risk)) for risk in Risk]
        in_force = [
            {
                "risk": risk,
                "expires_after": duration(tier.expires_after.total_seconds()),
                "veto_window": duration(tier.veto_window.total_seconds()) if tier.veto_window else "none",
                "min_assurance": words(tier.min_assurance),
                "feedback_rounds": tier.feedback_rounds,
                "own": risk in own,
            }
            for risk, tier in tiers
        ]
        return super().changelist_view(request, {**(extra_context or {}), "in_force": in_force})

    @display(description="Risk", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def tier(self, tier: ReviewTier) -> str:
        """Return the tier as a label."""
        return tier.risk
