"""The tenant's risk profile, as the gate asks for it."""

import json

from governance.policies.risk import Profile
from governance.types import Risk
from tenants.kernel import prepared

_STANDING = "SELECT home_domains, bulk_from, outside, sensitive, bulk FROM governance_riskprofile"


def standing() -> Profile:
    """Return the profile in force; one that knows no home domain where the row is missing."""
    for domains, bulk_from, outside, sensitive, bulk in prepared.execute(_STANDING, {}):
        return Profile(
            home_domains=tuple(json.loads(domains) if isinstance(domains, str) else domains),
            bulk_from=bulk_from,
            outside=Risk(outside),
            sensitive=Risk(sensitive),
            bulk=Risk(bulk),
        )
    return Profile()
