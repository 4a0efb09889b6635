"""Packs: rules for a kind of work. A tenant has them as drafts, rehearses one, and puts in force what fits."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tenants.kernel.errors import NotFound
from tenants.kernel.jsonvalues import JsonObject

BASELINE = "baseline"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One rule of a pack, with the name that people are told."""

    name: str
    document: JsonObject


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A pack."""

    slug: str
    title: str
    about: str
    rules: tuple[Draft, ...]


@lru_cache(maxsize=1)
def packs() -> dict[str, Pack]:
    """Return every pack by its slug, the baseline first."""
    found = [_read(path) for path in sorted(_FOLDER.glob("*.json"))]
    return {pack.slug: pack for pack in sorted(found, key=lambda pack: pack.slug != BASELINE)}


def pack_of(slug: str) -> Pack:
    """Return a pack; raise NotFound naming what exists."""
    known = packs()
    if slug not in known:
        raise NotFound(f"There is no pack '{slug}'. There is {', '.join(known)}.")
    return known[slug]


def described() -> str:
    """Return the text of every pack, for the schema fingerprint."""
    return "\n".join(path.read_text() for path in sorted(_FOLDER.glob("*.json")))


def _read(path: Path) -> Pack:
    raw = json.loads(path.read_text())
    rules = tuple(Draft(name=rule.pop("name"), document=rule) for rule in raw["rules"])
    return Pack(slug=path.stem, title=raw["title"], about=raw["about"], rules=rules)
