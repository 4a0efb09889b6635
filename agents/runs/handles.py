"""Results that the model never sees: it is told of a handle, and passes that on. Pure.

Whoever wrote into such a result cannot speak to the model, so the run stays as trusted as it was. The platform
puts the value in the handle's place before the gate is asked: rules and people judge the call as it will run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.runs.models import Step
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

HANDLE, AT = "$handle", "at"
MAX_DEPTH = 40
HOW = (
    'The result is withheld. To use it, pass {"$handle": "%s", "at": "/member"} as an argument of another tool '
    "(at is a JSON Pointer, empty for all of it), or ask a closed question about it with the tool extract."
)


class BadHandle(InvalidInput):
    """The arguments name a result that is not there."""

    code = "bad-handle"


def name(step: Step) -> str:
    """Return the handle of the step's result."""
    return f"${step.number}"


def view(step: Step, schema: Mapping[str, Any] | None) -> JsonObject:
    """Return what the model is told in place of a withheld result: its handle, and the members declared for it."""
    members = sorted((schema or {}).get("properties", {}))
    return {"handle": name(step), "members": members, "note": HOW % name(step)}


def resolve(arguments: JsonObject, steps: Iterable[Step]) -> tuple[JsonObject, dict[str, str]]:
    """Return the arguments with values in place of handles, and each place with the handle that stood there.

    A handle more than 40 levels deep stays as it is. Places are JSON Pointers into the arguments, values such
    as `$3/body`. Raises BadHandle.
    """
    results = {name(step): step.result for step in steps if _is_result(step)}
    places: dict[str, str] = {}

    def put(value: Any, pointer: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return value
        match value:
            case dict() if HANDLE in value:
                found, source = _value(value, results)
                places[pointer] = source
                return found
            case dict():
                return {
                    key: put(item, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", depth + 1)
                    for key, item in value.items()
                }
            case list():
                return [put(item, f"{pointer}/{n}", depth + 1) for n, item in enumerate(value)]
        return value

    resolved = {
        key: put(item, f"/{key.replace('~', '~0').replace('/', '~1')}", 1) for key, item in arguments.items()
    }
    return resolved, places


def put_in(request: JsonObject, steps: Iterable[Step]) -> JsonObject:
    """Return a step's request with values in place of handles, and what was proposed; raise BadHandle."""
    resolved, places = resolve(request["arguments"], steps)
    if not places:
        return request
    return {**request, "arguments": resolved, "handles": places, "proposed": request["arguments"]}


def sources(step: Step, steps: Iterable[Step]) -> set[str]:
    """Return the tools whose results were put into the call in the place of handles."""
    labels = {place.split("/")[0] for place in step.request.get("handles", {}).values()}
    return {one.name for one in steps if name(one) in labels}


def content_of(handle: str, steps: Iterable[Step]) -> Any:
    """Return the result behind a handle, withheld or not; raise BadHandle."""
    return _value({HANDLE: handle}, {name(step): step.result for step in steps if _is_result(step)})[0]


def _is_result(step: Step) -> bool:
    return step.kind == Step.Kind.TOOL and step.status == Step.Status.SUCCEEDED and step.result is not None


def _value(handle: JsonObject, results: Mapping[str, Any]) -> tuple[Any, str]:
    label, pointer = handle[HANDLE], handle.get(AT, "")
    if set(handle) - {HANDLE, AT} or not isinstance(label, str) or not isinstance(pointer, str):
        raise BadHandle('A handle is {"$handle": "$3"}, with "at" and a JSON Pointer if a part is meant.')
    if label not in results:
        known = ", ".join(results) or "none"
        raise BadHandle(f"There is no result {label[:20]}. Results: {known}.")
    value = results[label]["content"]
    for part in _parts(pointer):
        value = _member(value, part, label)
    return value, f"{label}{pointer}"


def _parts(pointer: str) -> Sequence[str]:
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise BadHandle("at must be a JSON Pointer: empty, or beginning with /.")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _member(value: Any, part: str, label: str) -> Any:
    """Return a member; what the result holds is not told when it is missing."""
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
        return value[int(part)]
    raise BadHandle(f"The result {label} has nothing there.")
