"""Queues, reviewers, on-call schedules and substitutions in the admin."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from governance.access.models import User
from hitl.routing import duty, oncall
from hitl.routing.forms import ReviewerProfileForm, ReviewQueueForm, RotationForm, ScheduleForm
from hitl.routing.models import (
    ReviewerProfile,
    ReviewQueue,
    Rotation,
    Schedule,
    ScheduleOverride,
    Substitution,
)
from tenants.kernel.admin import LABELS, ConfigAdmin, OperationsAdmin, StackedInline, TabularInline, display

AHEAD = timedelta(days=14)
PEOPLE = User.objects.filter(kind=User.Kind.PERSON, is_active=True)


class PeopleMixin:
    """Offer active people where a person is asked for: agents have no turn."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Leave agents and former colleagues out."""
        if db_field.related_model is User:
            kwargs["queryset"] = PEOPLE.order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]  # of ModelAdmin


class ReviewQueueAdmin(ConfigAdmin):
    """What belongs to a queue and who gets it."""

    form = ReviewQueueForm
    list_display = ["name", "position", "takes", "group", "strategy", "claim_minutes", "state_label"]
    list_filter = ["enabled", "strategy"]
    list_select_related = ["group"]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "enabled", "position"]}),
        ("Which reviews", {"fields": ["risks", "kinds", "tool", "agent"]}),
        ("Who gets them", {"fields": ["strategy", "group", "skills", "claim_minutes"]}),
    ]

    @admin.display(description="Takes")
    def takes(self, queue: ReviewQueue) -> str:
        """Return in words which reviews belong to it."""
        asked = [*queue.risks, *queue.kinds, queue.tool, queue.agent]
        return ", ".join(filter(None, asked)) or "everything"

    @display(description="State", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def state_label(self, queue: ReviewQueue) -> str:
        """Return whether it takes reviews."""
        return "enabled" if queue.enabled else "disabled"


class ReviewerProfileAdmin(PeopleMixin, ConfigAdmin):
    """Skills and limits of reviewers. Each says on their own page whether they are there."""

    form = ReviewerProfileForm
    list_display = ["user", "skills_shown", "max_open", "availability"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    fields = ["user", "skills", "max_open", "timezone", "availability"]
    readonly_fields = ["availability"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Fix whose profile it is."""
        return ["user", "availability"] if obj else ["availability"]

    @admin.display(description="Skills")
    def skills_shown(self, profile: ReviewerProfile) -> str:
        """Return the skills with commas between."""
        return ", ".join(profile.skills)

    @admin.display(description="Availability")
    def availability(self, profile: ReviewerProfile) -> str:
        """Return in words whether they take reviews now."""
        if profile.is_available(timezone.now()):
            return "available"
        until = profile.away_until
        return f"away until {until:%Y-%m-%d %H:%M} UTC" if until else "away until they say so"


class RotationInline(StackedInline):  # type: ignore[misc]  # untyped upstream
    """Layers of a schedule, the first one first."""

    model = Rotation
    form = RotationForm
    extra = 0


class OverrideInline(PeopleMixin, TabularInline):  # type: ignore[misc]  # untyped upstream
    """Who takes over when."""

    model = ScheduleOverride
    fields = ["user", "replaces", "starts_at", "ends_at"]
    extra = 0


class ScheduleAdmin(ConfigAdmin):
    """A schedule, with who is on call in the next 14 days and when nobody is."""

    form = ScheduleForm
    list_display = ["name", "timezone", "now_on_call"]
    search_fields = ["name"]
    inlines = [RotationInline, OverrideInline]
    change_form_outer_before_template = "admin/hitl/schedule/on_call.html"

    @admin.display(description="On call now")
    def now_on_call(self, schedule: Schedule) -> str:
        """Return who is on call."""
        people = duty.on_call(schedule.pk, timezone.now())
        return ", ".join(person.username for person in people) or "nobody"

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Keep who made an override."""
        for row in formset.save(commit=False):
            if isinstance(row, ScheduleOverride) and row.by_id is None:
                row.by = request.user
            row.save()
        for row in formset.deleted_objects:
            row.delete()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the next 14 days over the form."""
        schedule = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if schedule is not None and self.has_view_permission(request, schedule):
            context["duty"] = _ahead(schedule, timezone.now())
        return super().change_view(request, object_id, form_url, context)  # type: ignore[no-any-return]  # untyped upstream


class ScheduleOverrideAdmin(PeopleMixin, ConfigAdmin):
    """All overrides of all schedules."""

    list_display = ["user", "replaces", "schedule", "starts_at", "ends_at", "by"]
    list_filter = ["schedule"]
    list_select_related = ["user", "replaces", "schedule", "by"]
    fields = ["schedule", "user", "replaces", "starts_at", "ends_at"]

    def save_model(self, request: HttpRequest, obj: ScheduleOverride, form: Any, change: bool) -> None:
        """Keep who made it."""
        if not change:
            obj.by = request.user  # type: ignore[assignment]  # the admin is for signed-in people
        super().save_model(request, obj, form, change)


class SubstitutionAdmin(PeopleMixin, OperationsAdmin, ConfigAdmin):
    """Who stands in for whom from when to when. Afterwards only its end and its reason can be changed."""

    list_display = ["person", "substitute", "starts_at", "ends_at", "reason", "created_by"]
    list_select_related = ["person", "substitute", "created_by"]
    search_fields = ["person__username", "substitute__username"]
    fields = ["person", "substitute", "starts_at", "ends_at", "reason"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Fix whom it is about and since when."""
        return ["person", "substitute", "starts_at"] if obj else []

    def save_model(self, request: HttpRequest, obj: Substitution, form: Any, change: bool) -> None:
        """Define it, or change its end."""
        if change:
            obj.save(update_fields=["ends_at", "reason"])
            return
        if not request.user.is_authenticated:
            raise PermissionDenied
        made = duty.substitute(
            person=obj.person,
            substitute=obj.substitute,
            starts_at=obj.starts_at,
            ends_at=obj.ends_at,
            reason=obj.reason,
            by=request.user,
            now=timezone.now(),
        )
        obj.pk, obj.created_by, obj._state.adding = made.pk, made.created_by, False


def _ahead(schedule: Schedule, now: datetime) -> dict[str, Any]:
    """Return the shifts of the next 14 days, in the schedule's local time, for the page."""
    found = oncall.shifts(duty.plan_of(schedule), now, now + AHEAD)
    names = dict(User.objects.values_list("pk", "username"))
    rows = [
        {
            "who": names.get(shift.user_id, "") if shift.user_id is not None else "",
            "from": shift.starts_at.astimezone(schedule.zone),
            "until": shift.ends_at.astimezone(schedule.zone),
            "hours": (shift.ends_at - shift.starts_at) / timedelta(hours=1),
        }
        for shift in found
    ]
    return {"rows": rows, "gaps": len(oncall.gaps(found)), "zone": schedule.timezone}
