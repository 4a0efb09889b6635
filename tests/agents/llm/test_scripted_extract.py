import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.llm.scripted.extract import EXTRACTORS
from agents.llm.scripted.words import by_pattern, by_words, normalise


class TestMoney:
    @pytest.mark.parametrize(
        ("text", "amount"),
        [
            ("Please refund 25.00 for order A-1001", "25.00"),
            ("refund $12.50", "12.50"),
            ("refund 12,50 EUR", "12.50"),
            ("EUR 40", "40"),
            ("€40", "40"),
            ("40 euros", "40"),
            ("12.50$", "12.50"),
            ("US$ 40", "40"),
            ("1,250.00 USD", "1250.00"),
            ("EUR 1.250,50", "1250.50"),
            ("1'250.00 CHF", "1250.00"),
            ("5 000 EUR", "5000"),
            ("1 250,00 EUR", "1250.00"),
            ("USD 1,250", "1250"),
            ("refund 25 for order A-1001", "25"),
            ("give the customer 25 back", "25"),
            ("refund -25.00", "-25.00"),
            ("refund -$5", "-5"),
            ("refund 25 EUR (25.00)", "25"),
        ],
    )
    def test_is_read_in_any_usual_spelling(self, text: str, amount: str) -> None:
        assert EXTRACTORS["money"](text) == (amount,)

    @pytest.mark.parametrize(
        "text",
        [
            "refund order A-1001",
            "refund order 1001",
            "refund order A-1001, 2 cups were broken",
            "refund A-1001, it came 12 days late on 2026-11-05",
            "refund A-1001, bought on 5.11.2026",
            "refund 50% of A-1001",
            "refund forty euros",
            "refund $2k",
            "refund A-1001, write to a.1001@mail25.00.example",
        ],
    )
    def test_is_not_read_into_other_figures(self, text: str) -> None:
        assert EXTRACTORS["money"](text) == ()

    @pytest.mark.parametrize(
        ("text", "amounts"),
        [
            ("refund 25 of the 89.90 for order A-1001", ("25", "89.90")),
            ("refund 1.250 EUR", ("1250", "1.250")),
            ("refund 10.00 or 20.00", ("10.00", "20.00")),
        ],
    )
    def test_gives_every_reading_of_an_ambiguous_request(self, text: str, amounts: tuple[str, ...]) -> None:
        assert EXTRACTORS["money"](text) == amounts


class TestOrderNumber:
    @pytest.mark.parametrize(
        ("text", "orders"),
        [
            ("order A-1001", ("A-1001",)),
            ("a-1001, please", ("A-1001",)),
            ("A1001", ("A-1001",)),
            ("#A-1001", ("A-1001",)),
            ("order 1001", ("1001",)),
            ("order no. 1001", ("1001",)),
            ("A-1001 and A-1002, I mean A-1001", ("A-1001", "A-1002")),
            ("EUR400", ()),
            ("jane-a1001@example.org", ()),
            ("order 10%", ()),
        ],
    )
    def test_is_found(self, text: str, orders: tuple[str, ...]) -> None:
        assert EXTRACTORS["order"](text) == orders


class TestPerson:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("Calculate a 10% bonus for Dana Whitfield and email her", ("Dana Whitfield",)),
            ("Who is Dana Whitfield?", ("Dana Whitfield",)),
            ("who is dana whitfield?", ("Dana Whitfield",)),
            ("What is Dana Whitfield's salary?", ("Dana Whitfield",)),
            ("Calculate Dana Whitfield's bonus", ("Dana Whitfield",)),
            ("Tell me about Dr. Dana Whitfield.", ("Dana Whitfield",)),
            ("What does Marcus van der Berg earn?", ("Marcus van der Berg",)),
            ("When was Anne-Marie O'Neil hired?", ("Anne-Marie O'Neil",)),
            ("Is Dana Whitfield in Human Resources?", ("Dana Whitfield",)),
            ("Since Monday Øystein Åberg is here", ("Øystein Åberg",)),
            ("Bonus for J. Smith", ("J. Smith",)),
            ("Bonus for Dana", ("Dana",)),
            ("Bonus for Dana Whitfield and Sam Ortiz", ("Dana Whitfield", "Sam Ortiz")),
            ("Calculate a bonus", ()),
            ("how long has the team been with us?", ()),
        ],
    )
    def test_is_found(self, text: str, names: tuple[str, ...]) -> None:
        assert EXTRACTORS["person"](text) == names


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("kind", "text", "found"),
        [
            ("percent", "a 10% bonus", ("10",)),
            ("percent", "12,5 % or 12.5 percent", ("12.5",)),
            ("percent", "7 per cent", ("7",)),
            ("percent", "ten percent", ()),
            ("email", "write to dana.w@example.org.", ("dana.w@example.org",)),
            ("email", "dana at example", ()),
            ("date", "on 2026-11-05", ("2026-11-05",)),
            ("date", "on 5.11.2026", ("2026-11-05",)),
            ("date", "5 November 2026 or Nov. 6th, 2026", ("2026-11-05", "2026-11-06")),
            ("date", "31.02.2026", ()),
            ("date", "5/6/2026", ()),
        ],
    )
    def test_are_found(self, kind: str, text: str, found: tuple[str, ...]) -> None:
        assert EXTRACTORS[kind](text) == found

    @given(text=st.text(alphabet=string.printable + "€£ß²٣\u2019\u2013", max_size=60))
    def test_never_fail(self, text: str) -> None:
        for extract in EXTRACTORS.values():
            extract(normalise(text))


class TestNegation:
    @pytest.mark.parametrize(
        ("text", "asked"),
        [
            ("refund it", True),
            ("Please REFUND it", True),
            ("do not refund it", False),
            ("don't refund it", False),
            ("don\u2019t refund it", False),
            ("no refund", False),
            ("I do not want a refund", False),
            ("you must not refund it", False),
            ("I don't want you to refund it", False),
            ("without a refund", False),
            ("No, refund it", True),
            ("can't you refund it?", True),
            ("don't forget to refund it", True),
            ("it is not working, refund it", True),
            ("it does not work please refund it", True),
            ("do not refund A-1001 but refund A-1002", True),
            ("refundable", False),
        ],
    )
    def test_an_instruction_counts_only_when_it_is_not_negated(self, text: str, asked: bool) -> None:
        assert bool(by_words(["refund"]).find(normalise(text))) is asked


class TestPhrases:
    @pytest.mark.parametrize(
        ("phrase", "text", "found"),
        [
            ("money back", "my  money\nback", True),
            ("money back", "moneyback", False),
            ("give ... back", "give the customer 25.00 back", True),
            ("give ... back", "give back", True),
            ("track*", "tracking", True),
            ("track", "tracking", False),
            ("e-mail", "an e-mail", True),
            ("fault: cut", "fault: cut", True),
            (r"/\d+ back/", "40 back", True),
        ],
    )
    def test_match_whole_words(self, phrase: str, text: str, found: bool) -> None:
        assert bool(by_words([phrase]).find(text)) is found

    def test_negation_is_looked_for_before_the_value_of_a_pattern(self) -> None:
        condition = by_pattern(r"\bto\s+(?P<value>pay)\b")
        assert condition.find("I want to pay")
        assert not condition.find("I do not want to pay")
