"""The demo's tools: what each vouches for, and what undoes what."""

from typing import Any

import pytest

from agents.demo import people, support
from agents.demo.models import Employee, SentEmail, Ticket
from agents.demo.seed import SCENARIOS, seed
from agents.runs.models import Run
from agents.tools.base import ToolContext, ToolFailed
from agents.tools.models import Tool
from agents.tools.registry import spec_of
from governance.policies.models import RiskThreshold
from governance.types import Risk

OFFERED = sorted({name for scenario in SCENARIOS for name in scenario.tools})


def context(key: str = "k") -> ToolContext:
    return ToolContext(user_id=1, user_name="oscar", run_id="r", idempotency_key=key)


class TestWhatToolsVouchFor:
    def test_is_trusted_output_but_for_what_customers_wrote(self) -> None:
        assert [name for name in OFFERED if not spec_of(name).output_trusted] == ["read_ticket"]

    def test_is_that_medium_calls_can_be_undone(self) -> None:
        medium = [name for name in OFFERED if spec_of(name).risk is Risk.MEDIUM]
        assert medium == ["send_email"] and spec_of("send_email").reversible

    def test_is_in_the_rows_of_the_tenant(self, acme: Any) -> None:
        rows = {row.name: row for row in Tool.objects.filter(name__in=OFFERED)}
        assert {name: row.output_trusted for name, row in rows.items()} == {
            name: spec_of(name).output_trusted for name in rows
        }

    @pytest.mark.parametrize("name", ["ping", "approved_ping", "ledger_read", "ledger_put", "ledger_pay"])
    def test_of_tools_for_measuring_is_what_they_are_for(self, name: str) -> None:
        assert "`make " in spec_of(name).description


class TestEmail:
    MAIL = {"to": "jonas.keller@example.com", "subject": "Hello", "body": "It arrives on Friday."}

    def test_is_taken_back(self, acme: Any) -> None:
        sent = support.send_email(**self.MAIL, context=context())
        support.recall_email(message_id=sent["message_id"])
        assert SentEmail.objects.get(idempotency_key="k").is_recalled

    def test_that_was_never_sent_cannot_be_taken_back(self, acme: Any) -> None:
        with pytest.raises(ToolFailed):
            support.recall_email(message_id="M-999999999")

    def test_says_beforehand_whom_it_reaches_and_what_undoes_it(self, acme: Any) -> None:
        preview = spec_of("send_email").preview
        assert preview is not None
        assert preview(**self.MAIL)["recipient"] == "a customer of ours"
        assert preview(**{**self.MAIL, "to": "x@evil.example"})["recipient"] == "not a customer of ours"
        assert "recall_email" in preview(**self.MAIL)["undone_by"]


class TestTicket:
    def test_is_what_the_customer_wrote(self, acme: Any) -> None:
        ticket = support.read_ticket(ticket_id="T-3002")
        assert ticket["order_id"] == "A-1006" and "ignore your instructions" in ticket["message"]

    def test_that_is_unknown_says_so(self, acme: Any) -> None:
        with pytest.raises(ToolFailed):
            support.read_ticket(ticket_id="T-1")


class TestSalary:
    @pytest.fixture
    def dana(self, acme: Any) -> Employee:
        return Employee.objects.create(
            employee_id="E-1", name="D", email="d@x.example", hired_on="2020-01-01", salary="50000"
        )

    def test_is_shown_before_and_after_and_then_set(self, dana: Employee) -> None:
        preview = spec_of("change_salary").preview
        assert preview is not None
        shown = preview(employee_id="E-1", salary=55_000.0)
        assert (shown["salary_before"], shown["salary_after"]) == (50_000.0, 55_000.0)
        assert shown["change_percent"] == 10.0
        people.change_salary(employee_id="E-1", salary=55_000.0)
        dana.refresh_from_db()
        assert float(dana.salary) == 55_000.0


class TestSeed:
    def test_holds_a_threshold_that_alice_wrote(self, acme: Any, alice: Any) -> None:
        threshold = RiskThreshold.objects.get(tool="refund_order")
        assert (threshold.risk, float(threshold.at_least), threshold.author) == ("critical", 500.0, alice)

    def test_adds_nothing_the_second_time(self, acme: Any) -> None:
        def counts() -> list[int]:
            return [model.objects.count() for model in (RiskThreshold, Tool, Ticket, Run)]

        before = counts()
        seed()
        assert counts() == before
