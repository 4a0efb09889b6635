"""A reviewer's form keeps the types of the arguments: what was a number stays that number."""

from typing import Any

import pytest
from django import forms

from hitl.reviews.forms import ArgumentsForm

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["count", "amount", "urgent", "text", "size"],
    "properties": {
        "count": {"type": "integer"},
        "amount": {"type": "number", "description": "In EUR"},
        "urgent": {"type": "boolean"},
        "text": {"type": "string"},
        "size": {"enum": ["small", "large"]},
        "note": {"type": "string"},
        "ratio": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "colour": {"enum": ["red", "blue"]},
        "notify": {"type": "boolean", "default": True},
        "nothing": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}
ARGUMENTS: dict[str, Any] = {"count": 3, "amount": 12.5, "urgent": True, "text": " a ", "size": "small"}
POSTED = {
    "arg-count": "3",
    "arg-amount": "12.5",
    "arg-urgent": "on",
    "arg-text": " a ",
    "arg-size": "small",
    "arg-tags": "null",
    "arg-colour": "",
    "arg-notify": "unknown",
}


def form(arguments: dict[str, Any] = ARGUMENTS, **posted: Any) -> ArgumentsForm:
    data = {**POSTED, **{f"arg-{name}": value for name, value in posted.items()}}
    return ArgumentsForm(SCHEMA, arguments, data)


def edited(arguments: dict[str, Any] = ARGUMENTS, **posted: Any) -> dict[str, Any]:
    bound = form(arguments, **posted)
    assert bound.is_valid(), bound.errors
    return bound.edited()


def as_a_browser_sends_it(form: ArgumentsForm) -> dict[str, str]:
    """Return what a browser posts of the form as it was shown."""
    data = {}
    for field in form:
        value, widget = field.value(), field.field.widget
        match widget:
            case forms.CheckboxInput():
                if value:
                    data[field.html_name] = "on"
            case forms.Select():
                options = [str(choice) for choice, _ in widget.choices]
                shown = widget.format_value(value)
                data[field.html_name] = next((o for o in options if o in shown), options[0])
            case forms.Textarea():
                text = "\n".join((widget.format_value(value) or "").splitlines())
                data[field.html_name] = text.replace("\n", "\r\n")
            case _:
                data[field.html_name] = widget.format_value(value) or ""
    return data


def unchanged(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what comes back when a reviewer posts the form as it was shown."""
    bound = ArgumentsForm(SCHEMA, arguments, as_a_browser_sends_it(ArgumentsForm(SCHEMA, arguments)))
    assert bound.is_valid(), bound.errors
    return bound.edited()


class TestTypes:
    def test_are_those_of_the_arguments(self) -> None:
        assert edited() == ARGUMENTS
        assert {name: type(value) for name, value in edited().items()} == {
            name: type(value) for name, value in ARGUMENTS.items()
        }

    @pytest.mark.parametrize(
        ("typed", "value"), [("25", 25), ("25.0", 25.0), ("25.50", 25.5), ("-1", -1), ("1e3", 1000.0)]
    )
    def test_of_numbers_are_as_typed(self, typed: str, value: float) -> None:
        amount = edited(amount=typed)["amount"]
        assert amount == value
        assert type(amount) is type(value)

    def test_of_a_box_that_is_not_ticked_is_false(self) -> None:
        data = {name: value for name, value in POSTED.items() if name != "arg-urgent"}
        bound = ArgumentsForm(SCHEMA, ARGUMENTS, data)
        assert bound.is_valid()
        assert bound.edited()["urgent"] is False

    def test_of_lists_and_objects_are_json(self) -> None:
        assert edited(tags='["a", 1, null]')["tags"] == ["a", 1, None]

    def test_text_keeps_its_blanks(self) -> None:
        assert edited(text="  b\n")["text"] == "  b\n"

    @pytest.mark.parametrize(
        "arguments",
        [
            ARGUMENTS,
            {**ARGUMENTS, "amount": 0.1, "count": 0},
            {**ARGUMENTS, "urgent": False},
            {**ARGUMENTS, "note": "", "ratio": 0},
            {**ARGUMENTS, "tags": ["a"]},
            {**ARGUMENTS, "tags": []},
            {**ARGUMENTS, "text": ""},
            {**ARGUMENTS, "text": "two\nlines, and a long one that is shown in a text area " * 3},
            {**ARGUMENTS, "colour": "blue"},
            {**ARGUMENTS, "notify": False},
            {**ARGUMENTS, "notify": True},
            {**ARGUMENTS, "nothing": None},
            {**ARGUMENTS, "nothing": "text"},
            {**ARGUMENTS, "unknown": {"nested": [1, "2"]}},
        ],
    )
    def test_survive_a_form_posted_as_it_was_shown(self, arguments: dict[str, Any]) -> None:
        assert unchanged(arguments) == arguments


class TestRefusals:
    @pytest.mark.parametrize(
        "typed", ["NaN", "Infinity", "-Infinity", "1e400", "true", "null", '"1"', "[1]", "1,5", "0x10", "one", "--1"]
    )  # fmt: skip
    def test_of_what_is_no_number(self, typed: str) -> None:
        assert "amount" in form(amount=typed).errors

    @pytest.mark.parametrize("name", ["count", "amount", "text", "size"])
    def test_of_a_required_field_left_blank(self, name: str) -> None:
        blank: dict[str, Any] = {name: ""}
        assert name in form(ARGUMENTS, **blank).errors

    def test_of_a_choice_that_was_not_offered(self) -> None:
        assert "size" in form(size="huge").errors

    def test_of_a_nul_character(self) -> None:
        assert "text" in form(text="a\x00b").errors

    def test_of_what_is_no_json(self) -> None:
        assert "tags" in form(tags="{").errors


class TestBlanks:
    def test_leave_an_optional_argument_out(self) -> None:
        assert "note" not in edited(note="")
        assert "ratio" not in edited(ratio="")

    def test_take_an_optional_argument_away(self) -> None:
        assert "note" not in edited({**ARGUMENTS, "note": "call first"}, note="")

    def test_leave_an_optional_choice_or_box_out(self) -> None:
        assert not {"colour", "notify"} & edited().keys()

    def test_keep_an_argument_that_was_blank(self) -> None:
        assert edited({**ARGUMENTS, "note": ""}, note="")["note"] == ""


class TestShown:
    def test_are_the_current_values_with_their_descriptions(self) -> None:
        shown = ArgumentsForm(SCHEMA, ARGUMENTS)
        assert shown["amount"].value() == "12.5"
        assert shown.fields["amount"].help_text == "In EUR"
        assert not shown.fields["note"].required

    def test_include_arguments_that_the_schema_does_not_name(self) -> None:
        assert "surprise" in ArgumentsForm(SCHEMA, {**ARGUMENTS, "surprise": 1}).fields

    def test_long_text_gets_room(self) -> None:
        shown = ArgumentsForm(SCHEMA, {**ARGUMENTS, "text": "a\nb", "note": "short"})
        assert isinstance(shown.fields["text"].widget, forms.Textarea)
        assert not isinstance(shown.fields["note"].widget, forms.Textarea)
