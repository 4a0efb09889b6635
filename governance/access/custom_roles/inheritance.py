"""What a role has in all, and where each permission comes from. Pure."""

from collections.abc import Collection, Mapping

Parents = Mapping[str, Collection[str]]


def cycle(parents: Parents) -> list[str]:
    """Return roles that inherit from each other in a circle, the first again at the end; empty if none do."""
    done: set[str] = set()

    def visit(role: str, path: list[str]) -> list[str]:
        if role in path:
            return [*path[path.index(role) :], role]
        if role in done:
            return []
        for parent in sorted(parents.get(role, ())):
            if found := visit(parent, [*path, role]):
                return found
        done.add(role)
        return []

    for role in sorted(parents):
        if found := visit(role, []):
            return found
    return []


def sources(role: str, *, parents: Parents, own: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Return each permission of the role with the roles that give it: itself, or those it inherits from."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    ahead = [role]
    while ahead:
        name = ahead.pop(0)
        if name in seen:
            continue
        seen.add(name)
        for permission in own.get(name, ()):
            found.setdefault(permission, []).append(name)
        ahead += sorted(parents.get(name, ()))
    return found
