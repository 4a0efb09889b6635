"""A checksum over every column of a step, so that damage to a run's state is noticed before it is used."""

import hashlib
import json
from typing import Any

COVERED = (
    "number",
    "kind",
    "status",
    "name",
    "call_id",
    "request",
    "result",
    "attempts",
    "input_tokens",
    "output_tokens",
)


def of(step: Any) -> str:
    """Return the SHA-256, in hex, of a step's columns, its run and its review.

    JSON columns hold storable values (tenants.kernel.jsonvalues), which come back from the database
    as they went in, so sorted JSON is one form for both sides.
    """
    values = [str(step.id), str(step.run_id), str(step.review_id or "")]
    values += [getattr(step, name) for name in COVERED]
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def is_intact(step: Any) -> bool:
    """Tell whether the step is as it was written."""
    return bool(step.checksum == of(step))
