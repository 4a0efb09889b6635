"""Failpoints kill on demand under demo settings, and cannot be armed under any other."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tenants.kernel import failpoints

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "agents", "hitl", "governance", "tenants")
SIGKILLED = -9


def reach(point: str, *, file: Path, settings: str) -> subprocess.CompletedProcess[str]:
    """Start a process as workers start, and let it reach a point."""
    code = f"import django; django.setup(); from tenants.kernel.failpoints import hit; hit({point!r}); print('alive')"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "COUNTERSIGN_FAILPOINTS": str(file), "DJANGO_SETTINGS_MODULE": settings},
        capture_output=True,
        text=True,
        check=False,
    )


class TestArmedPoint:
    def test_kills_the_first_process_that_reaches_it_and_no_other(self, tmp_path: Path) -> None:
        file = tmp_path / "failpoint"
        file.write_text("tool.claimed")
        passed = reach("tool.before-effect", file=file, settings="config.settings.local")
        assert (passed.returncode, passed.stdout) == (0, "alive\n")
        assert reach("tool.claimed", file=file, settings="config.settings.local").returncode == SIGKILLED
        again = reach("tool.claimed", file=file, settings="config.settings.local")
        assert (again.returncode, again.stdout) == (0, "alive\n")

    def test_kills_nobody_in_production(self, tmp_path: Path) -> None:
        file = tmp_path / "failpoint"
        file.write_text("tool.claimed")
        passed = reach("tool.claimed", file=file, settings="config.settings.production")
        assert (passed.returncode, passed.stdout) == (0, "alive\n")
        assert file.exists()

    def test_cannot_be_armed_outside_a_demo(self, tmp_path: Path, settings: Any) -> None:
        settings.DEMO = False
        with pytest.raises(ImproperlyConfigured):
            failpoints.arm(tmp_path / "failpoint")
        assert failpoints._FILE is None


class TestNames:
    def test_are_those_that_the_code_passes(self) -> None:
        passed = {
            name
            for package in PACKAGES
            for path in (ROOT / package).rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "hit"
            for name in _texts(node.args[0])
        }
        assert passed == set(failpoints.NAMES)


def _texts(node: ast.expr) -> list[str]:
    """Return the texts that an argument can be: `"a" if x else "b"` is one of two."""
    constants = [found.value for found in ast.walk(node) if isinstance(found, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]
