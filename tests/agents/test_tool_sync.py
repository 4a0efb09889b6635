"""A tenant's tool rows follow the code; what an admin confirmed is kept."""

from typing import Any

from agents.tools.models import Tool
from agents.tools.registry import REGISTRY, spec_of
from agents.tools.sync import on_schema_ready, sync


def row(name: str = "refund_order") -> Tool:
    return Tool.objects.get(name=name)


class TestSync:
    def test_makes_a_row_for_each_tool(self, acme: Any) -> None:
        Tool.objects.filter(name="ping").delete()
        sync()
        assert set(Tool.objects.values_list("name", flat=True)) == set(REGISTRY)
        spec = spec_of("ping")
        assert (row("ping").risk, row("ping").effect, row("ping").enabled) == (spec.risk, spec.effect, True)

    def test_keeps_what_the_admin_confirmed(self, acme: Any) -> None:
        Tool.objects.filter(name="refund_order").update(risk="critical", effect="idempotent", enabled=False)
        sync()
        assert (row().risk, row().effect, row().enabled) == ("critical", "idempotent", False)

    def test_changes_nothing_the_second_time(self, acme: Any) -> None:
        before = list(Tool.objects.order_by("pk").values())
        sync()
        assert list(Tool.objects.order_by("pk").values()) == before

    def test_quarantines_a_tool_whose_definition_changed(self, acme: Any) -> None:
        Tool.objects.filter(name="refund_order").update(schema_version="0" * 64, parameters={}, risk="high")
        sync()
        assert (row().enabled, row().risk, row().effect) == (False, "critical", "non_idempotent")
        held = row().quarantine
        assert held is not None
        assert (held["why"], held["before"]["risk"]) == ("Its code declares it differently now.", "high")
        assert (held["before"]["parameters"], held["now"]["parameters"]) == ({}, row().parameters)
        assert row().schema_version == spec_of("refund_order").schema_version
        assert row().parameters == spec_of("refund_order").parameters

    def test_copies_what_the_code_vouches_for_into_new_rows_only(self, acme: Any) -> None:
        Tool.objects.filter(name="ask_person").delete()
        Tool.objects.filter(name="current_time").update(output_trusted=False)
        sync()
        assert (row("ask_person").output_trusted, row("current_time").output_trusted) == (True, False)

    def test_takes_back_what_the_code_vouches_for_no_more(self, acme: Any) -> None:
        Tool.objects.filter(name="refund_order").update(reversible=True)
        Tool.objects.create(
            name="old_tool", parameters={}, risk="low", effect="read", reversible=True, output_trusted=True
        )
        sync()
        assert (row().reversible, spec_of("refund_order").reversible) == (False, False)
        assert (row("old_tool").reversible, row("old_tool").output_trusted) == (False, False)

    def test_trusts_nothing_of_a_tool_that_is_quarantined(self, acme: Any) -> None:
        Tool.objects.filter(name="current_time").update(schema_version="0" * 64)
        sync()
        held = row("current_time").quarantine
        assert held is not None and held["before"]["output_trusted"]
        assert not row("current_time").output_trusted

    def test_disables_a_tool_that_is_gone_from_code(self, acme: Any) -> None:
        Tool.objects.create(name="old_tool", parameters={}, risk="low", effect="read")
        sync()
        assert not row("old_tool").enabled

    def test_gives_the_platform_no_tools(self, acme: Any) -> None:
        Tool.objects.filter(name="ping").delete()
        on_schema_ready(schema="public")
        assert not Tool.objects.filter(name="ping").exists()
        on_schema_ready(schema="acme")
        assert Tool.objects.filter(name="ping").exists()
