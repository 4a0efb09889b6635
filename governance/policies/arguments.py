"""Check a tool call's arguments against the tool's JSON Schema. Pure."""

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject, canonical


@lru_cache(maxsize=1024)
def _validator(canonical_schema: bytes) -> Draft202012Validator:
    schema = json.loads(canonical_schema)
    Draft202012Validator.check_schema(schema)
    # The registry is empty: jsonschema's own would fetch what a schema refers to.
    return Draft202012Validator(
        schema, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def problems(schema: JsonObject, arguments: Any) -> list[dict[str, str]]:
    """Return what is wrong as `[{"at": "/path", "message": …}]`, empty if the arguments fit.

    A schema that is itself malformed, or that refers outside itself, fits nothing.
    """
    try:
        found = sorted(
            _validator(canonical(schema)).iter_errors(arguments), key=lambda e: list(map(str, e.path))
        )
    except (SchemaError, Unresolvable, InvalidInput) as error:
        return [{"at": "/", "message": f"The tool's schema cannot be used: {error}"}]
    return [{"at": "/" + "/".join(map(str, error.path)), "message": error.message} for error in found]
