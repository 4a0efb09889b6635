"""Index of this app's pages."""

from django.urls import path

from hitl.reviews import views
from hitl.routing.views import availability

urlpatterns = [
    path("reviews/", views.queue, name="review-queue"),
    path("reviews/<uuid:pk>/", views.review, name="review"),
    path("me/availability/", availability, name="availability"),
]
