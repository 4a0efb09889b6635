"""Pages of the dashboard."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path, re_path

from agents.dashboard import views

urlpatterns = [
    path("", views.home, name="home"),
    path("ask/", views.ask, name="ask"),
    re_path(r"^parts/(?P<name>counts|runs|queue|feed|pending|halts)/$", views.fragment, name="part"),
    path("runs/<uuid:pk>/", views.run, name="run"),
    path("runs/<uuid:pk>/cancel/", views.cancel, name="run-cancel"),
    path(
        "login/",
        LoginView.as_view(template_name="login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]
