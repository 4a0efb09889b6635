"""The ledger counts effects: what must not be repeated by call, what may be by key."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.ledger import Ledger, duplicates


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Return a ledger that answers at once."""
    ledger = Ledger(tmp_path / "ledger.jsonl", delay_s=0, seed=1)
    yield ledger
    ledger.close()


def post(ledger: Ledger, tool: str, *, key: str, n: int = 1) -> Any:
    connection = http.client.HTTPConnection(ledger.url.removeprefix("http://"), timeout=5)
    body = {"tool": tool, "job": 7, "n": n, "run": "r", "key": key}
    connection.request("POST", "/lines", json.dumps(body))
    return json.loads(connection.getresponse().read())


class TestLedger:
    def test_keeps_each_line_on_disk(self, ledger: Ledger, tmp_path: Path) -> None:
        assert post(ledger, "ledger_add", key="a") == {"line": 1}
        (line,) = (tmp_path / "ledger.jsonl").read_text().splitlines()
        assert json.loads(line)["key"] == "a"
        assert ledger.has("ledger_add", 7, 1)
        assert not ledger.has("ledger_add", 7, 2)

    def test_sets_an_idempotent_line_once_a_key(self, ledger: Ledger) -> None:
        post(ledger, "ledger_put", key="a")
        post(ledger, "ledger_put", key="a")
        assert (len(ledger.lines), duplicates(ledger.lines)) == (1, [])


class TestDuplicates:
    @pytest.mark.parametrize("tool", ["ledger_add", "ledger_pay"])
    def test_are_found_where_a_call_took_effect_twice_under_whatever_key(
        self, ledger: Ledger, tool: str
    ) -> None:
        for key in ("a", "b"):
            post(ledger, tool, key=key)
        post(ledger, tool, key="c", n=2)
        assert duplicates(ledger.lines) == [f"{tool} of job 7, call 1: 2 effects"]

    def test_are_found_where_an_idempotent_call_changed_its_key(self, ledger: Ledger) -> None:
        for key in ("a", "b"):
            post(ledger, "ledger_put", key=key)
        assert duplicates(ledger.lines) == ["('ledger_put', 7, 1): 2 keys"]
