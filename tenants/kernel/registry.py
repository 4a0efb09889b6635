"""Registries: one explicit mapping from slug to dotted path, imported on first use."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from tenants.kernel.errors import DomainError

T = TypeVar("T")


class UnknownMember(DomainError):
    """No member of that name is registered."""

    code = "unknown-member"
    status = 404


class DuplicateMember(DomainError):
    """Two members claim one name."""

    code = "duplicate-member"
    status = 500


class Registry(Generic[T]):
    """Map slugs to `module:attribute` paths; packages outside join through one entry-point group."""

    def __init__(self, kind: str, paths: Mapping[str, str], *, group: str) -> None:
        self.kind = kind
        self._paths = dict(paths)
        self._loaded: dict[str, T] = {}
        for point in entry_points(group=group):
            self.add(point.name, point.value)

    def add(self, slug: str, path: str) -> None:
        """Register one member; raise DuplicateMember if the slug is taken."""
        if slug in self._paths:
            raise DuplicateMember(f"{self.kind} '{slug}' is registered twice.")
        self._paths[slug] = path

    def get(self, slug: str) -> T:
        """Return the member, importing it on first use; raise UnknownMember naming what exists."""
        if slug not in self._loaded:
            if slug not in self._paths:
                known = ", ".join(sorted(self._paths)) or "none"
                raise UnknownMember(f"There is no {self.kind} '{slug}'. Known: {known}.", name=slug)
            module, _, attribute = self._paths[slug].partition(":")
            self._loaded[slug] = cast(T, cast(Any, getattr(import_module(module), attribute)))
        return self._loaded[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._paths))

    def __contains__(self, slug: object) -> bool:
        return slug in self._paths
