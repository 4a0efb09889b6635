"""Index of this app's admin, and its registration on the tenant's site."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group
from knox.models import AuthToken
from waffle.models import Flag

from governance.access.admin import GroupAdmin, TokenAdmin, UserAdmin
from governance.access.custom_roles.admin import RoleAdmin
from governance.access.keys.admin import ApiKeyAdmin
from governance.access.keys.models import ApiKey
from governance.access.models import Role, User
from governance.audit.admin import AuditCheckpointAdmin, AuditEventAdmin
from governance.audit.models import AuditCheckpoint, AuditEvent
from governance.flow.admin import TrustedSourceAdmin
from governance.flow.models import TrustedSource
from governance.guardrails.admin import GuardrailBindingAdmin, GuardrailFindingAdmin, RedactedValueAdmin
from governance.guardrails.models import GuardrailBinding, GuardrailFinding, RedactedValue
from governance.identity.admin import (
    DelegationGrantAdmin,
    IssuedTokenAdmin,
    SigningKeyAdmin,
    TokenClientAdmin,
    TrustedIssuerAdmin,
)
from governance.identity.models import DelegationGrant, IssuedToken, SigningKey, TokenClient, TrustedIssuer
from governance.metering.admin import (
    BudgetAdmin,
    PriceAdmin,
    RateLimitAdmin,
    ReservationAdmin,
    UsageRecordAdmin,
)
from governance.metering.models import Budget, Price, RateLimit, Reservation, UsageRecord
from governance.platform.admin import TenantAdmin, TierAdmin
from governance.policies.admin import PolicyAdmin, RiskThresholdAdmin
from governance.policies.models import Policy, RiskProfile, RiskThreshold
from governance.policies.profile_admin import RiskProfileAdmin
from governance.signin.admin import IdentityProviderAdmin, LockOutAdmin, SecondFactorAdmin
from governance.signin.models import IdentityProvider
from tenants.admin import FlagAdmin

admin.site.unregister(Group)
admin.site.unregister(AuthToken)
admin.site.register(AuthToken, TokenAdmin)
admin.site.register(Group, GroupAdmin)
admin.site.register(User, UserAdmin)
admin.site.register(AuditEvent, AuditEventAdmin)
admin.site.register(AuditCheckpoint, AuditCheckpointAdmin)
admin.site.register(RiskThreshold, RiskThresholdAdmin)
admin.site.register(RiskProfile, RiskProfileAdmin)
admin.site.register(Flag, FlagAdmin)
admin.site.register(Role, RoleAdmin)
admin.site.register(ApiKey, ApiKeyAdmin)
admin.site.register(GuardrailBinding, GuardrailBindingAdmin)
admin.site.register(GuardrailFinding, GuardrailFindingAdmin)
admin.site.register(RedactedValue, RedactedValueAdmin)
admin.site.register(Policy, PolicyAdmin)
admin.site.register(TrustedSource, TrustedSourceAdmin)
for ours_or_nobodys in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(ours_or_nobodys)
admin.site.register(AccessAttempt, LockOutAdmin)
admin.site.register(Authenticator, SecondFactorAdmin)
admin.site.register(IdentityProvider, IdentityProviderAdmin)
admin.site.register(TokenClient, TokenClientAdmin)
admin.site.register(DelegationGrant, DelegationGrantAdmin)
admin.site.register(TrustedIssuer, TrustedIssuerAdmin)
admin.site.register(SigningKey, SigningKeyAdmin)
admin.site.register(IssuedToken, IssuedTokenAdmin)
admin.site.register(Budget, BudgetAdmin)
admin.site.register(Price, PriceAdmin)
admin.site.register(RateLimit, RateLimitAdmin)
admin.site.register(Reservation, ReservationAdmin)
admin.site.register(UsageRecord, UsageRecordAdmin)

__all__ = [
    "AuditEventAdmin",
    "BudgetAdmin",
    "LockOutAdmin",
    "SecondFactorAdmin",
    "TenantAdmin",
    "TierAdmin",
    "UserAdmin",
]
