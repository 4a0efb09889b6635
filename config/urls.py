"""URLs of a tenant's host."""

from django.contrib import admin
from django.urls import include, path

from config import api, health
from config.metrics import MetricsView
from governance.platform.views import welcome

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("api/v1/", include(api.tenant_urls)),
    path("admin/", admin.site.urls),
    path("welcome/<str:uid>/<str:token>/", welcome, name="welcome"),
    path("", include("governance.urls")),
    path("", include("hitl.urls")),
    path("", include("agents.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
