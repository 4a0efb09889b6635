"""Every channel, by the word that rows and settings store. docs/extending.md says how to add one."""

from hitl.notifications.base import Channel
from tenants.kernel.registry import Registry

_HERE = "hitl.notifications.channels"
CHANNELS: Registry[Channel] = Registry(
    "channel",
    {
        "in_app": f"{_HERE}.in_app:CHANNEL",
        "email": f"{_HERE}.email:CHANNEL",
        "slack": f"{_HERE}.slack:CHANNEL",
        "teams": f"{_HERE}.teams:CHANNEL",
        "pagerduty": f"{_HERE}.pagerduty:CHANNEL",
        "webhook": f"{_HERE}.webhook:CHANNEL",
        "apprise": f"{_HERE}.apprise:CHANNEL",
    },
    group="countersign.channels",
)
IN_APP = "in_app"
EMAIL = "email"
SLACK = "slack"


def personal() -> list[Channel]:
    """Return the channels that a person may have as a contact."""
    return [channel for channel in map(CHANNELS.get, CHANNELS) if channel.personal]


def tenant_wide() -> list[Channel]:
    """Return the channels that an endpoint of the tenant may use."""
    return [channel for channel in map(CHANNELS.get, CHANNELS) if channel.tenant_wide]
