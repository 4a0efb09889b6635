"""Index of this app's pages."""

from django.urls import path

from hitl.desk import views
from hitl.reviews.views import queue

urlpatterns = [
    path("reviews/", queue, name="review-queue"),
    path("reviews/<uuid:pk>/", views.review, name="review"),
]
