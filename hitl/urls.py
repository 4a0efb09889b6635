"""Index of this app's pages."""

from django.urls import include, path

from hitl.desk import actions, analytics_page, batch_page, queue, views
from hitl.notifications import slack_hook
from hitl.notifications import views as notifications
from hitl.routing.views import availability

urlpatterns = [
    path("reviews/", queue.queue, name="review-queue"),
    path("reviews/preferences/", actions.preferences, name="review-preferences"),
    path("reviews/choices/", queue.choices, name="queue-choices"),
    path("reviews/views/", queue.views, name="saved-views"),
    path("reviews/views/<uuid:pk>/delete/", queue.delete_view, name="delete-view"),
    path("reviews/batch/<slug:shape>/", batch_page.batch, name="review-batch"),
    path("reviews/analytics/", analytics_page.analytics, name="review-analytics"),
    path("reviews/<uuid:pk>/", views.review, name="review"),
    path("reviews/<uuid:pk>/viewed/", actions.viewed, name="review-viewed"),
    path("reviews/<uuid:pk>/reply/", actions.reply, name="review-reply"),
    path("reviews/<uuid:pk>/revoke/", actions.revoke, name="review-revoke"),
    path("reviews/<uuid:pk>/claim/", actions.claim, name="review-claim"),
    path("reviews/<uuid:pk>/release/", actions.release, name="review-release"),
    path("", include("hitl.grants.urls")),
    path("me/availability/", availability, name="availability"),
    path("inbox/", notifications.inbox, name="inbox"),
    path("inbox/unread/", notifications.unread, name="inbox-unread"),
    path("inbox/read/", notifications.read, name="inbox-read"),
    path("notifications/", notifications.settings, name="notification-settings"),
    path("hooks/slack/actions", slack_hook.actions, name="slack-actions"),
]
