"""Index of this app's pages."""

from django.urls import path

from hitl.notifications import slack_hook
from hitl.notifications import views as notifications
from hitl.reviews import views

urlpatterns = [
    path("reviews/", views.queue, name="review-queue"),
    path("reviews/<uuid:pk>/", views.review, name="review"),
    path("inbox/", notifications.inbox, name="inbox"),
    path("inbox/unread/", notifications.unread, name="inbox-unread"),
    path("inbox/read/", notifications.read, name="inbox-read"),
    path("notifications/", notifications.settings, name="notification-settings"),
    path("hooks/slack/actions", slack_hook.actions, name="slack-actions"),
]
