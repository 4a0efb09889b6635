"""What the platform's own admin shows."""

from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from waffle.models import Flag

from agents.admin import PlatformHaltAdmin
from config.admin import ThemedSite
from governance.admin import (
    AuditEventAdmin,
    BudgetAdmin,
    LockOutAdmin,
    SecondFactorAdmin,
    TenantAdmin,
    TierAdmin,
    UserAdmin,
)
from governance.models import AuditEvent, Budget, User
from tenants.admin import DomainAdmin, PlatformFlagAdmin
from tenants.models import Domain, PlatformHalt, Tenant, Tier

site = ThemedSite(name="platform_admin")
site.register(Tenant, TenantAdmin)
site.register(Tier, TierAdmin)
site.register(Domain, DomainAdmin)
site.register(Flag, PlatformFlagAdmin)
site.register(PlatformHalt, PlatformHaltAdmin)
site.register(User, UserAdmin)
site.register(AuditEvent, AuditEventAdmin)
site.register(AccessAttempt, LockOutAdmin)
site.register(Authenticator, SecondFactorAdmin)
site.register(Budget, BudgetAdmin)
