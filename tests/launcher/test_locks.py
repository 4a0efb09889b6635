from __future__ import annotations

from pathlib import Path

import pytest

from launcher.errors import LauncherError
from launcher.locks import SOURCE, check_fresh, fingerprint
from launcher.project import Project

BASE = '[project]\nname = "x"\ndependencies = ["django>=5"]\n'


class TestFingerprint:
    @pytest.mark.parametrize(
        ("text", "same"),
        [
            ('[project]\nversion = "2"\ndependencies = [\n  "django>=5", # why\n]\n', True),
            ('[project]\ndependencies = ["django>=6"]\n', False),
            (BASE + '[project.optional-dependencies]\ndev = ["pytest"]\n', False),
        ],
    )
    def test_sees_dependencies_and_nothing_else(self, tmp_path: Path, text: str, same: bool) -> None:
        first, second = tmp_path / "first.toml", tmp_path / "second.toml"
        first.write_text(BASE)
        second.write_text(text)
        assert (fingerprint(first) == fingerprint(second)) is same


class TestCheckFresh:
    def test_accepts_locks_compiled_from_these_dependencies(self, project: Project) -> None:
        (project.requirements / SOURCE).write_text(f"{fingerprint(project.root / 'pyproject.toml')}  note\n")
        check_fresh(project)

    @pytest.mark.parametrize("content", [None, "", "0123  note\n"])
    def test_says_how_to_renew_stale_locks(self, project: Project, content: str | None) -> None:
        if content is not None:
            (project.requirements / SOURCE).write_text(content)
        with pytest.raises(LauncherError, match="run make lock"):
            check_fresh(project)

    def test_this_checkout_is_fresh(self) -> None:
        check_fresh(Project.here())
