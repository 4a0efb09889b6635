import ast
from pathlib import Path

import pytest

from benchmarks import page, report

ROOT = Path(__file__).resolve().parents[2]
RESULT = {
    "machine": {"spin_ms": 60.0, "spin_worst_ms": 61.5},
    "countersign": {"ms_per_step": 6.5, "floor_ms_per_step": 1.6},
    "peers": {"langgraph": {"ms_per_step": 9.5, "versions": {"langgraph": "1.2"}}},
    "ratio": {"langgraph": 1.46},
}


class TestNested:
    def test_puts_dotted_names_into_each_other(self) -> None:
        assert report.nested({"w1.ms": 1.23456, "waiting.rss_mb.worker": 3.0, "waiting.runs": 7}) == {
            "w1": {"ms": 1.235},
            "waiting": {"rss_mb": {"worker": 3.0}, "runs": 7},
        }


class TestTheTableOfTheBench:
    def test_has_a_line_for_what_was_measured_and_none_for_the_rest(self) -> None:
        lines = page.bench_table([{"w2": {"p95_ms": 11.0}}])
        assert lines[2:] == ["| `w2.p95_ms` | 95th percentile | 11.0 | <= 15 |"]

    def test_shows_the_range_of_several_results(self) -> None:
        lines = page.bench_table([{"w2": {"p95_ms": 11.0}}, {"w2": {"p95_ms": 9.5}}])
        assert "9.50 to 11.0" in lines[2]


class TestTheTableOfThePeers:
    def test_names_versions_ratio_and_the_machine(self) -> None:
        text = "\n".join(page.peers_table([RESULT]))
        assert "| LangGraph, PostgresSaver | 9.50 |" in text
        assert "1.46" in text
        assert "Fixed loop: 60.0 ms, at worst 61.5 ms." in text
        assert "Versions: langgraph 1.2." in text


class TestThePage:
    @pytest.mark.parametrize("name", ["bench", "peers"])
    def test_has_a_place_for_each_table(self, name: str) -> None:
        text = page.PAGE.read_text()
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- end {name} -->") == 1


class TestThePeers:
    def test_stand_without_django_and_without_us(self) -> None:
        foreign = {"django", "config", "agents", "hitl", "governance", "tenants"}
        imported = {
            name.partition(".")[0]
            for path in (ROOT / "benchmarks" / "peers").glob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
        }
        assert imported & foreign == set()
