"""Where the values of a call appear in what the run had read."""

from typing import Any

import pytest

from hitl.reviews import provenance

EVIDENCE: dict[str, Any] = {
    "query": "Please refund 25.00 for order A-1001, it arrived broken",
    "steps": [
        {"number": 1, "kind": "model", "name": "m", "text": "I look up jonas.keller@example.com"},
        {
            "number": 2,
            "kind": "tool",
            "name": "lookup_order",
            "arguments": {"order_id": "A-1001"},
            "content": {
                "order_id": "A-1001",
                "total": 1249.0,
                "customer_email": "jonas.keller@example.com",
                "note": 'He said: "Call me."\nTwice.',
            },
        },
        {"number": 3, "kind": "person", "name": "hand-off", "content": {"message": "Use account DE-77"}},
        {"number": 4, "kind": "tool", "name": "refund_order", "content": None},
    ],
}


def found(value: Any, evidence: dict[str, Any] = EVIDENCE, influence: Any = ()) -> list[tuple[Any, ...]]:
    (finding,) = provenance.trace({"value": value}, evidence, influence)
    return [(one.source, one.step, one.match) for one in finding.appears_in]


class TestTrace:
    @pytest.mark.parametrize(
        ("value", "where"),
        [
            ("A-1001", [("request", None, "exact"), ("result", 2, "exact")]),
            ("arrived broken", [("request", None, "exact")]),
            ("Arrived   BROKEN!", [("request", None, "loose")]),
            (25, [("request", None, "exact")]),
            (25.0, [("request", None, "exact")]),
            ("25", [("request", None, "exact")]),
            (1249, [("result", 2, "exact")]),
            ("1,249.00", [("result", 2, "loose")]),
            ("jonas.keller@example.com", [("result", 2, "exact")]),
            ("DE-77", [("person", 3, "exact")]),
            ('He said: "Call me."\nTwice.', [("result", 2, "exact")]),
            ("eve@example.com", []),
            ("1001", [("request", None, "exact"), ("result", 2, "exact")]),
            ("A-100", []),
            (124, []),
        ],
    )
    def test_finds_whole_words_and_numbers(self, value: Any, where: list[Any]) -> None:
        assert found(value) == where

    def test_does_not_take_what_the_agent_said_for_a_source(self) -> None:
        evidence = {"query": "", "steps": [{"number": 1, "kind": "model", "text": "eve", "content": "eve"}]}
        assert found("eve", evidence) == []

    def test_says_when_a_result_is_not_to_be_trusted(self) -> None:
        (finding,) = provenance.trace({"to": "jonas.keller@example.com"}, EVIDENCE, ("lookup_order",))
        assert [one.trusted for one in finding.appears_in] == [False]

    @pytest.mark.parametrize("value", [True, None, "", "x", 5, {}, []])
    def test_does_not_look_for_what_appears_everywhere(self, value: Any) -> None:
        (finding,) = provenance.trace({"value": value}, EVIDENCE)
        assert not finding.looked_for

    def test_looks_into_objects_and_lists(self) -> None:
        nested = {"to": [{"a/b": "A-1001"}, "eve@example.com"]}
        pointers = {f.pointer: bool(f.appears_in) for f in provenance.trace(nested, EVIDENCE)}
        assert pointers == {"/to/0/a~1b": True, "/to/1": False}

    def test_of_nothing_is_nothing(self) -> None:
        assert provenance.trace({}, EVIDENCE) == []
        assert found("A-1001", {}) == []

    def test_is_told_over_the_api_by_pointer(self) -> None:
        told = provenance.to_json(provenance.trace({"order": "A-1001", "fast": True, "to": "eve"}, EVIDENCE))
        assert told["/fast"] is None
        assert told["/to"] == []
        assert told["/order"][1] == {
            "source": "result",
            "step": 2,
            "name": "lookup_order",
            "match": "exact",
            "trusted": True,
        }
