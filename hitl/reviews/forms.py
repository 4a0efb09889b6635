"""A typed form from a tool's JSON Schema."""

import json
from typing import Any

from django import forms

from tenants.kernel.jsonvalues import JsonObject

LONG_TEXT = 80


class JsonNumberField(forms.CharField):
    """A number as JSON writes it: what the reviewer types is what is sent."""

    def to_python(self, value: Any) -> Any:
        """Return int or float; raise ValidationError for anything else."""
        text = (super().to_python(value) or "").strip()
        if not text:
            return None
        try:
            number = json.loads(text)
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise forms.ValidationError("Enter a number, such as 12.5.")
        return number


class ArgumentsForm(forms.Form):
    """One field per property of the schema, filled with the current arguments; types are kept."""

    def __init__(self, schema: JsonObject, arguments: JsonObject, data: Any = None) -> None:
        super().__init__(data, prefix="arg")
        self.arguments = arguments
        required = set(schema.get("required", ()))
        properties = {**{name: {} for name in arguments}, **schema.get("properties", {})}
        for name, property_schema in properties.items():
            field = _field(property_schema, arguments.get(name))
            field.label, field.required = name, name in required and not isinstance(field, forms.BooleanField)
            field.help_text = property_schema.get("description", "")
            self.fields[name] = field

    def edited(self) -> JsonObject:
        """Return the complete new arguments; a blank optional field leaves its argument out."""
        result = {}
        for name, value in self.cleaned_data.items():
            if value in (None, "") and not (value == "" and self.arguments.get(name) == ""):
                continue
            result[name] = value
        return result


def _field(schema: JsonObject, value: Any) -> forms.Field:
    choices = schema.get("enum")
    if choices and all(isinstance(choice, str) for choice in choices):
        return forms.ChoiceField(choices=[(choice, choice) for choice in choices], initial=value)
    match schema.get("type"):
        case "string":
            is_long = isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value)
            widget = forms.Textarea(attrs={"rows": 6}) if is_long else forms.TextInput()
            return forms.CharField(initial=value, widget=widget, strip=False)
        case "integer" | "number":
            return JsonNumberField(initial=None if value is None else json.dumps(value))
        case "boolean":
            return forms.BooleanField(initial=bool(value))
        case _:
            return forms.JSONField(initial=value, widget=forms.Textarea(attrs={"rows": 4}))
