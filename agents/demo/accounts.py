"""A tool that nobody gives an agent lightly: it deletes a user's account."""

from typing import Annotated, Any

from pydantic import Field

from agents.demo.models import DeletedAccount
from agents.tools.base import tool
from governance.types import EffectClass, Risk


@tool(risk=Risk.CRITICAL, effect=EffectClass.IDEMPOTENT, output_trusted=True)
def delete_user(
    username: Annotated[str, Field(description="Whose account", min_length=1, max_length=150)],
) -> dict[str, Any]:
    """Delete a user's account in the shop for good, with all that is in it. Two people must approve it."""
    DeletedAccount.objects.get_or_create(username=username)
    return {"username": username, "status": "deleted"}
