from __future__ import annotations

import importlib.util
import sys

import pytest

from launcher import venv
from launcher.errors import LauncherError
from launcher.project import Project


def _finish(project: Project, lock: str) -> None:
    project.python.parent.mkdir(parents=True, exist_ok=True)
    if not project.python.exists():
        project.python.symlink_to(sys.executable)
    venv.write_stamp(project, lock)


class TestIsCurrent:
    @pytest.mark.parametrize(
        ("built", "wanted", "current"),
        [
            ("runtime", "runtime", True),
            ("dev", "dev", True),
            ("dev", "runtime", True),
            ("runtime", "dev", False),
        ],
    )
    def test_a_dev_virtualenv_serves_both(
        self, project: Project, built: str, wanted: str, current: bool
    ) -> None:
        _finish(project, built)
        assert venv.is_current(project, wanted) is current

    def test_a_half_built_virtualenv_has_no_stamp(self, project: Project) -> None:
        _finish(project, "dev")
        (project.venv / venv.STAMP).unlink()
        assert not venv.is_current(project, "runtime")

    def test_a_changed_lock_needs_a_new_virtualenv(self, project: Project) -> None:
        _finish(project, "runtime")
        (project.requirements / "runtime.lock").write_text("# newer\n")
        assert not venv.is_current(project, "runtime")

    def test_so_does_another_python(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        _finish(project, "runtime")
        monkeypatch.setattr(venv, "PYTHON_VERSION", "3.99")
        assert not venv.is_current(project, "runtime")

    def test_so_does_a_python_that_is_gone(self, project: Project) -> None:
        _finish(project, "runtime")
        project.python.unlink()
        project.python.symlink_to("/nowhere/python3")
        assert not venv.is_current(project, "runtime")

    @pytest.mark.parametrize("stamp", ["", "x", "[]", "{}"])
    def test_a_damaged_stamp_counts_for_nothing(self, project: Project, stamp: str) -> None:
        _finish(project, "runtime")
        (project.venv / venv.STAMP).write_text(stamp)
        assert not venv.is_current(project, "runtime")


class TestEnsure:
    def test_names_the_package_debian_leaves_out(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(venv, "find_uv", lambda: None)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(LauncherError, match="apt-get install python3-venv"):
            venv.ensure(project, "runtime")

    def test_builds_an_unfinished_virtualenv_anew(self, project: Project) -> None:
        leftover = project.venv / "lib" / "half-installed"
        leftover.mkdir(parents=True)
        (project.requirements / "runtime.lock").write_text("# nothing to install\n")
        venv.ensure(project, "runtime")
        assert venv.is_current(project, "runtime")
        assert not leftover.exists()
