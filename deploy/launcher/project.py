"""Where things are in this checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Project:
    """The paths of one checkout that more than one module needs."""

    root: Path

    @classmethod
    def here(cls) -> Project:
        """Return the checkout this file is part of."""
        return cls(root=Path(__file__).resolve().parents[2])

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

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
