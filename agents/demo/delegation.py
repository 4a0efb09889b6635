"""A client that acts for a person of the demo, and the keys that would sign its tokens."""

from datetime import datetime, timedelta

from agents.catalog.models import Agent
from governance.access import roles
from governance.access.models import User
from governance.identity import clients, keys, operations
from governance.identity.models import DelegationGrant, TokenClient

NAME = "Night batch"
AUDIENCE = "https://orders.example.com"
SCOPES = ["orders:read"]


def seed_tokens(*, agent: str, person: User, now: datetime) -> None:
    """Add what is missing: keys, a client without credentials, and the person's consent to it for 30 days."""
    keys.ensure(now=now)
    client = TokenClient.objects.filter(name=NAME).first()
    if client is not None:
        return
    client = TokenClient(
        name=NAME,
        agent_id=Agent.objects.get(name=agent).pk,
        audiences={AUDIENCE: [*SCOPES, "orders:write"]},
        may_delegate_for=[roles.OPERATOR],
    )
    clients.save(client=client, by="alice", now=now)
    grant = DelegationGrant(
        user=person, client=client, audience=AUDIENCE, scopes=SCOPES, expires_at=now + timedelta(days=30)
    )
    operations.consent(grant=grant, by=person)
