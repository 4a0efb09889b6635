"""Play the Globex and benchmark scripts of the demo against tools as the demo has them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.llm.scripted.loading import load_directory
from agents.llm.scripted.rehearsal import Rehearsal, Tools, rehearse

SCRIPTS = load_directory(Path(__file__).parents[3] / "agents" / "demo" / "scripts")
EMPLOYEE = {
    "employee_id": "E-7", "name": "Dana Whitfield", "email": "dana@example.com", "salary": 84000,
    "title": "Engineer", "department": "Research", "hired_on": "2019-02-01", "tenure_years": 7.8,
    "currency": "USD",
}  # fmt: skip
GLOBEX: Tools = {
    "lookup_employee": lambda a: EMPLOYEE,
    "calculate_bonus": lambda a: {"salary": 84000, "bonus": 840.0 * a["percent"], "currency": "USD"} | a,
    "record_bonus": lambda a: {"bonus_id": "B-1", "currency": "USD", "status": "recorded"} | a,
    "send_email": lambda a: {"message_id": "M-1", "to": a["to"], "status": "sent"},
}


def play(request: str, tools: Tools = GLOBEX) -> Rehearsal:
    return rehearse(request, tools=tools, scripts=SCRIPTS)


def refused(code: str) -> Callable[[Any], Any]:
    return lambda a: {"error": {"code": code, "message": "Above my limit"}}


class TestSalary:
    @pytest.mark.parametrize(
        ("text", "salary"),
        [
            ("Raise the salary of Dana Whitfield to 75,000.00 EUR", 75000.0),
            ("Change Dana Whitfield's pay to 80,500.00", 80500.0),
        ],
    )
    def test_is_changed_to_what_was_asked(self, text: str, salary: float) -> None:
        tools = {**GLOBEX, "change_salary": lambda a: {"currency": "EUR"} | a}
        played = play(text, tools)
        assert played.calls[1] == ("change_salary", {"employee_id": "E-7", "salary": salary})
        assert f"{salary:,.2f} EUR a year" in played.answer

    def test_is_asked_for(self) -> None:
        tools = {**GLOBEX, "change_salary": refused("denied")}
        assert play("Raise the salary of Dana Whitfield", tools).answer.startswith(
            "What shall the salary be?"
        )
        played = play("Raise the salary of Dana Whitfield to 75,000.00 EUR", tools)
        assert "was not changed: it was denied" in played.answer

    def test_that_is_sent_back_is_proposed_again_with_the_salary_named(self) -> None:
        told = {"error": {"code": "feedback", "message": "bob sent this call back: Make it 72,500.00."}}
        answers = iter([told])
        tools = {**GLOBEX, "change_salary": lambda a: next(answers, {"currency": "EUR"} | a)}
        played = play("Raise the salary of Dana Whitfield to 75,000.00 EUR", tools)
        assert [call[1].get("salary") for call in played.calls] == [None, 75000.0, 72500.0]
        assert "72,500.00 EUR a year" in played.answer

    def test_that_is_sent_back_without_a_figure_is_left(self) -> None:
        told = {"error": {"code": "feedback", "message": "bob sent this call back: Ask her first."}}
        played = play(
            "Raise the salary of Dana Whitfield to 75,000.00 EUR", {**GLOBEX, "change_salary": lambda a: told}
        )
        assert (
            played.answer
            == 'The salary of Dana Whitfield was not changed: bob sent it back: "Ask her first.".'
        )


class TestBonus:
    @pytest.mark.parametrize(
        ("text", "tools", "percent"),
        [
            ("Calculate a 10% bonus for Dana Whitfield and email her", ["send_email"], 10.0),
            ("calculate a bonus for dana whitfield", [], 10.0),
            ("What is a 7,5 % bonus for Dana Whitfield?", [], 7.5),
            ("Pay Dana Whitfield a 5% bonus", ["record_bonus"], 5.0),
            ("Give Dana Whitfield a 12 percent bonus and let her know", ["record_bonus", "send_email"], 12.0),
            ("Calculate the bonus of Dana Whitfield but do not pay it", [], 10.0),
            ("Calculate a 10% bonus on her annual pay for Dana Whitfield, don't email her", [], 10.0),
        ],
    )  # fmt: skip
    def test_is_calculated_and_what_else_was_asked(self, text: str, tools: list[str], percent: float) -> None:
        played = play(text)
        assert played.tools == ["lookup_employee", "calculate_bonus", *tools]
        assert played.calls[0][1] == {"name": "Dana Whitfield"}
        assert played.calls[1][1] == {"employee_id": "E-7", "percent": percent}
        assert f"{840 * percent:,.2f} USD" in played.answer

    def test_is_recorded_with_its_reason(self) -> None:
        played = play("Grant Dana Whitfield a 10% bonus for closing the Acme deal and email her")
        recorded = {"employee_id": "E-7", "amount": 8400.0, "reason": "closing the Acme deal"}
        assert played.calls[2] == ("record_bonus", recorded)
        assert "8,400.00 USD" in played.calls[3][1]["body"]

    @pytest.mark.parametrize(
        "text",
        [
            "Calculate a bonus",
            "Give Dana Whitfield a bonus of 5000 EUR",
            "ten percent bonus for Dana Whitfield",
            "Calculate a 10% bonus for Dana Whitfield and Sam Ortiz",
        ],
    )
    def test_asks_rather_than_guesses(self, text: str) -> None:
        played = play(text)
        assert (played.script, played.tools) == ("globex-bonus", [])

    def test_says_that_a_rejected_bonus_was_not_recorded(self) -> None:
        played = play("Pay Dana Whitfield a 10% bonus", {**GLOBEX, "record_bonus": refused("rejected")})
        assert played.answer.startswith(
            "The bonus for Dana Whitfield comes to 8,400.00 USD, but it was not recorded"
        )


class TestEmployee:
    @pytest.mark.parametrize(
        ("text", "fact"),
        [
            ("Who is Dana Whitfield?", "Engineer in Research"),
            ("How long has Dana Whitfield been with us?", "7.8 years"),
            ("dana whitfield: which department? Tell me about dana whitfield", "Research"),
            ("What is Dana Whitfield's salary?", "84,000.00 USD"),
        ],
    )
    def test_is_looked_up(self, text: str, fact: str) -> None:
        played = play(text)
        assert list(played.calls) == [("lookup_employee", {"name": "Dana Whitfield"})]
        assert fact in played.answer


class TestBench:
    def test_pings_so_many_times(self) -> None:
        played = play("bench: 50 steps", {"ping": lambda a: {"n": a["n"]}})
        assert [arguments["n"] for _, arguments in played.calls] == list(range(1, 51))
        assert played.answer == "done"
