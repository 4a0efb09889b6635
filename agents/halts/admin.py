"""Kill switches in the admin: a tenant's own, and the platform's on the platform's site."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from agents.catalog.models import Agent
from agents.halts import operations, platform
from agents.halts.models import Halt
from tenants.kernel.admin import LABELS, Button, EvidenceAdmin, OperationsAdmin, Select, display
from tenants.kernel.context import PUBLIC
from tenants.kernel.errors import DomainError
from tenants.kernel.tenants import all_schemas
from tenants.templatetags.display import inert
from tenants.tenancy.models import PlatformHalt

REASON_HELP = "Everybody whose runs stop reads it, and it is on record."
STANDS = "A kill switch stands over this already, tripped by {by}: {reason}"
LIFT = Button(
    method="lift",
    label="Lift this kill switch",
    help="Runs that it stopped go on from where they were, within seconds, unless another one stands over them.",
)


class HaltForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What to stop, and why."""

    agent = forms.ModelChoiceField(
        queryset=Agent.objects.order_by("name"),
        required=False,
        empty_label="All agents",
        widget=Select,
        help_text="No run of it starts a model turn or a tool call from now on.",
    )

    class Meta:
        model = Halt
        fields = ["agent", "reason"]
        help_texts = {"reason": REASON_HELP}

    def clean(self) -> dict[str, Any]:
        """Say who tripped the one that stands over the same."""
        cleaned: dict[str, Any] = super().clean() or {}
        standing = Halt.objects.standing().filter(agent=cleaned.get("agent")).select_related("by").first()
        if standing and "agent" in cleaned:
            raise ValidationError(STANDS.format(by=standing.who, reason=standing.reason))
        return cleaned


class PlatformHaltForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Which tenant to stop, or all, and why."""

    schema = forms.ChoiceField(
        choices=lambda: [
            ("", "All tenants"),
            *((name, name) for name in all_schemas() if name != PUBLIC),
        ],
        required=False,
        widget=Select,
        label="Tenant",
    )

    class Meta:
        model = PlatformHalt
        fields = ["schema", "reason"]
        help_texts = {"reason": REASON_HELP}

    def clean(self) -> dict[str, Any]:
        """Say who tripped the one that stands over the same."""
        cleaned: dict[str, Any] = super().clean() or {}
        standing = PlatformHalt.objects.filter(schema=cleaned.get("schema"), lifted_at=None).first()
        if standing:
            raise ValidationError(STANDS.format(by=standing.by, reason=standing.reason))
        return cleaned


class StateFilter(admin.SimpleListFilter):
    """Those that stand, or those that were lifted."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer both."""
        return [("standing", "Standing"), ("lifted", "Lifted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those in the state chosen."""
        match self.value():
            case "standing":
                return queryset.filter(lifted_at=None)
            case "lifted":
                return queryset.exclude(lifted_at=None)
        return queryset


class SwitchAdmin(OperationsAdmin, EvidenceAdmin):
    """Trip and lift; what is on record stays as it is. Those that stand come first."""

    list_display = ["scope", "state_label", "why", "tripped_by", "tripped", "lifted"]
    list_filter = [StateFilter]
    search_fields = ["reason"]
    ordering = [F("lifted_at").desc(nulls_first=True), "-at"]
    actions = ["lift_selected"]
    add_form_template = "admin/trip.html"
    buttons = (LIFT,)
    operations: Any = operations
    shown = ["scope", "state_label", "why", "tripped_by", "tripped", "lifted"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those trip who may."""
        return bool(request.user.has_perm(self.operations.TRIP))

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Let those lift who may."""
        return bool(request.user.has_perm(self.operations.LIFT))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Ask what to stop and why; show everything of what is on record."""
        return self.shown if obj else list(self.form._meta.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Let nothing be edited that is on record."""
        return self.shown if obj else []

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer to lift what stands."""
        return [LIFT] if obj.lifted_at is None and self.has_lift_permission(request) else []

    def lift(self, request: HttpRequest, halt: Any) -> str:
        """Lift it."""
        self.operations.lift(halt=halt, by=request.user, now=timezone.now())
        return f"Lifted: {halt}."

    @admin.action(description="Lift", permissions=["lift"])
    def lift_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Lift each, and say which had been lifted."""
        for halt in queryset:
            try:
                messages.success(request, self.lift(request, halt))
            except DomainError as error:
                messages.error(request, f"{halt}: {error.detail}")

    @admin.display(description="Stops")
    def scope(self, halt: Any) -> str:
        """Return what it stops."""
        return str(halt)

    @display(description="State", label={**LABELS, "lifted": "success"})  # type: ignore[untyped-decorator]
    def state_label(self, halt: Any) -> str:
        """Return whether it stands."""
        return "lifted" if halt.lifted_at else "standing"

    @admin.display(description="Reason")
    def why(self, halt: Any) -> SafeString:
        """Return the reason; what hides or reorders in it is marked."""
        return inert(halt.reason)

    @admin.display(description="Tripped by")
    def tripped_by(self, halt: Any) -> str:
        """Return who tripped it."""
        return str(halt.by)

    @admin.display(description="Tripped (UTC)")
    def tripped(self, halt: Any) -> str:
        """Return the moment to the second."""
        return f"{halt.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Lifted (UTC)")
    def lifted(self, halt: Any) -> str:
        """Return when and by whom, if it was."""
        return f"{halt.lifted_at:%Y-%m-%d %H:%M:%S} by {halt.lifted_by}" if halt.lifted_at else ""


class HaltAdmin(SwitchAdmin):
    """A tenant's kill switches."""

    form = HaltForm
    list_select_related = ["agent", "by", "lifted_by"]

    @admin.display(description="Tripped by")
    def tripped_by(self, halt: Halt) -> str:
        """Return who tripped it, or that an escalation did."""
        return halt.who

    def save_model(self, request: HttpRequest, obj: Halt, form: Any, change: bool) -> None:
        """Trip it."""
        made = operations.trip(agent=obj.agent, reason=obj.reason, by=request.user, now=timezone.now())
        obj.pk, obj.by, obj.at = made.pk, made.by, made.at
        obj._state.adding = False


class PlatformHaltAdmin(SwitchAdmin):
    """The platform's kill switches: one tenant, or all."""

    form = PlatformHaltForm
    operations = platform

    def save_model(self, request: HttpRequest, obj: PlatformHalt, form: Any, change: bool) -> None:
        """Trip it."""
        made = platform.trip(schema=obj.schema, reason=obj.reason, by=request.user, now=timezone.now())
        obj.pk, obj.by, obj.at = made.pk, made.by, made.at
        obj._state.adding = False
