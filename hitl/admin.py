"""Index of this app's admin, and its registration on the tenant's site."""

from django.contrib import admin

from hitl.escalation import admin as escalation
from hitl.escalation.models import (
    EscalationEvent,
    EscalationHeartbeat,
    EscalationPolicy,
    EscalationPolicyVersion,
    EscalationState,
    ServiceLevel,
)
from hitl.reviews.admin import ReviewAdmin
from hitl.reviews.models import Review

admin.site.register(Review, ReviewAdmin)
admin.site.register(ServiceLevel, escalation.ServiceLevelAdmin)
admin.site.register(EscalationPolicy, escalation.EscalationPolicyAdmin)
admin.site.register(EscalationPolicyVersion, escalation.EscalationPolicyVersionAdmin)
admin.site.register(EscalationState, escalation.EscalationStateAdmin)
admin.site.register(EscalationEvent, escalation.EscalationEventAdmin)
admin.site.register(EscalationHeartbeat, escalation.EscalationHeartbeatAdmin)
