"""Values that cross the border into governance. No Django."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from tenants.kernel.jsonvalues import JsonObject, sha256_hex

BINDING_VERSION = 1


class Risk(StrEnum):
    """How much harm a tool can do, in rising order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class EffectClass(StrEnum):
    """What repeating a call would do."""

    READ = "read"
    IDEMPOTENT = "idempotent"
    NON_IDEMPOTENT = "non_idempotent"


class SecurityLevel(StrEnum):
    """How closely something is kept, in rising order."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    def exceeds(self, other: "SecurityLevel") -> bool:
        """Tell whether this is kept more closely than `other`."""
        order = list(SecurityLevel)
        return order.index(self) > order.index(other)


class Effect(StrEnum):
    """What the gate decided."""

    PERMIT = "permit"
    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who did something: a person, an agent or the platform itself."""

    kind: str
    id: str
    name: str


SYSTEM = Actor(kind="system", id="", name="countersign")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What something was done to."""

    kind: str
    id: str


@dataclass(frozen=True, kw_only=True)
class UserRef:
    """The person on whose behalf an agent acts."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class AgentRef:
    """The agent, its version and the principal whose rights it has."""

    id: str
    name: str
    version: int
    principal_id: int
    owner_id: int = 0
    """Who answers for the agent."""
    blueprint: str = ""
    level: SecurityLevel = SecurityLevel.INTERNAL


@dataclass(frozen=True, kw_only=True)
class ToolRef:
    """The tool as it stood when the call was proposed."""

    id: int
    name: str
    risk: Risk
    effect: EffectClass
    parameters: JsonObject
    schema_version: str
    enabled: bool
    reversible: bool = False
    level: SecurityLevel = SecurityLevel.INTERNAL
    server: str = ""
    """The MCP server that offers it; empty for others."""

    @property
    def is_consequential(self) -> bool:
        """Tell whether a call changes something: what is not known to only read, does."""
        return self.effect is not EffectClass.READ


@dataclass(frozen=True, kw_only=True)
class RunRef:
    """Where in which run the call was proposed."""

    run_id: str
    step_id: str
    trace_id: str


@dataclass(frozen=True, kw_only=True)
class PolicyRequest:
    """One proposed side effect, complete: what a decision is made on and an approval is bound to."""

    tenant: str
    user: UserRef
    agent: AgentRef
    tool: ToolRef
    arguments: JsonObject
    run: RunRef
    delegator: UserRef | None = None
    """On whose behalf `user` asked, where that is somebody else."""
    influence: tuple[str, ...] = ()
    """The tools whose untrusted output the run has read."""
    flow: JsonObject | None = None
    """Where each argument comes from, as governance.flow found it; None where nobody looked."""
    circumstances: JsonObject = field(default_factory=dict)
    """What the caller knows beside the action: `run`, `env`, `cost`, `model`. Not part of the digest."""

    @property
    def is_influenced(self) -> bool:
        """Tell whether outsiders may have had a say: their text was read and does not all prove to be without it."""
        return bool(self.influence) and not (self.flow and self.flow.get("endorsed"))

    @property
    def is_planned(self) -> bool:
        """Tell whether a person approved exactly this call as part of a plan."""
        return bool((self.flow or {}).get("planned")) and not self.is_influenced

    def digest(self) -> str:
        """Return the SHA-256, in hex, of the RFC 8785 form of the action.

        Raises InvalidInput where the arguments have no canonical form (NaN, integers over 2**53).
        """
        return sha256_hex(
            {
                "binding_version": BINDING_VERSION,
                "tenant": self.tenant,
                "subject": {"id": self.user.id, "name": self.user.name},
                "agent": {"id": self.agent.id, "version": self.agent.version},
                "tool": {"name": self.tool.name, "schema_version": self.tool.schema_version},
                "resource": {"type": "tool", "id": self.tool.id},
                "run": {"id": self.run.run_id, "step": self.run.step_id},
                "arguments": self.arguments,
            }
        )

    def with_arguments(self, arguments: JsonObject) -> Self:
        """Return the same request with other arguments: a new action with a new digest.

        Where its arguments came from is no longer known.
        """
        return replace(self, arguments=arguments, flow=None)

    def to_json(self) -> JsonObject:
        """Return a JSON object from which `from_json` restores an equal request."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Restore a request; raises KeyError or ValueError if it was not written by `to_json`."""
        tool = {
            **value["tool"],
            "risk": Risk(value["tool"]["risk"]),
            "effect": EffectClass(value["tool"]["effect"]),
            "level": SecurityLevel(value["tool"].get("level", SecurityLevel.INTERNAL)),
        }
        agent = {**value["agent"]}
        agent["level"] = SecurityLevel(agent.get("level", SecurityLevel.INTERNAL))
        return cls(
            tenant=value["tenant"],
            user=UserRef(**value["user"]),
            agent=AgentRef(**agent),
            tool=ToolRef(**tool),
            arguments=dict(value["arguments"]),
            run=RunRef(**value["run"]),
            delegator=UserRef(**value["delegator"]) if value.get("delegator") else None,
            influence=tuple(value.get("influence", ())),
            flow=value.get("flow"),
            circumstances=dict(value.get("circumstances") or {}),
        )


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One finding behind a decision, for people and for the agent."""

    code: str
    message: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What must be given before the action may run."""

    approvals: int
    risk: Risk
    may_pass_unopposed: bool = False
    """Whether it may run at the end of a veto window without an approval."""
    authors: tuple[int, ...] = ()
    """Who wrote the rules that ask for it; they do not decide."""
    groups: tuple[str, ...] = ()
    """Groups whose people must approve; a name stands as often as people of it are needed."""
    ttl_s: int | None = None
    """Seconds after which nobody may approve any more, where a rule says so."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A text that was taken out, and the token in its place."""

    token: str
    text: str
    label: str
    check: str
    """Which kind of check found it."""


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What one part of the gate says about a request. No effect means that it has nothing against it."""

    effect: Effect | None = None
    reasons: tuple[Reason, ...] = ()
    requirement: Requirement | None = None
    """What must be given, where the effect is to require approval."""
    arguments: JsonObject | None = None
    """The arguments with what may not pass taken out, where something was."""
    obligations: tuple[JsonObject, ...] = ()
    """What is to be done besides, such as telling somebody."""
    findings: tuple[JsonObject, ...] = ()
    """What guardrails found in the arguments, and where."""
    removed: tuple[Removed, ...] = ()
    """What `arguments` have tokens for."""
    facts: JsonObject = field(default_factory=dict)
    """What is recorded with the decision of how the part came to it."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A review that people approved, consumed for one execution of one action."""

    review_id: str
    digest: str
    approvals: int
    approvers: tuple[str, ...]
    decided_at: datetime
    unopposed: bool = False
    """Nobody approved: a veto window ended without an objection, and `approvers` names who answers for it."""
    groups: tuple[str, ...] = ()
    """The groups that the approvers approved for; a name stands once for each person."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the gate decided about one request."""

    id: UUID
    effect: Effect
    reasons: tuple[Reason, ...]
    digest: str
    request: PolicyRequest
    """The action as it may run: after redaction, where something was taken out."""
    requirement: Requirement | None = None
    input_digest: str = ""
    """The digest of the action as it was proposed."""
    rules_version: str = ""
    """Which state of the rules decided."""
    obligations: tuple[JsonObject, ...] = ()

    @property
    def explanation(self) -> str:
        """Return the reasons as one sentence each."""
        return " ".join(reason.message for reason in self.reasons)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a side effect led to.

    `unknown` says that nothing tells whether it took effect. `transient` says that the same call may
    succeed later, `retry_after_s` when at the earliest; `started=False` that it never reached its target.
    """

    ok: bool
    value: Any = None
    error: str = ""
    duration_ms: int = 0
    unknown: bool = False
    transient: bool = False
    started: bool = True
    retry_after_s: float | None = None
    facts: JsonObject = field(default_factory=dict)
