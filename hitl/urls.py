"""Index of this app's pages."""

from django.urls import include, path

from hitl.reviews import views

urlpatterns = [
    path("reviews/", views.queue, name="review-queue"),
    path("reviews/<uuid:pk>/", views.review, name="review"),
    path("", include("hitl.grants.urls")),
]
