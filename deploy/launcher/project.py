"""Where things are in this checkout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Project:
    """The paths of one checkout that more than one module needs."""

    root: Path
    venv_folder: str = ".venv"

    @classmethod
    def here(cls) -> Project:
        """Return the checkout this file is part of."""
        return cls(root=Path(__file__).resolve().parents[2])

    def with_peers(self) -> Project:
        """Return the same checkout with the virtualenv of the programs that `bench-peers` compares with."""
        return replace(self, venv_folder=".countersign/peers-venv")

    def with_evals(self) -> Project:
        """Return the same checkout with the virtualenv that AgentDojo runs in."""
        return replace(self, venv_folder=".countersign/evals-venv")

    @property
    def venv(self) -> Path:
        return self.root / self.venv_folder

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def requirements(self) -> Path:
        return self.root / "deploy" / "requirements"

    @property
    def bootstrap_sql(self) -> Path:
        return self.root / "deploy" / "sql" / "bootstrap.sql"

    @property
    def state(self) -> Path:
        return self.root / ".countersign"

    @property
    def site_packages(self) -> Path:
        """Return the virtualenv's packages; the directory name holds the Python version."""
        return next((self.venv / "lib").glob("python3.*")) / "site-packages"
