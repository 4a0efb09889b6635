"""The risk profile in the admin."""

from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from governance.policies.models import DOMAIN, RiskProfile
from tenants.kernel.admin import ConfigAdmin


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
