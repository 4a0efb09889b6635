"""Say what an edit changed as a JSON Patch (RFC 6902). Pure."""

from typing import Any

from tenants.kernel.jsonvalues import JsonObject, canonical


def between(before: Any, after: Any, at: str = "") -> list[JsonObject]:
    """Return the operations that turn `before` into `after`; lists are replaced whole."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        same = canonical({"value": before}) == canonical({"value": after})
        return [] if same else [{"op": "replace", "path": at, "value": after}]
    changes: list[JsonObject] = []
    for name in sorted(set(before) | set(after)):
        path = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in after:
            changes.append({"op": "remove", "path": path})
        elif name not in before:
            changes.append({"op": "add", "path": path, "value": after[name]})
        else:
            changes += between(before[name], after[name], path)
    return changes
