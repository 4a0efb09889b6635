"""Risk thresholds and the risk profile in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from governance.policies.models import DOMAIN, RiskProfile, RiskThreshold
from tenants.kernel.admin import LABELS, ConfigAdmin, display
from tenants.templatetags.display import inert


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


class Domains(forms.CharField):
    """Domains, one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Show a list as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Return the lines as a list, in small letters; name the first that is no domain."""
        lines = [line.strip().casefold() for line in super().clean(value).splitlines() if line.strip()]
        wrong = next((line for line in lines if not DOMAIN.fullmatch(line)), None)
        if wrong is not None:
            raise forms.ValidationError(f"{wrong} is no domain; write one a line, such as acme.example.")
        return lines


class RiskProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """The profile, its domains one a line."""

    home_domains = Domains(
        required=False, help_text="One a line. Without any, every address counts as outside."
    )

    class Meta:
        model = RiskProfile
        fields = ["home_domains", "outside", "sensitive", "bulk_from", "bulk"]


class RiskProfileAdmin(ConfigAdmin):
    """What raises the risk of a call beside amounts. There is one, and it stays."""

    form = RiskProfileForm
    list_display = ["__str__", "outside", "sensitive", "bulk_from", "bulk"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: there is one already."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: without it nothing is inside."""
        return False
