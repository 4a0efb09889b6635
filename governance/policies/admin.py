"""Policies and risk thresholds in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from governance.policies import builder_page, packs, publishing, wording
from governance.policies.models import Policy, PolicyReplay, RiskThreshold
from tenants.kernel.admin import LABELS, Button, ConfigAdmin, OperationsAdmin, display
from tenants.kernel.errors import DomainError
from tenants.templatetags.display import inert

REPLAY = Button(
    method="replay",
    label="Replay the newest version",
    help="Compare it with the rules in force on the decisions of the last 30 days. Activation asks for it.",
    variant="default",
)
ACTIVATE = Button(
    method="activate",
    label="Put the newest version in force",
    help="It counts from the next decision on. Who wrote it cannot do this.",
)
SHADOW = Button(
    method="rehearse",
    label="Rehearse the newest version",
    help="Decisions record what it would have said; it decides nothing.",
    variant="default",
)
END = Button(
    method="end_rehearsal",
    label="End the rehearsal",
    help="Decisions no longer record what the version in shadow would say.",
    variant="default",
)
RETIRE = Button(
    method="retire",
    label="Put it out of force",
    help="It decides nothing from now on. Its versions are kept.",
    variant="danger",
)
STATES = {**LABELS, "in force": "success", "in shadow": "info", "draft": "warning"}


class RiskThresholdAdmin(ConfigAdmin):
    """Amounts from which on a call is riskier than its tool."""

    list_display = ["rule", "risk_label", "enabled", "author"]
    list_filter = ["risk", "enabled"]
    list_select_related = ["author"]
    search_fields = ["tool", "argument"]
    readonly_fields = ["author"]

    def get_fields(self, request: HttpRequest, obj: RiskThreshold | None = None) -> list[str]:
        """Show who wrote it once it is written."""
        return ["tool", "argument", "at_least", "risk", "enabled", *(["author"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Any, form: object, change: bool) -> None:
        """Name who edits as its author: they do not decide calls that it holds."""
        obj.author = request.user
        super().save_model(request, obj, form, change)

    @admin.display(description="Rule", ordering="tool")
    def rule(self, threshold: RiskThreshold) -> str:
        """Return the rule in words."""
        amount = f"{threshold.at_least.normalize():f}"
        return inert(f"{threshold.tool}: {threshold.argument} from {amount} on")

    @display(description="Risk", label=LABELS, ordering="risk")  # type: ignore[untyped-decorator]  # untyped upstream
    def risk_label(self, threshold: RiskThreshold) -> str:
        """Return the risk as a label."""
        return threshold.risk


class PolicyAdmin(OperationsAdmin, ConfigAdmin):
    """Rules, written in sentences. What is saved is a draft; a second person puts it in force."""

    list_display = ["name", "says", "state_label", "scope", "slug"]
    list_filter = ["layer", "pack"]
    list_select_related = ["active", "shadow"]
    search_fields = ["slug", "name"]
    list_before_template = "admin/governance/policy/packs.html"
    buttons = (REPLAY, ACTIVATE, SHADOW, END, RETIRE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: decisions name it; put it out of force instead."""
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the versions with the policies."""
        return super().get_queryset(request).prefetch_related("versions")

    def get_urls(self) -> list[Any]:
        """Add the address at which a pack is rehearsed."""
        view = self.admin_site.admin_view(self.pack_view)
        return [path("packs/<slug:pack>/", view, name=f"{self._name}_pack"), *super().get_urls()]

    # --- the list

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the packs above the rules to those who may add rules."""
        shown = []
        if self.has_add_permission(request):
            idle = set(Policy.objects.filter(active=None, shadow=None).values_list("slug", flat=True))
            shown = [self._pack(pack, idle) for pack in packs.packs().values() if pack.slug != packs.BASELINE]
        return super().changelist_view(request, {**(extra_context or {}), "packs": shown})

    def _pack(self, pack: packs.Pack, idle: set[str]) -> dict[str, Any]:
        return {
            "title": pack.title,
            "about": pack.about,
            "count": len(pack.rules),
            "left": any(draft.document["id"] in idle for draft in pack.rules),
            "url": self._url("pack", pack.slug),
        }

    def pack_view(self, request: HttpRequest, pack: str) -> HttpResponse:
        """Rehearse a pack."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_add_permission(request):
            raise PermissionDenied
        by: Any = request.user
        try:
            rehearsed = publishing.rehearse_pack(slug=pack, by=by, now=timezone.now())
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            messages.success(
                request, f"{len(rehearsed)} rules are rehearsed: decisions record what they would say."
            )
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:{self._name}_changelist"))

    @admin.display(description="In words")
    def says(self, policy: Policy) -> SafeString:
        """Return the newest version as sentences."""
        return inert(wording.in_words(policy.latest.document))

    @display(description="State", label=STATES)  # type: ignore[untyped-decorator]  # untyped upstream
    def state_label(self, policy: Policy) -> str:
        """Return whether it decides, is rehearsed, or neither."""
        if policy.active_id is not None:
            return "in force"
        return "in shadow" if policy.shadow_id is not None else "draft"

    @admin.display(description="For", ordering="layer")
    def scope(self, policy: Policy) -> str:
        """Return whose rule it is."""
        return f"agent {policy.agent_id}" if policy.agent_id else policy.layer

    # --- one rule

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Write a new rule."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._page(request, Policy())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Read a rule, or write its next version."""
        policy = self.get_object(request, object_id)
        if policy is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        if not self.has_view_or_change_permission(request, policy):
            raise PermissionDenied
        if request.method == "POST" and not self.has_change_permission(request, policy):
            raise PermissionDenied
        return self._page(request, policy)

    def _page(self, request: HttpRequest, policy: Policy) -> HttpResponse:
        adding = policy._state.adding
        if request.method == "POST":
            page = builder_page.acted(request, policy, request.user)
            if page.saved:
                return HttpResponseRedirect(self._url("change", policy.pk))
        else:
            page = builder_page.shown(policy)
        replay = None if adding else PolicyReplay.objects.filter(version=policy.latest).first()
        context = {
            **self.admin_site.each_context(request),
            **page.context(),
            "title": "A new rule" if adding else policy.name,
            "opts": self.opts,
            "adding": adding,
            "may_edit": adding or self.has_change_permission(request, policy),
            "standing": None if adding else _standing(policy),
            "replay": replay,
            "replay_is_fresh": replay is not None and publishing.is_fresh(replay, now=timezone.now()),
            "buttons": [
                {"button": button, "url": self._url(button.method, policy.pk)}
                for button in ([] if adding else self.offered_buttons(request, policy))
            ],
        }
        status = 422 if page.problems and request.POST.get("do") == "save" else 200
        return TemplateResponse(request, "admin/governance/policy/builder.html", context, status=status)

    def offered_buttons(self, request: HttpRequest, obj: Policy) -> list[Button]:
        """Offer what fits its state, to those who may."""
        newest = obj.latest
        may_activate = request.user.has_perm(publishing.ACTIVATE)
        offered = [] if obj.active_id == newest.pk else [REPLAY]
        if may_activate and obj.active_id != newest.pk:
            offered.append(ACTIVATE)
        if request.user.has_perm(publishing.CHANGE):
            if newest.pk not in (obj.active_id, obj.shadow_id):
                offered.append(SHADOW)
            if obj.shadow_id is not None:
                offered.append(END)
        if may_activate and obj.active_id is not None:
            offered.append(RETIRE)
        return offered

    def replay(self, request: HttpRequest, policy: Policy) -> str:
        """Replay it."""
        by: Any = request.user
        kept = publishing.replayed(policy=policy, number=None, by=by, now=timezone.now())
        return f"Replayed {kept.report['compared']} decisions; {kept.report['flipped']} would change."

    def activate(self, request: HttpRequest, policy: Policy) -> str:
        """Put it in force."""
        by: Any = request.user
        publishing.activate(policy_id=policy.pk, number=None, by=by, now=timezone.now())
        return "It is in force."

    def rehearse(self, request: HttpRequest, policy: Policy) -> str:
        """Rehearse it."""
        by: Any = request.user
        publishing.rehearse(policy_id=policy.pk, number=None, by=by, now=timezone.now())
        return "It is in shadow: decisions record what it would have said."

    def end_rehearsal(self, request: HttpRequest, policy: Policy) -> str:
        """Rehearse it no more."""
        by: Any = request.user
        publishing.end_rehearsal(policy_id=policy.pk, by=by, now=timezone.now())
        return "The rehearsal has ended."

    def retire(self, request: HttpRequest, policy: Policy) -> str:
        """Put it out of force."""
        by: Any = request.user
        publishing.retire(policy_id=policy.pk, by=by, now=timezone.now())
        return "It is out of force."


def _standing(policy: Policy) -> dict[str, str]:
    newest = policy.latest
    return {
        "newest": f"version {newest.number}",
        "active": f"version {policy.active.number}" if policy.active else "none",
        "shadow": f"version {policy.shadow.number}" if policy.shadow else "none",
        "author": newest.author.username if newest.author else "Countersign",
    }
