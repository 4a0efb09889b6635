"""Pages of costs."""

from django.urls import path

from governance.metering import views

urlpatterns = [
    path("usage/", views.usage, name="usage"),
    path("usage/budgets/", views.budgets, name="budgets"),
]
