"""Agents in the admin."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html_join

from agents.blueprints import registry
from agents.catalog import operations
from agents.catalog.models import Agent
from governance.access.rights.admin import LevelsAdmin
from tenants.kernel.admin import Checkboxes, Select, Textarea
from tenants.kernel.errors import DomainError

SETTINGS = {
    "instructions": "what the model is told before each request",
    "model": "the model that is asked; empty for the platform's default",
    "fallback_models": "models asked in this order when that one does not answer, 5 at most",
    "max_turns": "turns of the model in one run, 1 to 100; 20 if not given",
    "max_output_tokens": "tokens after which an answer of the model is cut; 4096 if not given",
    "max_cost_micros": "what one run may cost, in micro-dollars (1,000,000 are one dollar); no limit if not given",
    "fallback_answer": "what the person is told when everything failed; without it the run ends as failed",
    "hand_off_after": "failures in a row after which a person takes over, 0 for never; 3 if not given",
}


class ToolChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """Tools by name; those that wait in quarantine say so."""

    def label_from_instance(self, obj: Any) -> str:
        """Return the name, and that no agent can use it yet."""
        return f"{obj.name} (in quarantine)" if obj.quarantined else str(obj.name)


class AgentForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """An agent with a configuration that its blueprint accepts."""

    blueprint = forms.ChoiceField(choices=lambda: [(slug, slug) for slug in registry.REGISTRY], widget=Select)

    class Meta:
        model = Agent
        fields = ["name", "blueprint", "config", "tools", "security_level"]
        field_classes = {"tools": ToolChoices}
        help_texts = {
            "config": format_html_join("", "<div><code>{}</code>: {}</div>", SETTINGS.items()),
        }
        widgets = {"config": Textarea(attrs={"rows": 6}), "tools": Checkboxes}

    def clean(self) -> dict[str, Any]:
        """Name each setting that the blueprint refuses."""
        cleaned: dict[str, Any] = super().clean() or {}
        blueprint = cleaned.get("blueprint", self.instance.blueprint)
        try:
            registry.validate_config(blueprint, cleaned.get("config") or {})
        except DomainError as error:
            raise ValidationError({"config": [f"{e['at']}: {e['message']}" for e in error.errors]}) from error
        return cleaned


class AgentAdmin(LevelsAdmin):
    """Create agents and say which tools they may use; each has an identity of its own."""

    form = AgentForm
    list_display = ["name", "blueprint", "security_level", "version", "owner"]
    list_filter = ["blueprint", "security_level"]
    search_fields = ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Fix name and blueprint once the agent exists."""
        return ["name", "blueprint"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: runs refer to their agent for ever."""
        return False

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        """Call the operation that the API calls."""
        names = [tool.name for tool in form.cleaned_data["tools"]]
        config = form.cleaned_data["config"] or {}
        level = form.cleaned_data["security_level"]
        if change:
            operations.change_agent(
                agent=obj, by=request.user, config=config, tools=names, security_level=level
            )
            return
        made = operations.create_agent(
            name=obj.name,
            blueprint=obj.blueprint,
            owner=request.user,
            config=config,
            tools=names,
            security_level=level,
        )
        obj.pk, obj.principal_id, obj.owner_id = made.pk, made.principal_id, made.owner_id
        obj._state.adding = False
