"""What stands out among calls of one shape. Pure."""

from typing import Any

import pytest

from hitl.desk.outliers import flattened, robust_scores, standings


def refunds(*amounts: float, reason: str = "arrived broken") -> list[dict[str, Any]]:
    return [{"amount": amount, "reason": reason} for amount in amounts]


def reasons(calls: list[dict[str, Any]]) -> list[list[str]]:
    """Return the names of the arguments by which each call stands out."""
    return [[name for name, _ in standing.reasons] for standing in standings(calls)]


class TestNumbers:
    def test_far_from_the_usual_stand_out(self) -> None:
        found = reasons(refunds(20, 25, 22, 24, 21, 23, 900))
        assert found == [[]] * 6 + [["amount"]]

    def test_below_the_usual_stand_out_too(self) -> None:
        assert reasons(refunds(200, 205, 202, 204, 201, 203, -40))[-1] == ["amount"]

    def test_are_judged_by_their_mean_deviation_where_most_are_equal(self) -> None:
        assert reasons(refunds(*[25.0] * 20, 500.0))[-1] == ["amount"]

    def test_that_are_all_equal_do_not(self) -> None:
        assert robust_scores([3, 3, 3, 3]) == [0.0] * 4

    def test_are_not_judged_among_three(self) -> None:
        assert reasons(refunds(1, 2, 900)) == [[]] * 3

    def test_are_ranked_by_how_far_they_are(self) -> None:
        scores = [standing.score for standing in standings(refunds(20, 25, 22, 24, 21, 23, 900, 90))]
        assert scores[6] > scores[7] > 0


class TestTexts:
    def test_that_few_have_while_most_have_another_stand_out(self) -> None:
        calls = [*refunds(*[25.0] * 12), {"amount": 25.0, "reason": "because I say so"}]
        assert reasons(calls)[-1] == ["reason"]

    def test_that_all_differ_do_not(self) -> None:
        assert reasons([{"order": f"A-{n}"} for n in range(20)]) == [[]] * 20

    def test_much_longer_than_the_others_stand_out(self) -> None:
        calls = [{"body": f"Hello {'x' * (20 + n)}"} for n in range(10)]
        assert reasons([*calls, {"body": "Hello " + "y" * 900}])[-1] == ["body"]

    def test_count_true_and_the_number_one_apart(self) -> None:
        calls: list[dict[str, Any]] = [{"flag": 1} for _ in range(12)]
        assert reasons([*calls, {"flag": True}])[-1] == ["flag"]


class TestDepth:
    @pytest.mark.parametrize(
        ("value", "leaves"),
        [
            ({"a": {"b": 1}, "c": "x"}, {"a.b": 1, "c": "x"}),
            ({"a": [1, 2]}, {"a[]": 1, "a[] 2": 2}),
            ({"a": [], "b": {}}, {"a": [], "b": {}}),
        ],
    )
    def test_leaves_are_found_by_their_path(self, value: dict[str, Any], leaves: dict[str, Any]) -> None:
        assert flattened(value) == leaves

    def test_a_member_of_an_object_stands_out(self) -> None:
        calls = [{"order": {"total": 20 + n}} for n in range(8)]
        assert reasons([*calls, {"order": {"total": 9000}}])[-1] == ["order.total"]
