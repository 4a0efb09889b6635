"""Forms of tools and credentials in the admin: they turn input into domain values and name what is wrong."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from agents.tools.models import Tool, ToolSecret
from agents.tools.operations import HttpTool
from agents.tools.remote.endpoint import METHODS, Endpoint
from agents.tools.secrets import MAX_LENGTH, MIN_LENGTH
from governance.types import EffectClass, Risk
from tenants.kernel.admin import PasswordInput, Select, Textarea, TextInput
from tenants.kernel.errors import DomainError

PARTS = ("method", "url", "query", "headers", "body")
EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}


class JsonField(forms.JSONField):
    """JSON over several lines; nothing where there is nothing."""

    def prepare_value(self, value: Any) -> Any:
        """Return the text of the field; input that is no JSON stays as it was typed."""
        shown = super().prepare_value(value)
        try:
            parsed = json.loads(shown)
        except (ValueError, TypeError):
            return shown
        return "" if parsed is None else json.dumps(parsed, indent=2, ensure_ascii=False)


class ToolForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A tool. `seen` is the definition that was on the page, so that no other is confirmed by it."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Tool
        fields = [
            "risk",
            "effect",
            "enabled",
            "timeout_s",
            "max_attempts",
            "fallback",
            "reversible",
            "output_trusted",
            "withholds_results",
            "result_format",
            "security_level",
            "cost_micros",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = self.instance.schema_version
        if "fallback" in self.fields:
            others = Tool.objects.exclude(pk=self.instance.pk)
            self.fields["fallback"].queryset = others  # type: ignore[attr-defined]  # a ModelChoiceField
        if "timeout_s" in self.fields:
            self.fields["timeout_s"].label = "Time-out (s)"

    def clean_cost_micros(self) -> int:
        """Take nothing as 0."""
        return int(self.cleaned_data["cost_micros"] or 0)

    def clean_seen(self) -> str:
        """Refuse a page that shows an older definition."""
        if self.instance.pk and self.cleaned_data["seen"] != self.instance.schema_version:
            raise ValidationError("The tool has changed since this page was opened; look at it again.")
        return str(self.instance.schema_version)


class HttpToolForm(ToolForm):
    """An HTTP tool with its endpoint."""

    name = forms.CharField(
        max_length=64, widget=TextInput, help_text="What models call it, such as refund_order."
    )
    description = forms.CharField(
        widget=Textarea(attrs={"rows": 3}), help_text="What the model and the reviewer read."
    )
    parameters = JsonField(
        widget=Textarea(attrs={"rows": 8}), initial=EMPTY, help_text="JSON Schema of the arguments."
    )
    # Not `output_schema`: the row's field of that name is not editable.
    result_schema = JsonField(
        widget=Textarea(attrs={"rows": 4}), required=False, help_text="JSON Schema of the result."
    )
    method = forms.ChoiceField(choices=[(method, method) for method in METHODS], widget=Select)
    url = forms.CharField(
        widget=TextInput,
        label="URL",
        help_text="Segments of the path may hold arguments: https://api.example.com/orders/{order_id}.",
    )
    query = JsonField(
        widget=Textarea(attrs={"rows": 3}),
        required=False,
        initial=dict,
        help_text='Parameters and the arguments that fill them: {"q": "query"}.',
    )
    headers = JsonField(
        widget=Textarea(attrs={"rows": 3}),
        required=False,
        initial=dict,
        help_text='Arguments and credentials in braces: {"Authorization": "Bearer {secret:SHOP_KEY}"}.',
    )
    # Not `audience` and `scope`: neither are these.
    token_for = forms.CharField(
        widget=TextInput,
        required=False,
        max_length=255,
        help_text="Each call gets a token for this service, sent as Authorization: Bearer. Usually its URL.",
    )
    token_scope = forms.CharField(
        widget=TextInput,
        required=False,
        max_length=255,
        help_text="What the token permits there: orders:read orders:write.",
    )
    body = JsonField(
        widget=Textarea(attrs={"rows": 3}),
        required=False,
        initial=dict,
        help_text='Fields of the JSON body and the arguments that fill them: {"amount": "amount"}.',
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tool = self.instance
        if not tool.pk:
            self.initial.update({"risk": Risk.CRITICAL, "effect": EffectClass.NON_IDEMPOTENT})
        else:
            self.fields["name"].disabled = True
            stored = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            stored |= {"token_for": tool.audience, "token_scope": tool.scope}
            self.initial.update({**stored, "result_schema": tool.output_schema, **tool.definition})

    def clean(self) -> dict[str, Any]:
        """Put the parts together; name each that cannot be used."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        if not self.instance.pk and Tool.objects.filter(name=cleaned["name"]).exists():
            raise ValidationError({"name": "Another tool has this name."})
        try:
            endpoint = Endpoint.from_json({part: cleaned[part] or {} for part in PARTS})
            cleaned["tool"] = HttpTool(
                name=cleaned["name"],
                description=cleaned["description"],
                parameters=cleaned["parameters"],
                output_schema=cleaned["result_schema"],
                endpoint=endpoint,
                audience=cleaned["token_for"],
                scope=cleaned["token_scope"],
            )
            cleaned["tool"].check()
        except DomainError as error:
            raise ValidationError(_by_field(error, self.fields)) from error
        return cleaned


def _by_field(error: DomainError, fields: Any) -> dict[str, Any]:
    """Return the problems by the field they are about."""
    messages: dict[str, Any] = {}
    for problem in error.errors or [{"at": "/", "message": error.detail}]:
        name = (
            problem["at"]
            .split("/")[1]
            .replace("output_schema", "result_schema")
            .replace("audience", "token_for")
        )
        messages.setdefault(name if name in fields else "__all__", []).append(problem["message"])
    return messages


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A credential; its value is asked for and never shown."""

    value = forms.CharField(
        widget=PasswordInput(attrs={"autocomplete": "off"}),
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        strip=False,
        help_text="It is sealed when you save and cannot be read here again.",
    )

    class Meta:
        model = ToolSecret
        fields = ["name"]
