"""Read cases: JSON Lines, gzipped or not, from a folder beside the project."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / "shared" / "evals"


def rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the cases of every file of the folder whose name begins so; none where there is no such file."""
    for path in sorted(folder.glob(f"{name}*.jsonl*")):
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().split("\n")
        yield from (json.loads(line) for line in lines if line.strip())
