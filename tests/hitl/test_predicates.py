"""Who a rule is for: a closed language, and nothing in it is run as Python."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.reviews.predicates import MAX_LENGTH, Reviewer, in_words, matches, parse
from tenants.kernel.errors import InvalidInput

BOB = Reviewer(id=2, username="bob", groups=frozenset({"payments", "risk"}))
WORDS = st.sampled_from(["bob", "rita", "payments", "risk", "o'brien", 'the "few"', "a\\b", "é"])


class TestMatches:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", True),
            ("  \n", True),
            ("'payments' in reviewer.groups", True),
            ('"payments" in reviewer.groups', True),
            ("'cro' in reviewer.groups", False),
            ("'cro' not in reviewer.groups", True),
            ("'pay' in reviewer.groups", False),
            ("reviewer.username == 'bob'", True),
            ("'bob' == reviewer.username", True),
            ("reviewer.username != 'bob'", False),
            ("reviewer.username == 'BOB'", False),
            ("'risk' in reviewer.groups and 'cro' in reviewer.groups", False),
            ("'risk' in reviewer.groups or 'cro' in reviewer.groups", True),
            ("not 'cro' in reviewer.groups", True),
            ("not ('risk' in reviewer.groups or reviewer.username == 'rita')", False),
            ("'a' in reviewer.groups or 'risk' in reviewer.groups and 'b' in reviewer.groups", False),
            ("('a' in reviewer.groups or 'risk' in reviewer.groups) and reviewer.username == 'bob'", True),
        ],
    )
    def test_asks_for_groups_and_names(self, text: str, expected: bool) -> None:
        assert matches(text, BOB) is expected

    def test_of_what_is_not_understood_admits_nobody(self) -> None:
        assert not matches("True", BOB)
        assert not matches("not (", BOB)

    @given(WORDS, st.sets(WORDS))
    def test_takes_any_quoted_text(self, group: str, groups: set[str]) -> None:
        reviewer = Reviewer(id=1, username=group, groups=frozenset(groups))
        assert matches(f"{group!r} in reviewer.groups", reviewer) == (group in groups)
        assert matches(f"reviewer.username == {group!r}", reviewer)


class TestParse:
    @pytest.mark.parametrize(
        "text",
        [
            "True",
            "1",
            "'payments'",
            "reviewer",
            "reviewer.groups",
            "reviewer.groups == 'payments'",
            "reviewer.username in 'bob'",
            "reviewer.groups in 'payments'",
            "'bob' in reviewer.username",
            "reviewer.id == 2",
            "reviewer.id == '2'",
            "reviewer.is_superuser == 'yes'",
            "user.username == 'bob'",
            "reviewer.username == reviewer.username",
            "'bob' == 'bob'",
            "reviewer.username < 'c'",
            "reviewer.username is 'bob'",
            "'a' == reviewer.username == 'a'",
            "reviewer.username == b'bob'",
            "reviewer.username == f'bob'",
            "reviewer.username == 'b' + 'ob'",
            "reviewer.username == None",
            "reviewer.__class__ == 'x'",
            "reviewer.groups.__class__ == 'x'",
            "'x' in reviewer.groups.union('x')",
            "'x' in reviewer.groups()",
            "'x' in reviewer.groups[0]",
            "'x' in [g for g in reviewer.groups]",
            "any(g == 'x' for g in reviewer.groups)",
            "__import__('os').system('true')",
            "(lambda: True)()",
            "'x' in reviewer.groups if True else True",
            "(x := 'a') in reviewer.groups",
            "'x' in reviewer.groups; 1",
            "x = 1",
            "import os",
            "'x' in reviewer.groups and True",
            "not True",
            "(",
            "'x' in",
            "\x00",
            "'\ud800' in reviewer.groups",
            "(" * 240 + "'x' in reviewer.groups" + ")" * 240,
            "'x' in reviewer.groups" + " " * MAX_LENGTH + "or True",
            "'" + "x" * 1_000_000 + "' in reviewer.groups",
        ],
    )
    def test_refuses_everything_else(self, text: str) -> None:
        with pytest.raises(InvalidInput) as raised:
            parse(text)
        assert raised.value.detail.startswith(("The condition", "A condition"))
        assert len(raised.value.detail) < MAX_LENGTH * 4

    @given(st.text(max_size=MAX_LENGTH))
    def test_never_fails_otherwise(self, text: str) -> None:
        try:
            parse(text)(BOB)
        except InvalidInput:
            assert not matches(text, BOB)


class TestInWords:
    def test_says_who(self) -> None:
        assert in_words("'risk' in reviewer.groups") == "'risk' in their groups"
        assert in_words(" ") == "anybody who may decide reviews"
