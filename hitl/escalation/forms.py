"""The form of an escalation policy: its steps as JSON, with each problem named by step and field."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from governance.types import Risk
from hitl.escalation import defaults
from hitl.escalation.models import EscalationPolicy
from hitl.escalation.policies import check
from tenants.kernel.admin import Checkboxes, Textarea
from tenants.kernel.errors import InvalidInput

ORDER = {
    name: n
    for n, name in enumerate(["step", "days", "from", "to", "timezone", "users", "groups", "schedule"])
}
HELP = "One object a step, in order; docs/escalation.md lists them. Saving other steps makes a new version."


class StepsField(forms.JSONField):
    """A list of steps, one a line."""

    def prepare_value(self, value: Any) -> Any:
        """Return one line a step; input that is no list stays as it was typed."""
        shown = super().prepare_value(value)
        try:
            steps = json.loads(shown)
        except (ValueError, TypeError):
            return shown
        if not isinstance(steps, list):
            return shown
        lines = ",\n  ".join(json.dumps(_ordered(step), ensure_ascii=False) for step in steps)
        return f"[\n  {lines}\n]"


def _ordered(step: Any) -> Any:
    """Return the fields of a step as people write them; the database keeps no order."""
    if not isinstance(step, dict):
        return step
    return dict(sorted(step.items(), key=lambda field: ORDER.get(field[0], len(ORDER))))


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A policy with the steps of its newest version."""

    description = forms.CharField(widget=Textarea(attrs={"rows": 2}), required=False)
    risks = forms.MultipleChoiceField(
        choices=[(risk.value, risk.value) for risk in reversed(Risk)],
        required=False,
        widget=Checkboxes,
        help_text="None for every risk.",
    )
    steps = StepsField(widget=Textarea(attrs={"rows": 14, "spellcheck": "false"}), help_text=HELP)

    class Meta:
        model = EscalationPolicy
        fields = ["name", "description", "enabled", "is_default", "risks", "tool"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = None if self.instance._state.adding else self.instance.current.steps
        if "steps" in self.fields:
            self.initial["steps"] = stored or defaults.STEPS

    def clean_steps(self) -> Any:
        """Name the step and the field of what cannot be used."""
        steps = self.cleaned_data["steps"]
        try:
            check(steps, now=timezone.now())
        except InvalidInput as error:
            raise ValidationError(error.detail) from error
        return steps

    def clean(self) -> dict[str, Any]:
        """Keep the default for what no other policy matches."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("is_default") and (cleaned.get("risks") or cleaned.get("tool")):
            raise ValidationError(
                {"is_default": "The default is for what no other matches; leave risks and tool empty."}
            )
        return cleaned
