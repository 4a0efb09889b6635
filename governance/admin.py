"""Index of this app's admin, and its registration on the tenant's site."""

from django.contrib import admin
from django.contrib.auth.models import Group
from knox.models import AuthToken

from governance.access.admin import GroupAdmin, TokenAdmin, UserAdmin
from governance.access.models import User
from governance.audit.admin import AuditCheckpointAdmin, AuditEventAdmin
from governance.audit.models import AuditCheckpoint, AuditEvent
from governance.flow.admin import TrustedSourceAdmin
from governance.flow.models import TrustedSource
from governance.policies.admin import RiskThresholdAdmin
from governance.policies.models import RiskThreshold

admin.site.unregister(Group)
admin.site.unregister(AuthToken)
admin.site.register(AuthToken, TokenAdmin)
admin.site.register(Group, GroupAdmin)
admin.site.register(User, UserAdmin)
admin.site.register(AuditEvent, AuditEventAdmin)
admin.site.register(AuditCheckpoint, AuditCheckpointAdmin)
admin.site.register(RiskThreshold, RiskThresholdAdmin)
admin.site.register(TrustedSource, TrustedSourceAdmin)

__all__ = ["AuditEventAdmin", "UserAdmin"]
