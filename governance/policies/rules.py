"""Read rules: JSON documents become compiled rules, or a list of what is wrong with them. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from governance.policies import conditions, operators, redaction, validity
from governance.policies.conditions import Tree
from governance.policies.redaction import Redaction
from governance.policies.validity import InForce
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject, canonical, storable

MEMBERS = frozenset(
    {
        "id", "priority", "point", "match", "when", "effect", "params", "obligations", "mode", "valid", "message",
    }
)  # fmt: skip
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
MAX_BYTES, MAX_MESSAGE, MAX_OBLIGATIONS, MAX_GROUPS, MAX_QUORUM = 20_000, 300, 10, 4, 10
LEAST_TTL_S, MOST_TTL_S = 60, 7 * 24 * 3600
GROUP = "group:"


class Point(StrEnum):
    """Where in a run a rule is asked."""

    INPUT = "input"
    PRE_MODEL_CALL = "pre_model_call"
    POST_MODEL_CALL = "post_model_call"
    PRE_TOOL_CALL = "pre_tool_call"
    POST_TOOL_CALL = "post_tool_call"
    OUTPUT = "output"
    AGENT_STARTUP = "agent_startup"
    DELEGATE = "delegate"


LIVE_POINTS = frozenset({Point.PRE_TOOL_CALL})
"""Points at which something asks. Rules of other points are kept, and say nothing yet."""


class RuleEffect(StrEnum):
    """What a rule wants of the calls that it matches, from the mildest to the strictest."""

    ALLOW = "allow"
    REDACT = "redact"
    REQUIRE_APPROVAL = "require_approval"
    DENY = "deny"


class Mode(StrEnum):
    """Whether a rule decides, or is only recorded."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Layer(StrEnum):
    """Whose rule it is, from the top: a lower layer only tightens."""

    PLATFORM = "platform"
    TENANT = "tenant"
    AGENT = "agent"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Who must approve, where a rule asks for people."""

    quorum: int = 1
    groups: tuple[str, ...] = ()
    ttl_s: int | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A compiled rule."""

    id: str
    name: str
    effect: RuleEffect
    point: Point
    layer: Layer
    mode: Mode
    priority: int
    author_id: int | None
    version: str
    fits_tool: Callable[[str], bool]
    fits_agent: Callable[[str, str, str], bool] | None
    """Of an agent's name, blueprint and id; None for every agent."""
    fits_tenant: Callable[[str], bool] | None
    in_force: InForce | None
    when: Tree
    ask: Ask | None
    redaction: Redaction | None
    obligations: tuple[JsonObject, ...]
    message: str


def compile_rule(
    document: Any,
    *,
    name: str = "",
    layer: Layer = Layer.TENANT,
    agent_id: str = "",
    author_id: int | None = None,
    version: str = "",
) -> Rule:
    """Return the compiled rule; raise InvalidInput whose errors name each place that cannot be used.

    `agent_id` limits a rule of the agent layer to that agent.
    """
    errors: list[dict[str, str]] = []

    def say(at: str, message: str) -> None:
        errors.append({"at": at, "message": message})

    rule = _rule(document, say) if _is_sound(document, say) else None
    if rule is not None and layer is Layer.AGENT and rule["effect"] is RuleEffect.ALLOW:
        say("/effect", "A rule for one agent only tightens: ask people, take out or refuse.")
    if rule is not None and layer is Layer.TENANT and rule["fits_tenant"] is not None:
        say("/match/tenants", "Only the platform's rules name tenants.")
    if errors or rule is None:
        raise InvalidInput(f"{errors[0]['at']}: {errors[0]['message']}", errors=errors)
    if agent_id:
        rule["fits_agent"] = _of_one_agent(agent_id, rule["fits_agent"])
    return Rule(name=name or rule["id"], layer=layer, author_id=author_id, version=version, **rule)


def _is_sound(document: Any, say: conditions.Say) -> bool:
    if not isinstance(document, dict):
        say("/", "A rule is a JSON object.")
        return False
    try:
        size = len(canonical(document))
    except InvalidInput as error:
        say("/", error.detail)
        return False
    if size > MAX_BYTES or storable(document) != document:
        say("/", f"A rule has at most {MAX_BYTES} bytes, and only text that can be stored exactly.")
        return False
    for member in sorted(set(document) - MEMBERS):
        say(f"/{member}", f"Unknown; a rule has {', '.join(sorted(MEMBERS))}.")
    return True


def _rule(document: JsonObject, say: conditions.Say) -> dict[str, Any]:
    identifier = document.get("id")
    if not isinstance(identifier, str) or not IDENTIFIER.fullmatch(identifier):
        say("/id", "Give an id of 1 to 50 small letters, digits, - and _.")
    priority = document.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > 1_000_000:  # noqa: PLR2004
        say("/priority", "Give a whole number. It orders reports, never outcomes.")
    effect = _word(RuleEffect, document.get("effect"), "/effect", say)
    when = conditions.ALWAYS
    if document.get("when") is not None:
        when = conditions.compile_tree(document["when"], at="/when", say=say)
    message = document.get("message", "")
    if not isinstance(message, str) or len(message) > MAX_MESSAGE:
        say("/message", f"Give a text of at most {MAX_MESSAGE} characters.")
    return {
        "id": identifier,
        "effect": effect,
        "point": _word(Point, document.get("point", Point.PRE_TOOL_CALL.value), "/point", say),
        "mode": _word(Mode, document.get("mode", Mode.ENFORCE.value), "/mode", say),
        "priority": priority,
        "when": when,
        "in_force": validity.compile_validity(document.get("valid"), at="/valid", say=say),
        "obligations": _obligations(document.get("obligations", []), say),
        "message": message,
        **_match(document.get("match", {}), say),
        **_params(effect, document.get("params", {}), say),
    }


def _word(words: Any, raw: Any, at: str, say: conditions.Say) -> Any:
    known = [str(word) for word in words]
    if raw not in known:
        say(at, f"Use one of {', '.join(known)}.")
        return next(iter(words))
    return words(raw)


def _match(raw: Any, say: conditions.Say) -> dict[str, Any]:
    found: dict[str, Any] = {"fits_tool": lambda _name: True, "fits_agent": None, "fits_tenant": None}
    if not isinstance(raw, dict) or set(raw) - {"tools", "agents", "tenants"}:
        say("/match", "Give tools, agents and tenants, each a list of patterns.")
        return found
    for member, patterns in raw.items():
        if not isinstance(patterns, list):
            say(f"/match/{member}", "Give a list of patterns such as refund_*.")
            continue
        try:
            fits = operators.globs(patterns)
        except InvalidInput as error:
            say(f"/match/{member}", error.detail)
            continue
        if member == "tools":
            found["fits_tool"] = fits
        elif "*" in patterns:
            continue
        elif member == "tenants":
            found["fits_tenant"] = fits
        else:
            found["fits_agent"] = _agents(fits)
    return found


def _agents(fits: Callable[[str], bool]) -> Callable[[str, str, str], bool]:
    return lambda name, blueprint, pk: fits(name) or fits(f"blueprint:{blueprint}") or fits(pk)


def _of_one_agent(
    agent_id: str, fits: Callable[[str, str, str], bool] | None
) -> Callable[[str, str, str], bool]:
    return lambda name, blueprint, pk: pk == agent_id and (fits is None or fits(name, blueprint, pk))


def _params(effect: RuleEffect, raw: Any, say: conditions.Say) -> dict[str, Any]:
    match effect:
        case RuleEffect.REQUIRE_APPROVAL:
            return {"ask": _ask(raw, say), "redaction": None}
        case RuleEffect.REDACT:
            return {"ask": None, "redaction": redaction.compile_redaction(raw, at="/params", say=say)}
    if raw:
        say("/params", f"'{effect}' takes no parameters.")
    return {"ask": None, "redaction": None}


def _ask(raw: Any, say: conditions.Say) -> Ask:
    members = {"approvers", "quorum", "exclude_requester", "ttl_s", "on_timeout"}
    if not isinstance(raw, Mapping) or set(raw) - members:
        say("/params", f"Give some of {', '.join(sorted(members))}.")
        return Ask()
    quorum = raw.get("quorum", 1)
    if not _is_count(quorum, 1, MAX_QUORUM):
        say("/params/quorum", f"Give a number of people from 1 to {MAX_QUORUM}.")
        quorum = 1
    approvers = raw.get("approvers", [])
    listed = [approvers] if isinstance(approvers, str) else approvers
    if (
        not isinstance(listed, list)
        or len(listed) > MAX_GROUPS
        or not all(
            isinstance(one, str) and one.startswith(GROUP) and len(one) > len(GROUP) and '"' not in one
            for one in listed
        )
    ):
        say("/params/approvers", f"Give at most {MAX_GROUPS} groups, such as group:finance.")
        listed = []
    ttl = raw.get("ttl_s")
    if ttl is not None and not _is_count(ttl, LEAST_TTL_S, MOST_TTL_S):
        say("/params/ttl_s", f"Give a number of seconds from {LEAST_TTL_S} to {MOST_TTL_S}.")
        ttl = None
    if raw.get("exclude_requester", True) is not True:
        say("/params/exclude_requester", "Who asked never approves; leave it true.")
    if raw.get("on_timeout", "deny") != "deny":
        say("/params/on_timeout", "Silence never approves; leave it deny.")
    groups = tuple(dict.fromkeys(one.removeprefix(GROUP) for one in listed))
    return Ask(quorum=quorum, groups=groups, ttl_s=ttl)


def _is_count(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _obligations(raw: Any, say: conditions.Say) -> tuple[JsonObject, ...]:
    if not isinstance(raw, list) or len(raw) > MAX_OBLIGATIONS:
        say("/obligations", f"Give a list of at most {MAX_OBLIGATIONS} obligations.")
        return ()
    for n, one in enumerate(raw):
        if not isinstance(one, dict) or not isinstance(one.get("type"), str) or not one["type"]:
            say(f"/obligations/{n}", 'Give an object with a type, such as {"type": "notification"}.')
    return tuple(raw)
