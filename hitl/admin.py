"""Index of this app's admin, and its registration on the tenant's site."""

from django.contrib import admin

from hitl.desk.admin import ReviewAdmin
from hitl.grants.admin import StandingGrantAdmin
from hitl.grants.models import StandingGrant
from hitl.reviews.models import Review
from hitl.routing import admin as routing
from hitl.routing.models import ReviewerProfile, ReviewQueue, Schedule, ScheduleOverride, Substitution

admin.site.register(Review, ReviewAdmin)
admin.site.register(StandingGrant, StandingGrantAdmin)
admin.site.register(ReviewQueue, routing.ReviewQueueAdmin)
admin.site.register(ReviewerProfile, routing.ReviewerProfileAdmin)
admin.site.register(Schedule, routing.ScheduleAdmin)
admin.site.register(ScheduleOverride, routing.ScheduleOverrideAdmin)
admin.site.register(Substitution, routing.SubstitutionAdmin)
