from __future__ import annotations

import ast
import errno
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.cli import describe, main
from launcher.commands import COMMANDS


class TestTopFile:
    def test_is_understood_by_python_3_6_so_that_it_can_ask_for_a_newer_one(self, root: Path) -> None:
        ast.parse((root / "countersign").read_text(), feature_version=(3, 6))

    def test_runs_from_any_directory(self, root: Path, tmp_path: Path) -> None:
        command = [sys.executable, str(root / "countersign"), "help"]
        output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert all(f"  {name} " in output for name in COMMANDS)


class TestMain:
    def test_names_an_unknown_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["dmeo"]) == 2
        assert "there is no command 'dmeo'" in capsys.readouterr().err

    def test_every_command_says_what_it_does_in_one_line(self) -> None:
        for name, command in COMMANDS.items():
            assert command.__doc__, name
            assert len(command.__doc__.splitlines()) == 1, name


class TestDescribe:
    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.ENOSPC, "the disk is full"),
            (errno.EACCES, "belongs to another user"),
            (errno.EIO, "Input/output error"),
        ],
    )
    def test_says_what_happened_to_which_file(self, number: int, words: str) -> None:
        text = describe(OSError(number, "Input/output error", "/data/x"))
        assert words in text
        assert "/data/x" in text
