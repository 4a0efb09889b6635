"""What is handed to the audit log. No Django."""

from dataclasses import dataclass, field
from datetime import datetime

from governance.types import SYSTEM, Actor, Subject, UserRef
from tenants.kernel.jsonvalues import JsonObject


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that happened: who, for whom, to what, in which run and step, with what result."""

    at: datetime
    action: str
    actor: Actor = SYSTEM
    user: UserRef | None = None
    agent_id: str = ""
    agent_name: str = ""
    run_id: str | None = None
    step_id: str | None = None
    trace_id: str = ""
    subject: Subject | None = None
    outcome: str = ""
    body: JsonObject = field(default_factory=dict)
