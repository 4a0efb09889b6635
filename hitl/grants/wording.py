"""A grant in plain words."""

import json
from typing import Any

from hitl.grants.conditions import parse
from hitl.grants.models import StandingGrant
from hitl.grants.types import Condition, Op, Scope


def covered(grant: StandingGrant) -> str:
    """Return which arguments it covers, such as `amount at most 50, currency "EUR" or "USD"`."""
    match Scope(grant.scope):
        case Scope.EXACT_ARGS:
            given = (grant.arguments or {}).items()
            return ", ".join(f"{name} {_text(value)}" for name, value in given) or "no arguments"
        case Scope.ARGS_PATTERN:
            return ", ".join(map(said, parse(grant.conditions)))
        case Scope.TOOL:
            return "any arguments"


def said(condition: Condition) -> str:
    """Return one condition."""
    path, value = condition.path, condition.value
    match condition.op:
        case Op.EQ:
            return f"{path} {_text(value)}"
        case Op.IN:
            return f"{path} {' or '.join(map(_text, value))}"
        case Op.LE:
            return f"{path} at most {_text(value)}"
        case Op.GE:
            return f"{path} at least {_text(value)}"
        case Op.PREFIX:
            return f"{path} beginning with {_text(value)}"
        case Op.PRESENT:
            return f"{path} anything" if value else f"no {path}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
