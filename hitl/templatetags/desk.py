"""What the pages where people work need beside the shared tags."""

import json
from typing import Any

from django import template

from hitl.desk import preferences, shortcuts

register = template.Library()


@register.simple_tag(takes_context=True)
def my_shortcuts(context: dict[str, Any]) -> dict[str, Any]:
    """Return the person's keys by action, whether they are on, and for the page's script which replace which."""
    mine = preferences.of(context["request"].user)
    keys = shortcuts.keys(mine.shortcuts)
    usual = {keys[action]: usual for action, usual in shortcuts.USUAL.items()}
    return {"keys": keys, "on": mine.shortcuts_on, "usual": json.dumps(usual)}
