"""The form with which a person gives a grant, filled from the call they saw."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms

from hitl.grants.operations import MAX_REASON
from hitl.grants.types import DEFAULT_LASTS, MAX_LASTS, MAX_USES, GrantRequest, Op, Scope
from hitl.reviews.forms import JsonNumberField
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from tenants.kernel.jsonvalues import JsonObject
from tenants.templatetags.display import has_marks

HOUR = timedelta(hours=1)
EXACTLY, ANYTHING, ABSENT, BETWEEN, ONE_OF, BEGINS = (
    "exactly",
    "anything",
    "absent",
    "between",
    "one_of",
    "begins",
)
SCOPES = [
    (Scope.EXACT_ARGS, "Exactly these arguments"),
    (Scope.ARGS_PATTERN, "Arguments within the limits below"),
    (Scope.TOOL, "Any arguments"),
]


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of the call, or one that its schema allows besides, with its fields."""

    name: str
    value: Any
    given: bool
    declared: bool
    how: Any
    text: Any = None
    low: Any = None
    high: Any = None

    @property
    def ends(self) -> tuple[Any, Any]:
        """Return the fields of a number's two ends."""
        return self.low, self.high


class GrantForm(forms.Form):
    """Which calls, whose runs, how often, how long, and why."""

    scope = forms.ChoiceField(choices=SCOPES, widget=forms.RadioSelect, initial=Scope.EXACT_ARGS)
    requester = forms.ChoiceField(widget=forms.RadioSelect, initial="this")
    uses = forms.IntegerField(min_value=1, max_value=MAX_USES, initial=1)
    hours = forms.FloatField(
        min_value=0.25,
        max_value=MAX_LASTS / HOUR,
        initial=DEFAULT_LASTS // HOUR,
        widget=forms.NumberInput(attrs={"step": "0.25"}),
    )
    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)
    reason = forms.CharField(max_length=MAX_REASON, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, review: Review, data: Any = None) -> None:
        super().__init__(data)
        self.fields["digest"].initial = review.digest
        requester: Any = self.fields["requester"]
        requester.choices = [("this", f"{review.requester.username} only"), ("anyone", "Anyone")]
        declared = review.parameters.get("properties")
        properties: JsonObject = declared if isinstance(declared, dict) else {}
        names = dict.fromkeys([*review.argument_names, *properties])
        self._arguments = [
            self._argument(n, name, review.arguments, properties)
            for n, name in enumerate(names)
            if _is_sayable(name)
        ]

    def _argument(self, n: int, name: str, arguments: JsonObject, properties: JsonObject) -> JsonObject:
        given, value = name in arguments, arguments.get(name)
        schema = properties.get(name)
        kind = _kind(value) if given else (schema.get("type") if isinstance(schema, dict) else None)
        ways = [(EXACTLY, "exactly this")] if given else [(ABSENT, "not given")]
        key = f"argument{n}"
        match kind:
            case "number" | "integer":
                ways.append((BETWEEN, "between"))
                written = json.dumps(value) if given else None
                for end, label in (("low", "at least"), ("high", "at most")):
                    self.fields[f"{key}_{end}"] = JsonNumberField(
                        required=False, initial=written, label=label
                    )
            case "string":
                ways += [(ONE_OF, "one of, a line each"), (BEGINS, "beginning with")]
                self.fields[f"{key}_text"] = forms.CharField(
                    required=False,
                    strip=False,
                    initial=None if has_marks(value) else value,
                    label="text",
                    widget=forms.Textarea(attrs={"rows": 1}),
                )
        ways.append((ANYTHING, "anything"))
        self.fields[f"{key}_how"] = forms.ChoiceField(
            choices=ways, initial=ways[0][0], required=False, label="which values"
        )
        return {"key": key, "name": name, "value": value, "given": given, "declared": name in properties}

    def arguments(self) -> list[Argument]:
        """Return each argument with its bound fields, for the page."""
        return [
            Argument(
                name=each["name"],
                value=each["value"],
                given=each["given"],
                declared=each["declared"],
                **{
                    part: self[f"{each['key']}_{part}"]
                    for part in ("how", "text", "low", "high")
                    if f"{each['key']}_{part}" in self.fields
                },
            )
            for each in self._arguments
        ]

    def clean(self) -> JsonObject:
        """Make the conditions, and refuse those that limit nothing although they are meant to."""
        cleaned: JsonObject = super().clean() or {}
        cleaned["conditions"] = []
        if cleaned.get("scope") == Scope.ARGS_PATTERN:
            for each in self._arguments:
                cleaned["conditions"] += self._conditions(each, cleaned)
            if not cleaned["conditions"] and not self.errors:
                self.add_error("scope", "Limit at least one argument, or choose any arguments.")
        return cleaned

    def _conditions(self, each: JsonObject, cleaned: JsonObject) -> list[JsonObject]:
        key, name = each["key"], each["name"]

        def condition(op: Op, value: Any) -> JsonObject:
            return {"path": name, "op": op.value, "value": value}

        match cleaned.get(f"{key}_how"):
            case "exactly":
                return [condition(Op.EQ, each["value"])]
            case "absent":
                return [condition(Op.PRESENT, False)]
            case "between":
                ends = ((Op.GE, cleaned.get(f"{key}_low")), (Op.LE, cleaned.get(f"{key}_high")))
                limits = [condition(op, end) for op, end in ends if end is not None]
                if not limits and f"{key}_low" not in self.errors and f"{key}_high" not in self.errors:
                    self.add_error(f"{key}_low", "Enter at least one end.")
                return limits
            case "one_of":
                lines = [line for line in (cleaned.get(f"{key}_text") or "").splitlines() if line]
                if not lines:
                    self.add_error(f"{key}_text", "Enter at least one line.")
                return [condition(Op.IN, lines)]
            case "begins":
                beginning = (cleaned.get(f"{key}_text") or "").replace("\r\n", "\n")
                if not beginning:
                    self.add_error(f"{key}_text", "Enter how it begins.")
                return [condition(Op.PREFIX, beginning)]
            case "anything" if each["declared"]:
                return []
            case "anything":
                return [condition(Op.PRESENT, True)]
            case _:
                self.add_error(f"{key}_how", "Choose one of the ways.")
                return []

    def asked(self, assurance: Assurance) -> GrantRequest:
        """Return what the person asks for."""
        given = self.cleaned_data
        return GrantRequest(
            scope=given["scope"],
            conditions=given["conditions"],
            uses=given["uses"],
            lasts=timedelta(hours=given["hours"]),
            anyone=given["requester"] == "anyone",
            reason=given["reason"],
            digest=given["digest"],
            assurance=assurance,
        )


def _is_sayable(name: str) -> bool:
    """Tell whether a condition can name the argument: in a path, a dot leads to a member."""
    return bool(name) and "." not in name


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return "other"
