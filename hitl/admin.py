"""Index of this app's admin, and its registration on the tenant's site."""

from django.contrib import admin

from hitl.notifications.admin import EndpointAdmin, NotificationAdmin
from hitl.notifications.models import Endpoint, Notification
from hitl.reviews.admin import ReviewAdmin
from hitl.reviews.models import Review

admin.site.register(Review, ReviewAdmin)
admin.site.register(Endpoint, EndpointAdmin)
admin.site.register(Notification, NotificationAdmin)
