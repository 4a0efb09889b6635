"""The tenant's thresholds, as the gate asks for them."""

from governance.policies.risk import Threshold
from governance.types import Risk
from tenants.kernel import prepared

_STANDING = """
SELECT tool, argument, at_least, risk, author_id FROM governance_riskthreshold
WHERE enabled ORDER BY at_least, tool, argument, id
"""


def standing() -> tuple[Threshold, ...]:
    """Return the thresholds in force."""
    return tuple(
        Threshold(tool=tool, argument=argument, at_least=at_least, risk=Risk(risk), author_id=author_id)
        for tool, argument, at_least, risk, author_id in prepared.execute(_STANDING, {})
    )
