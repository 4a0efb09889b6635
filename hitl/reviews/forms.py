"""A typed form from a tool's JSON Schema."""

import json
from typing import Any

from django import forms

from tenants.kernel.jsonvalues import JsonObject, storable

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
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not is_number or storable(number) != number:
            raise forms.ValidationError("Enter a number, such as 12.5.")
        return number


class TextField(forms.CharField):
    """Text as it was proposed: browsers send CR LF for each line break of a text area."""

    def to_python(self, value: Any) -> Any:
        """Return the text with the line breaks that it had."""
        text: Any = super().to_python(value)
        return text if "\r" in (self.initial or "") else text.replace("\r\n", "\n")


class ArgumentsForm(forms.Form):
    """One field per property of the schema, filled with the current arguments; types are kept."""

    def __init__(self, schema: JsonObject, arguments: JsonObject, data: Any = None) -> None:
        super().__init__(data, prefix="arg")
        self.arguments = arguments
        required = set(schema.get("required", ()))
        properties = {**{name: {} for name in arguments}, **schema.get("properties", {})}
        for name in dict.fromkeys([*schema.get("required", ()), *properties]):
            property_schema = properties.get(name, {})
            field = _field(property_schema, arguments.get(name), required=name in required)
            field.label = name
            field.help_text = property_schema.get("description", "")
            self.fields[name] = field

    def edited(self) -> JsonObject:
        """Return the complete new arguments; a blank optional field leaves its argument out."""
        result = {}
        for name, value in self.cleaned_data.items():
            was_so = name in self.arguments and self.arguments[name] == value
            if value not in (None, "") or was_so:
                result[name] = value
        return result


def _field(schema: JsonObject, value: Any, *, required: bool) -> forms.Field:
    """Return a field that, posted as it is shown, gives `value` back; the gate checks the schema."""
    choices = schema.get("enum")
    if choices and all(isinstance(choice, str) for choice in choices):
        blank = [] if required and value is not None else [("", "")]
        pairs = [*blank, *((choice, choice) for choice in choices)]
        return forms.ChoiceField(choices=pairs, initial=value, required=required)
    match schema.get("type"):
        case "string":
            is_long = isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value)
            widget = forms.Textarea(attrs={"rows": 6}) if is_long else forms.TextInput()
            return TextField(initial=value, widget=widget, strip=False, required=required and value != "")
        case "integer" | "number":
            return JsonNumberField(initial=None if value is None else json.dumps(value), required=required)
        case "boolean" if required:
            return forms.BooleanField(initial=bool(value), required=False)
        case "boolean":
            return forms.NullBooleanField(initial=value)
        case _:
            widget = forms.Textarea(attrs={"rows": 4})
            return forms.JSONField(initial=value, widget=widget, required=False)
