"""Runs things."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Say which roles use agents, and listen for decided reviews and new schemas."""

    name = "agents"

    def ready(self) -> None:
        """Connect this app to the ones below."""
        from auditlog.registry import auditlog

        from agents.catalog.models import Agent
        from agents.halts import operations as halts
        from agents.halts.models import Halt
        from agents.resilience.models import Circuit, ConcurrencyCap
        from agents.runs import operations
        from agents.tools import sync
        from agents.tools.models import Tool, ToolSecret, ToolServer
        from governance.access import roles
        from hitl.escalation.signals import agent_to_pause, run_to_cancel
        from hitl.reviews.signals import review_decided
        from tenants.signals import schema_ready, tenant_activated, tenant_suspended
        from tenants.tenancy import fingerprint
        from tenants.usage.registry import IN_USE, METERS

        read = ["agents.view_agent", "agents.view_tool", "agents.view_run", "agents.view_step"]
        read += ["agents.view_circuit", "agents.view_concurrencycap", "agents.view_halt"]
        read += ["agents.view_toolserver"]
        use = ["agents.execute_agent", "agents.execute_tool", "agents.cancel_run", "agents.pause_run"]
        escalate = ["agents.escalate_run"]
        use += ["agents.add_halt", "agents.lift_halt", "agents.change_circuit"]
        manage = ["agents.add_agent", "agents.change_agent", "agents.change_tool"]
        manage += ["agents.add_concurrencycap", "agents.change_concurrencycap"]
        manage += ["agents.delete_concurrencycap"]
        manage += ["agents.add_tool", "agents.add_toolserver", "agents.change_toolserver"]
        manage += [f"agents.{verb}_toolsecret" for verb in ("view", "add", "change", "delete")]
        manage += ["agents.admin_agent", "agents.admin_tool"]
        roles.grant(
            admin=[*read, *use, *escalate, *manage],
            operator=[*read, *use, *escalate],
            analyst=escalate,
            reviewer=[*read, *escalate],
            viewer=read,
            auditor=[*read, *escalate],
        )
        agent_to_pause.connect(halts.on_agent_to_pause, dispatch_uid="halts.agent_to_pause")
        run_to_cancel.connect(operations.on_run_to_cancel, dispatch_uid="runs.run_to_cancel")
        review_decided.connect(operations.on_review_decided, dispatch_uid="runs.review_decided")
        schema_ready.connect(sync.on_schema_ready, dispatch_uid="tools.sync")
        tenant_suspended.connect(halts.on_tenant_suspended, dispatch_uid="halts.tenant_suspended")
        tenant_activated.connect(halts.on_tenant_activated, dispatch_uid="halts.tenant_activated")
        fingerprint.contribute(sync.described)
        auditlog.register(Agent, m2m_fields={"tools"})
        for model in (Tool, ToolServer, Halt, Circuit, ConcurrencyCap):
            auditlog.register(model)
        auditlog.register(ToolSecret, exclude_fields=["ciphertext"])
        for meter in ("runs", "steps", "tool_calls", "input_tokens", "output_tokens"):
            METERS.add(meter, f"agents.usage:{meter.upper()}")
        IN_USE.add("agents", "agents.usage:AGENTS_NOW")
        IN_USE.add("runs_per_day", "agents.usage:RUNS_TODAY")
        IN_USE.add("concurrent_runs", "agents.usage:RUNS_AT_ONCE")
        IN_USE.add("tokens_per_month", "agents.usage:TOKENS_THIS_MONTH")
        _rights()


def _rights() -> None:
    """Say which objects have levels, and what API keys may be limited to."""
    from governance.access.keys import scopes
    from governance.access.rights.types import KINDS

    KINDS.add("agent", "agents.catalog.levels:AGENT")
    KINDS.add("tool", "agents.tools.levels:TOOL")
    agents = [f"agents.{verb}_agent" for verb in ("add", "change", "admin")]
    tools = [f"agents.{verb}_{what}" for verb in ("add", "change") for what in ("tool", "toolserver")]
    scopes.offer(
        agents_read=["agents.view_agent"],
        agents_write=["agents.view_agent", *agents],
        tools_read=["agents.view_tool", "agents.view_toolserver"],
        tools_write=["agents.view_tool", "agents.view_toolserver", *tools, "agents.admin_tool"],
        runs_read=["agents.view_run", "agents.view_step", "agents.view_agent"],
        runs_write=[
            *("agents.view_run", "agents.view_step", "agents.view_agent", "agents.execute_agent"),
            *("agents.cancel_run", "agents.pause_run", "agents.escalate_run"),
        ],
        limits_read=["agents.view_halt", "agents.view_circuit", "agents.view_concurrencycap"],
        limits_write=["agents.view_halt", "agents.add_halt", "agents.lift_halt", "agents.change_circuit"],
    )
