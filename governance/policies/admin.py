"""Risk thresholds in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from governance.policies.models import RiskThreshold
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
