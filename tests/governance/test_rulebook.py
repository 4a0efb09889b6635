"""The rulebook: a rule counts from the commit that changed it, and is not read again until another does."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from governance.policies.models import RiskThreshold
from governance.rulebook import parts
from governance.rulebook.models import RulebookState
from governance.rulebook.parts import PARTS
from tenants.kernel.context import schema_tenant, tenant_context

SCANS = """
SELECT schemaname, relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables
"""
WATCHED = """
SELECT n.nspname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname LIKE '%touches_rulebook' AND t.tgenabled = 'O'
"""
# Found by their migrations, not by anybody's rules.
SETTLED = {"django_content_type", "governance_rulebookstate"}


def rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def read_by(part: str) -> set[tuple[str, str]]:
    """Return schema and name of every table that loading the part looks at."""
    before = {(schema, name): scans for schema, name, scans in rows(SCANS)}
    PARTS.get(part)()
    return {(s, n) for s, n, scans in rows(SCANS) if scans > before.get((s, n), 0) and n not in SETTLED}


def revision() -> UUID:
    return RulebookState.objects.get().revision


def book() -> parts.Rulebook:
    with tenant_context(schema_tenant("public")):
        platform = revision()
    return parts.of((revision(), platform))


def add(author: Any, tool: str = "refund_*") -> RiskThreshold:
    return RiskThreshold.objects.create(
        tool=tool, argument="amount", at_least=Decimal(100), risk="critical", author=author
    )


class TestTriggers:
    @pytest.mark.parametrize("part", list(PARTS))
    def test_are_on_every_table_that_a_part_reads(self, acme: Any, part: str) -> None:
        with transaction.atomic():
            tables = read_by(part)
        assert tables <= set(rows(WATCHED)), part

    def test_see_every_kind_of_change(self, acme: Any, alice: Any) -> None:
        seen = [revision()]
        threshold = add(alice)
        seen.append(revision())
        RiskThreshold.objects.filter(pk=threshold.pk).update(at_least=Decimal(50))
        seen.append(revision())
        RiskThreshold.objects.bulk_create([RiskThreshold(tool="x", argument="y", at_least=1, author=alice)])
        seen.append(revision())
        RiskThreshold.objects.all().delete()
        seen.append(revision())
        assert len(set(seen)) == len(seen)


class TestBook:
    def test_is_the_same_object_until_a_rule_changes(self, acme: Any, alice: Any) -> None:
        first = book()
        assert book() is first
        add(alice)
        assert "refund_*" in [rule.tool for rule in book()["thresholds"]]
        assert book() is not first

    def test_forgets_what_was_rolled_back(self, acme: Any, alice: Any) -> None:
        def tools() -> list[str]:
            return [rule.tool for rule in book()["thresholds"]]

        before = tools()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            add(alice, tool="never")
            assert "never" in tools()
            raise ZeroDivisionError
        assert tools() == before
        add(alice, tool="now")
        assert "never" not in tools() and "now" in tools()

    def test_of_one_tenant_is_not_the_other_s(self, acme: Any, alice: Any) -> None:
        add(alice, tool="only_at_acme")
        mine = book()
        with tenant_context(schema_tenant("globex")):
            assert "only_at_acme" not in [rule.tool for rule in book()["thresholds"]]
        assert book() is mine
