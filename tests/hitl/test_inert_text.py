"""Text of agents is shown completely, and can neither hide, reorder nor act."""

import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.kernel.lookalikes import look_alikes
from tenants.templatetags import display
from tenants.templatetags.display import inert


class TestInert:
    def test_leaves_plain_text_as_it_is(self) -> None:
        assert inert("Grüße, 東京, مرحبا — 25.00 €") == "Grüße, 東京, مرحبا — 25.00 €"

    def test_keeps_spaces_tabs_and_line_breaks(self) -> None:
        assert inert("a  b\tc\n\n d") == "a  b\tc\n\n d"

    def test_escapes_markup(self) -> None:
        assert inert("<b onclick='x'>&\"") == "&lt;b onclick=&#x27;x&#x27;&gt;&amp;&quot;"

    @pytest.mark.parametrize(
        ("hidden", "point", "name"),
        [
            ("\u202e", "U+202E", "RIGHT-TO-LEFT OVERRIDE"),
            ("\u2066", "U+2066", "LEFT-TO-RIGHT ISOLATE"),
            ("\u200b", "U+200B", "ZERO WIDTH SPACE"),
            ("\u200d", "U+200D", "ZERO WIDTH JOINER"),
            ("\ufeff", "U+FEFF", "ZERO WIDTH NO-BREAK SPACE"),
            ("\u00ad", "U+00AD", "SOFT HYPHEN"),
            ("\u00a0", "U+00A0", "NO-BREAK SPACE"),
            ("\u2028", "U+2028", "LINE SEPARATOR"),
            ("\u3164", "U+3164", "HANGUL FILLER"),
            ("\u2800", "U+2800", "BRAILLE PATTERN BLANK"),
            ("\ufe0f", "U+FE0F", "VARIATION SELECTOR-16"),
            ("\U000e0041", "U+E0041", "TAG LATIN CAPITAL LETTER A"),
            ("\r", "U+000D", "UNNAMED CHARACTER"),
            ("\x1b", "U+001B", "UNNAMED CHARACTER"),
            ("\ue000", "U+E000", "UNNAMED CHARACTER"),
            ("\ud800", "U+D800", "UNNAMED CHARACTER"),
        ],
    )
    def test_marks_what_hides_or_reorders(self, hidden: str, point: str, name: str) -> None:
        assert inert(f"a{hidden}b") == f'a<span class="code-point" title="{name}">{point}</span>b'

    @given(st.text())
    def test_lets_no_unseen_character_through(self, text: str) -> None:
        shown = inert(text)
        assert all(c in " \n\t" or unicodedata.category(c)[0] not in "CZ" for c in shown)

    @given(st.text())
    def test_gives_text_that_can_be_encoded(self, text: str) -> None:
        inert(text).encode()

    def test_tells_whether_it_marked_anything(self) -> None:
        assert not display.has_marks('class="code-point"')
        assert display.has_marks("\u202e")

    def test_looks_for_marks_everywhere_in_a_json_value(self) -> None:
        assert display.has_marks({"a": [1, None, {"b": "\x1b"}]})
        assert display.has_marks({"a\u200b": 1})
        assert not display.has_marks({"a": [1, None, {"b": "c"}]})


class TestLookAlikes:
    @pytest.mark.parametrize(
        ("text", "marked"),
        [
            ("payp\u0430l.com", {4: "CYRILLIC SMALL LETTER A, not a"}),
            ("\u0441\u043e\u0440\u0435", {0, 1, 2, 3}),  # "cope", and no letter of it is Latin
            ("\U0001d429ay", {0}),
            ("\uff21-1001", {0}),
            ("\u0391-1001", {0}),
            ("Привет, как дела?", {}),
            ("Иванов paid PayPal", {}),
            ("Ελλάδα", {}),
            ("東京 tokyo ٣", {}),
            ("Grüße, naïve, Łódź", {}),
            ("m² and ½", {}),
        ],
    )
    def test_are_letters_that_pass_for_those_of_another_alphabet(self, text: str, marked: Any) -> None:
        found = look_alikes(text)
        assert found == marked if isinstance(marked, dict) else set(found) == marked

    def test_are_shown_with_a_mark_and_stay_what_they_are(self) -> None:
        shown = inert("payp\u0430l<b>")
        mark = '<span class="look-alike" title="CYRILLIC SMALL LETTER A, not a">\u0430</span>'
        assert shown == f"payp{mark}l&lt;b&gt;"
        assert display.has_look_alikes({"to": ["payp\u0430l"]})
        assert not display.has_look_alikes({"to": ["paypal", 1, None]})

    def test_cost_a_long_text_no_time(self) -> None:
        begun = time.perf_counter()
        assert len(inert("Refund <b> " * 100_000)) > 1_000_000
        assert time.perf_counter() - begun < 2


class TestTextChanges:
    def test_marks_the_words_that_went_and_came(self) -> None:
        woven = display.text_changes("refund 25 now", "refund 20 now")
        assert woven == "refund <del>25</del><ins>20</ins> now"

    def test_keeps_numbers_and_addresses_whole(self) -> None:
        assert display.text_changes("20.0", "15.5") == "<del>20.0</del><ins>15.5</ins>"
        assert display.text_changes("to ann@a.example", "to bob@a.example").startswith(
            "to <del>ann@a.example</del>"
        )

    def test_shows_hidden_characters_in_what_came(self) -> None:
        assert "U+200B" in display.text_changes("pay", "pay\u200b")

    def test_escapes_markup(self) -> None:
        assert "<script>" not in display.text_changes("<script>", "<script>alert(1)</script>")

    def test_shows_a_very_long_change_whole(self) -> None:
        before, after = "a " * 3000, "b " * 3000
        assert display.text_changes(before, after) == f"<del>{before}</del><ins>{after}</ins>"


class TestOneLine:
    def test_names_each_argument(self) -> None:
        line = display.one_line({"order_id": "A-1001", "amount": 25.0, "note": "a\n b", "items": [1, None]})
        assert line == "order_id: A-1001 · amount: 25.0 · note: a b · items: [1, null]"

    def test_says_when_it_is_cut(self) -> None:
        line = display.one_line({"text": "x" * 500}, 20)
        assert line == "text: xxxxxxxxxxxxx…"


class TestMembers:
    def test_an_argument_named_items_hides_nothing(self) -> None:
        assert display.members({"items": [1], "to": "a"}) == [("items", [1]), ("to", "a")]


class TestDuration:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-1, "0 s"),
            (59.9, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ],
    )
    def test_uses_the_units_that_matter(self, seconds: float, text: str) -> None:
        assert display.duration(seconds) == text


class TestJsonType:
    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            (None, "null"),
            (True, "true or false"),
            (1, "number"),
            (1.5, "number"),
            ("1", "text"),
            ([], "list"),
            ({}, "object"),
        ],
    )
    def test_names_the_kind_in_plain_words(self, value: object, kind: str) -> None:
        assert display.json_type(value) == kind


class TestWords:
    @pytest.mark.parametrize(
        ("name", "words"), [("refund_order", "Refund order"), ("crm.sendMail", "Crm sendMail")]
    )
    def test_a_tool_name_reads_as_words(self, name: str, words: str) -> None:
        assert display.words(name) == words


class TestBadge:
    def test_says_the_word_and_escapes_it(self) -> None:
        assert (
            display.badge("require_approval")
            == '<span class="badge status-require-approval">require approval</span>'
        )
        assert "<b>" not in display.badge("<b>")


class TestManyUnseenCharacters:
    def test_are_marked_in_a_moment(self) -> None:
        started = time.perf_counter()
        assert display.has_marks({"reason": "x\u202e" * 200_000})
        assert inert("\u202e" * 200_000).count("U+202E") == 200_000
        assert time.perf_counter() - started < 2
