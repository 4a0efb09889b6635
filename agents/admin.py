"""Index of this app's admin, and its registration on the tenant's site."""

from django.contrib import admin

from agents.catalog.admin import AgentAdmin
from agents.catalog.models import Agent
from agents.halts.admin import HaltAdmin, PlatformHaltAdmin
from agents.halts.models import Halt
from agents.resilience.admin import CircuitAdmin, ConcurrencyCapAdmin
from agents.resilience.models import Circuit, ConcurrencyCap
from agents.runs.admin import RunAdmin
from agents.runs.models import Run
from agents.tools.admin import ToolAdmin, ToolSecretAdmin, ToolServerAdmin
from agents.tools.models import Tool, ToolSecret, ToolServer

admin.site.register(Agent, AgentAdmin)
admin.site.register(Run, RunAdmin)
admin.site.register(Tool, ToolAdmin)
admin.site.register(Halt, HaltAdmin)
admin.site.register(Circuit, CircuitAdmin)
admin.site.register(ConcurrencyCap, ConcurrencyCapAdmin)

admin.site.register(ToolServer, ToolServerAdmin)
admin.site.register(ToolSecret, ToolSecretAdmin)

__all__ = ["PlatformHaltAdmin"]
