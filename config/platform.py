"""What the platform's own admin shows."""

from config.admin import ThemedSite
from governance.admin import AuditEventAdmin, UserAdmin
from governance.models import AuditEvent, User
from tenants.admin import DomainAdmin, TenantAdmin
from tenants.models import Domain, Tenant

site = ThemedSite(name="platform_admin")
site.register(Tenant, TenantAdmin)
site.register(Domain, DomainAdmin)
site.register(User, UserAdmin)
site.register(AuditEvent, AuditEventAdmin)
