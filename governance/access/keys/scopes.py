"""What a key may be limited to: words, each for permissions that the apps put behind it."""

from collections.abc import Iterable
from typing import Any

from tenants.kernel.errors import InvalidInput

_permissions: dict[str, set[str]] = {}


def offer(**scopes: Iterable[str]) -> None:
    """Put `app.codename` permissions behind scopes, written `area_read` or `area_write`; called when apps are ready."""
    for name, permissions in scopes.items():
        area, _, verb = name.rpartition("_")
        if verb not in {"read", "write"}:
            raise ValueError(f"A scope ends in _read or _write, not '{name}'.")
        _permissions.setdefault(f"{area}:{verb}", set()).update(permissions)


def known() -> list[str]:
    """Return every scope."""
    return sorted(_permissions)


def permissions_of(scopes: Iterable[str]) -> frozenset[str]:
    """Return the permissions behind scopes; one that does not exist any more gives nothing."""
    return frozenset().union(*(_permissions.get(scope, ()) for scope in scopes))


def that_write(scopes: Iterable[str]) -> list[str]:
    """Return those of the scopes that let a key change something: a change counts no others."""
    return [scope for scope in scopes if scope.endswith(":write")]


def check(scopes: Iterable[str], *, owner: Any) -> list[str]:
    """Return the scopes in order; raise InvalidInput for unknown ones and those of which the owner has nothing."""
    chosen, has = sorted(set(scopes)), owner.get_all_permissions()
    if not chosen:
        raise _refused("Choose at least one scope.")
    for scope in chosen:
        if scope not in _permissions:
            raise _refused(f"There is no scope '{scope}'. Known: {', '.join(known())}.")
        if not _permissions[scope] & has:
            raise _refused(f"You have no permission behind '{scope}', so a key of yours cannot have it.")
    return chosen


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"at": "/scopes", "message": message}])
