"""URLs of the platform's host: operators only."""

from django.urls import include, path
from django.views.generic import RedirectView

from config import api, health
from config.metrics import MetricsView
from config.platform import site

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("api/v1/", include(api.platform_urls)),
    path("admin/", site.urls),
    path("", include("governance.urls")),
    path("", RedirectView.as_view(url="/admin/"), name="home"),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
