"""The pages of standing grants."""

from django.urls import path

from hitl.grants import views

urlpatterns = [
    path("grants/", views.grants, name="grants"),
    path("grants/new/", views.new, name="grant-new"),
    path("grants/<uuid:pk>/revoke/", views.steer, {"verb": "revoke"}, name="grant-revoke"),
    path("grants/<uuid:pk>/resume/", views.steer, {"verb": "resume"}, name="grant-resume"),
]
