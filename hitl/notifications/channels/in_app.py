"""The inbox in the dashboard: the row itself is the message."""

from hitl.notifications.base import Channel
from hitl.notifications.types import Message, Target


class InApp(Channel):
    """Nothing leaves the platform: a row that is sent is in the inbox."""

    name = "in_app"
    label = "Inbox"

    def send(self, message: Message, target: Target) -> str:
        """Do nothing: the row appears in the inbox when it is recorded as sent."""
        return ""


CHANNEL = InApp()
