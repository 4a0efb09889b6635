"""Index of this app's admin, and its registration on the tenant's site."""

from django.contrib import admin

from hitl.desk.admin import ReviewAdmin
from hitl.escalation import admin as escalation
from hitl.escalation.models import (
    EscalationEvent,
    EscalationHeartbeat,
    EscalationPolicy,
    EscalationPolicyVersion,
    EscalationState,
    ServiceLevel,
)
from hitl.grants.admin import StandingGrantAdmin
from hitl.grants.models import StandingGrant
from hitl.notifications.admin import EndpointAdmin, NotificationAdmin
from hitl.notifications.models import Endpoint, Notification
from hitl.reviews.models import Review, ReviewPlan, ReviewTier
from hitl.reviews.rules.admin import ReviewPlanAdmin, ReviewTierAdmin
from hitl.routing import admin as routing
from hitl.routing.models import ReviewerProfile, ReviewQueue, Schedule, ScheduleOverride, Substitution

admin.site.register(Review, ReviewAdmin)
admin.site.register(StandingGrant, StandingGrantAdmin)
admin.site.register(ReviewQueue, routing.ReviewQueueAdmin)
admin.site.register(ReviewerProfile, routing.ReviewerProfileAdmin)
admin.site.register(Schedule, routing.ScheduleAdmin)
admin.site.register(ScheduleOverride, routing.ScheduleOverrideAdmin)
admin.site.register(Substitution, routing.SubstitutionAdmin)
admin.site.register(ServiceLevel, escalation.ServiceLevelAdmin)
admin.site.register(EscalationPolicy, escalation.EscalationPolicyAdmin)
admin.site.register(EscalationPolicyVersion, escalation.EscalationPolicyVersionAdmin)
admin.site.register(EscalationState, escalation.EscalationStateAdmin)
admin.site.register(EscalationEvent, escalation.EscalationEventAdmin)
admin.site.register(EscalationHeartbeat, escalation.EscalationHeartbeatAdmin)
admin.site.register(Endpoint, EndpointAdmin)
admin.site.register(Notification, NotificationAdmin)
admin.site.register(ReviewPlan, ReviewPlanAdmin)
admin.site.register(ReviewTier, ReviewTierAdmin)
