"""The passwords of the embedded services: made once, kept where only their owner can read them."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field

from launcher.errors import LauncherError
from launcher.state import State, write_private


def _random() -> str:
    """Return 64 characters that need no escaping in a URL, in SQL or in a configuration file."""
    return secrets.token_hex(32)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """One random value for every account."""

    cs_super: str = field(default_factory=_random)
    cs_owner: str = field(default_factory=_random)
    cs_app: str = field(default_factory=_random)
    redis: str = field(default_factory=_random)
    secret_key: str = field(default_factory=_random)

    @classmethod
    def of(cls, state: State) -> Keys:
        """Read the keys of a state directory, and make those that are missing."""
        stored: dict[str, str] = {}
        if state.secrets.exists():
            try:
                stored = json.loads(state.secrets.read_text())
                keys = cls(**stored)
            except (ValueError, TypeError):
                raise LauncherError(
                    f"{state.secrets} is damaged; put back a copy,"
                    f" or delete {state.directory} to start with an empty database"
                ) from None
        else:
            keys = cls()
        if asdict(keys) != stored:
            write_private(state.secrets, json.dumps(asdict(keys), indent=2) + "\n")
        return keys
