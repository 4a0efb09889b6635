"""Index of this app's admin, and its registration on the tenant's site."""

from django.contrib import admin

from hitl.desk.admin import ReviewAdmin
from hitl.reviews.models import Review

admin.site.register(Review, ReviewAdmin)
