"""Service levels, escalation policies and what they did, in the admin."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from governance.types import Risk
from hitl.escalation import operations
from hitl.escalation.forms import PolicyForm
from hitl.escalation.models import EscalationEvent, EscalationPolicy, EscalationPolicyVersion, EscalationState
from hitl.escalation.operations import BUILT_IN
from hitl.escalation.policies import save_policy
from hitl.escalation.preview import EXPIRES_AFTER, check_coverage, dry_run, real_review
from hitl.escalation.steps import in_words, parse
from hitl.escalation.waking import steps_of
from hitl.escalation.wording import title
from hitl.reviews.models import Review
from tenants.kernel.admin import LABELS, Button, ConfigAdmin, EvidenceAdmin, OperationsAdmin, display
from tenants.kernel.errors import DomainError
from tenants.templatetags.display import inert, pretty

COVERAGE = Button(
    method="look_ahead",
    label="Check coverage",
    help="Play the policy through for the next 14 days, and list the hours in which nobody would be called.",
)
FORCE = Button(method="force", label="Take the next step now", help="Whatever it waits for.")
PAUSE = Button(
    method="pause",
    label="Pause",
    help="No step is taken until somebody resumes it. The service level runs on.",
    variant="default",
)
RESUME = Button(method="resume", label="Resume", help="It goes on after what was left of the wait.")
REPIN = Button(
    method="repin",
    label="Start again with the policy of today",
    help="From the first step, with the newest version of the policy that matches now.",
    variant="default",
)
MOMENT = "%Y-%m-%d %H:%M:%S"


class ServiceLevelAdmin(ConfigAdmin):
    """How soon reviews are to be decided."""

    list_display = ["priority", "risk_shown", "respond_within_s", "warn_at_percent"]
    fields = ["priority", "risk", "respond_within_s", "warn_at_percent"]

    @admin.display(description="Risk", ordering="risk")
    def risk_shown(self, level: Any) -> str:
        """Return the risk it is for."""
        return level.risk or "every risk"


def _list(lines: list[str]) -> SafeString:
    items = format_html_join("", "<li>{}</li>", ((inert(line),) for line in lines))
    return format_html('<ol class="steps">{}</ol>', items)


def _gaps(policy: EscalationPolicy) -> SafeString | str:
    if policy.coverage_at is None:
        return "Not checked yet; it is checked every night."
    when = f"{policy.coverage_at:%Y-%m-%d %H:%M} UTC"
    if not policy.coverage:
        return f"Somebody is called at any time of the next 14 days. Checked {when}."
    return format_html("{}Times are UTC. Checked {}.", _list(policy.coverage), when)


class EscalationPolicyAdmin(OperationsAdmin, ConfigAdmin):
    """Policies, each step told in words beside the JSON."""

    form = PolicyForm
    list_display = ["name", "matches_shown", "version", "enabled", "gaps"]
    list_filter = ["enabled"]
    search_fields = ["name", "description"]
    readonly_fields = ["in_words", "version", "gaps", "dry_run_link"]
    buttons = (COVERAGE,)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Say what it is for, then what it does, then what that leads to."""
        may_edit = self.has_change_permission(request, obj) if obj else True
        steps = ("steps", "in_words") if may_edit else ("in_words",)
        return [
            ("What it is for", {"fields": ("name", "description", "enabled", "is_default", "risks", "tool")}),
            ("Steps", {"fields": steps if obj else ("steps",)}),
            *([("What comes of it", {"fields": ("version", "gaps", "dry_run_link")})] if obj else []),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: reviews are pinned to it; switch it off instead."""
        return False

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer to look ahead to those who may change it."""
        return [COVERAGE] if self.has_change_permission(request, obj) else []

    def save_model(self, request: HttpRequest, obj: EscalationPolicy, form: Any, change: bool) -> None:
        """Save it; other steps are a new version."""
        steps = form.cleaned_data["steps"]
        save_policy(policy=obj, steps=steps, by=request.user, now=timezone.now())  # type: ignore[arg-type]

    def look_ahead(self, request: HttpRequest, policy: EscalationPolicy) -> str:
        """Simulate the next 14 days."""
        if not self.has_change_permission(request, policy):
            raise PermissionDenied
        found = check_coverage(policy=policy, now=timezone.now())
        return f"Gaps: {'; '.join(found)} (UTC)." if found else "Somebody is called at any time."

    def get_urls(self) -> list[Any]:
        """Add the page of the dry-run."""
        view = self.admin_site.admin_view(self.dry_run_view)
        return [path("<path:object_id>/dry-run/", view, name=f"{self._name}_dry_run"), *super().get_urls()]

    def dry_run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show who would be called when; nothing is sent and nothing changes."""
        policy = self.get_object(request, object_id)
        if not self.has_view_permission(request, policy):
            raise PermissionDenied
        if policy is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"Dry-run of {policy.name}",
            "opts": self.opts,
            "policy": policy,
            "back": self._url("change", policy.pk),
            "risks": [risk.value for risk in reversed(Risk)],
            "risk": request.GET.get("risk", policy.risks[0] if policy.risks else Risk.HIGH.value),
            "review_id": request.GET.get("review", "").strip(),
        }
        try:
            review = real_review(context["review_id"]) if context["review_id"] else None
            risk = Risk(context["risk"]) if context["risk"] in set(Risk) else Risk.HIGH
            now = timezone.now()
            context["calls"] = dry_run(policy=policy, now=now, review=review, risk=risk)
            context["start"] = review.created_at if review else now
            context["expires_at"] = review.expires_at if review else now + EXPIRES_AFTER
            context["about"] = title(review) if review else f"A {risk}-risk review opened now"
        except DomainError as error:
            context["error"] = error.detail
        return TemplateResponse(request, "admin/hitl/escalation_dry_run.html", context)

    @admin.display(description="For")
    def matches_shown(self, policy: EscalationPolicy) -> str:
        """Return which reviews it is for."""
        if policy.is_default:
            return "what no other policy matches"
        return f"{policy.tool or 'every tool'}, {' or '.join(policy.risks) or 'every'} risk"

    @admin.display(description="In words")
    def in_words(self, policy: EscalationPolicy) -> SafeString:
        """Return one sentence a step."""
        return _list(in_words(parse(policy.current.steps)))

    @admin.display(description="Version")
    def version(self, policy: EscalationPolicy) -> str:
        """Return the newest version's number."""
        return str(policy.current.number)

    @admin.display(description="Coverage")
    def gaps(self, policy: EscalationPolicy) -> SafeString | str:
        """Return when nobody would be called."""
        return _gaps(policy)

    @admin.display(description="Dry-run")
    def dry_run_link(self, policy: EscalationPolicy) -> SafeString:
        """Return the way to the dry-run."""
        return format_html(
            '<a class="text-link" href="{}">See who would be called when</a>', self._url("dry_run", policy.pk)
        )


class EscalationPolicyVersionAdmin(EvidenceAdmin):
    """Versions of policies, as they were."""

    list_display = ["policy", "number", "author", "created_at"]
    list_select_related = ["policy", "author"]
    list_filter = ["policy"]
    fields = ["policy", "number", "in_words", "steps_shown", "author", "created_at"]
    readonly_fields = fields

    @admin.display(description="In words")
    def in_words(self, version: EscalationPolicyVersion) -> SafeString:
        """Return one sentence a step."""
        return _list(in_words(parse(version.steps)))

    @admin.display(description="JSON")
    def steps_shown(self, version: EscalationPolicyVersion) -> SafeString:
        """Return the steps as they were saved."""
        return format_html("<pre>{}</pre>", inert(pretty(version.steps)))


class EscalationStateAdmin(OperationsAdmin, EvidenceAdmin):
    """Where each escalation stands, and buttons to steer it."""

    list_display = ["about", "status_label", "policy_shown", "next_step", "next_shown", "loop_count"]
    list_filter = ["status"]
    list_select_related = ["review", "version__policy"]
    fields = [
        "about", "status_label", "policy_shown", "next_step", "next_shown", "held_until", "remaining",
        "loop_count", "generation", "happened",
    ]  # fmt: skip
    readonly_fields = fields
    buttons = (FORCE, PAUSE, RESUME, REPIN)

    def offered_buttons(self, request: HttpRequest, obj: EscalationState) -> list[Button]:
        """Offer what fits its state, to those who may steer it."""
        if not request.user.has_perm(operations.STEER) or obj.review.status != Review.Status.PENDING:
            return []
        match obj.status:
            case EscalationState.Status.RUNNING:
                return [FORCE, PAUSE, REPIN]
            case EscalationState.Status.PAUSED:
                return [RESUME, FORCE, REPIN]
        return [REPIN]

    def force(self, request: HttpRequest, state: EscalationState) -> str:
        """Take the next step now."""
        operations.force(review_id=state.review_id, by=request.user, now=timezone.now())
        return "The next step is taken within seconds."

    def pause(self, request: HttpRequest, state: EscalationState) -> str:
        """Pause it."""
        operations.pause(review_id=state.review_id, by=request.user, now=timezone.now())
        return "Paused."

    def resume(self, request: HttpRequest, state: EscalationState) -> str:
        """Let it go on."""
        operations.resume(review_id=state.review_id, by=request.user, now=timezone.now())
        return "Resumed."

    def repin(self, request: HttpRequest, state: EscalationState) -> str:
        """Start it again."""
        moved = operations.repin(review_id=state.review_id, by=request.user, now=timezone.now())
        return f"It starts again with {moved.version or 'the built-in policy'}."

    @admin.display(description="Review", ordering="review")
    def about(self, state: EscalationState) -> SafeString:
        """Return the review it is about, with a link."""
        url = reverse(f"{self.admin_site.name}:hitl_review_change", args=[state.review_id])
        return format_html('<a href="{}">{}</a>', url, inert(title(state.review)))

    @display(description="Status", label={**LABELS, "finished": "success"})  # type: ignore[untyped-decorator]
    def status_label(self, state: EscalationState) -> str:
        """Return the status as a label."""
        return state.status

    @admin.display(description="Policy")
    def policy_shown(self, state: EscalationState) -> str:
        """Return the version it is pinned to."""
        return str(state.version) if state.version else BUILT_IN

    @admin.display(description="Next step")
    def next_step(self, state: EscalationState) -> str:
        """Return what comes next, in words."""
        steps = steps_of(state.version_id)
        if state.status in {"stopped", "finished"} or state.step_index >= len(steps):
            return "none"
        return f"{state.step_index + 1}. {in_words(steps)[state.step_index]}"

    @admin.display(description="Due (UTC)", ordering="next_at")
    def next_shown(self, state: EscalationState) -> str:
        """Return when the next step is due."""
        return f"{state.next_at:{MOMENT}}" if state.next_at else ""

    @admin.display(description="What happened")
    def happened(self, state: EscalationState) -> SafeString:
        """Return its events, first to last."""
        events = EscalationEvent.objects.filter(review_id=state.review_id).order_by("id")
        return _list([f"{event.at:{MOMENT}} {_told(event)}" for event in events])


def _told(event: EscalationEvent) -> str:
    step = f"step {event.step}: " if event.step else ""
    detail = ", ".join(
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in event.detail.items()
    )
    return f"{step}{event.kind.replace('_', ' ')}{f' ({detail})' if detail else ''}"


class EscalationEventAdmin(EvidenceAdmin):
    """What escalations did."""

    list_display = ["moment", "about", "told"]
    list_filter = ["kind"]
    list_select_related = ["review"]
    fields = ["moment", "kind", "step", "loop", "generation", "about", "told"]
    readonly_fields = fields

    @admin.display(description="At (UTC)", ordering="id")
    def moment(self, event: EscalationEvent) -> str:
        """Return the moment to the second."""
        return f"{event.at:{MOMENT}}"

    @admin.display(description="Review")
    def about(self, event: EscalationEvent) -> SafeString:
        """Return the review it is about."""
        return inert(title(event.review))

    @admin.display(description="What happened")
    def told(self, event: EscalationEvent) -> SafeString:
        """Return the event in words."""
        return inert(_told(event))


class EscalationHeartbeatAdmin(EvidenceAdmin):
    """When every escalation was last found on time."""

    list_display = ["beat", "checked", "late"]
    fields = ["beat", "checked", "late"]
    readonly_fields = fields

    @admin.display(description="Last beat (UTC)")
    def beat(self, heartbeat: Any) -> str:
        """Return the last time when nothing was late."""
        return f"{heartbeat.at:{MOMENT}}" if heartbeat.at else "never"

    @admin.display(description="Last check (UTC)")
    def checked(self, heartbeat: Any) -> str:
        """Return when it last looked."""
        return f"{heartbeat.checked_at:{MOMENT}}"
