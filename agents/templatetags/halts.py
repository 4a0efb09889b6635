"""What every page says about kill switches."""

from typing import Any

from django import template

from agents.halts.models import Halt
from tenants.kernel.context import PUBLIC, current_schema

register = template.Library()


@register.simple_tag(takes_context=True)
def standing_halts(context: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return scope, reason and name behind what stops all agents here, to those who may know. One query."""
    request = context.get("request")
    if request is None or current_schema() in {None, PUBLIC} or not request.user.has_perm("agents.view_halt"):
        return []
    return Halt.objects.over_everything()
