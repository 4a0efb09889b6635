import pytest

from agents.llm.scripted.templates import MissingValueError, TemplateError, parse
from agents.llm.scripted.types import Json

VALUES: dict[str, Json] = {
    "order": "A-1001",
    "amount": "25.00",
    "lookup": {
        "total": 89.9,
        "count": 3,
        "refunded": False,
        "items": [{"name": "lamp"}],
        "note": None,
        "long": "word " * 99,
    },
}


class TestValue:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("order {order}", "order A-1001"),
            ("{order}", "A-1001"),
            ("{amount:number}", 25.0),
            ("{lookup.count:number}", 3),
            ("{lookup.count:integer}", 3),
            ("{lookup.count}", "3"),
            ("{amount|lookup.total:number}", 25.0),
            ("{missing|lookup.total:number}", 89.9),
            ("{missing|'10':number}", 10.0),
            ("{missing|''}", ""),
            ("{lookup.total:money}", "89.90"),
            ("{lookup.total:money} EUR", "89.90 EUR"),
            ("{lookup.items.0.name}", "lamp"),
            ("{lookup.refunded}", "no"),
            ("{lookup.note|'none'}", "none"),
            ("{missing|'we are late':sentence}", "We are late."),
            ("{lookup.long:short}", "word " * 31 + "..."),
            ("{{literal}} {order}", "{literal} A-1001"),
            ("", ""),
        ],
    )
    def test_is_filled_in_its_kind(self, text: str, value: Json) -> None:
        filled = parse(text).value(VALUES)
        assert filled == value
        assert type(filled) is type(value)

    def test_writes_whole_floats_without_decimals_in_texts(self) -> None:
        assert parse("{percent}%").text({"percent": 10.0}) == "10%"

    @pytest.mark.parametrize(
        "text", ["{missing}", "{lookup.missing}", "{lookup.items.7.name}", "{order:number}", "{order.deeper}"]
    )
    def test_that_is_nowhere_is_an_error_that_names_it(self, text: str) -> None:
        with pytest.raises(MissingValueError, match=text.strip("{}").partition(":")[0]):
            parse(text).value(VALUES)

    @pytest.mark.parametrize("text", ["{order", "order}", "{}", "{a b}", "{order:colour}", "{order|}"])
    def test_refuses_what_is_no_placeholder(self, text: str) -> None:
        with pytest.raises(TemplateError):
            parse(text)
