"""Who may look after tokens, what no token carries, and which tables are on record when they change."""

from auditlog.registry import auditlog

from governance.access import roles
from governance.identity.authentication import keep_personal
from governance.identity.models import DelegationGrant, TokenClient, TrustedIssuer
from tenants.tenancy.operations import leave_behind

CONSENT = ["governance.view_delegationgrant", "governance.add_delegationgrant"]
LOOK_AFTER = [
    "governance.view_signingkey",
    "governance.rotate_signingkey",
    "governance.view_issuedtoken",
    "governance.revoke_issuedtoken",
    *(f"governance.{verb}_tokenclient" for verb in ("view", "add", "change")),
    "governance.view_trustedissuer",  # to change one is for superusers: it says who anybody is
]


def connect() -> None:
    """Fill the registries; called when apps are ready."""
    roles.grant(
        admin=[*CONSENT, *LOOK_AFTER],
        operator=CONSENT,
        reviewer=CONSENT,
        viewer=CONSENT,
        auditor=[*CONSENT, "governance.view_signingkey", "governance.view_issuedtoken"],
    )
    keep_personal(
        *("governance.add_delegationgrant", "governance.rotate_signingkey", "governance.add_apikey"),
        *("governance.activate_policy", "governance.reveal_redacted"),
    )
    leave_behind("governance_signingkey", "governance_issuedtoken", "governance_spenttoken")
    auditlog.register(TokenClient, exclude_fields=["secret_hash"])
    auditlog.register(TrustedIssuer)
    auditlog.register(DelegationGrant)
