"""Every route of a URL configuration, by walking its resolver."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True, kw_only=True)
class Route:
    """One pattern with the path that leads to it."""

    template: str
    name: str
    parameters: tuple[str, ...]
    callback: Any

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that a view of the API answers."""
        known = {"get", "post", "put", "patch", "delete"} & set(self.callback.cls.http_method_names)
        actions = getattr(self.callback, "actions", None)
        offered = set(actions) if actions else {name for name in known if hasattr(self.callback.cls, name)}
        return tuple(sorted(method.upper() for method in offered & known))


def routes(urlconf: str) -> list[Route]:
    """Return every route of a URL configuration."""
    return list(_walk(get_resolver(urlconf).url_patterns, "/", (), ""))


def _walk(patterns: Any, prefix: str, parameters: tuple[str, ...], namespace: str) -> Iterator[Route]:
    for pattern in patterns:
        path, more = _template(pattern.pattern)
        names = (*parameters, *more)
        match pattern:
            case URLResolver():
                space = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
                yield from _walk(pattern.url_patterns, prefix + path, names, space)
            case URLPattern():
                yield Route(
                    template=prefix + path,
                    name=namespace + (pattern.name or ""),
                    parameters=names,
                    callback=pattern.callback,
                )


def _template(pattern: Any) -> tuple[str, tuple[str, ...]]:
    """Return a pattern as `path/{name}`, whether it was written as a path or as an expression."""
    from django.utils.regex_helper import normalize

    (text, names), *_ = normalize(pattern.regex.pattern)
    for name in names:
        text = text.replace(f"%({name})s", "{" + name + "}")
    return text, tuple(names)
