"""What the platform's own admin shows."""

from agents.admin import PlatformHaltAdmin
from config.admin import ThemedSite
from governance.admin import AuditEventAdmin, UserAdmin
from governance.models import AuditEvent, User
from tenants.admin import DomainAdmin, TenantAdmin
from tenants.models import Domain, PlatformHalt, Tenant

site = ThemedSite(name="platform_admin")
site.register(Tenant, TenantAdmin)
site.register(Domain, DomainAdmin)
site.register(PlatformHalt, PlatformHaltAdmin)
site.register(User, UserAdmin)
site.register(AuditEvent, AuditEventAdmin)
