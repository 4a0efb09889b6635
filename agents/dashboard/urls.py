"""Pages of the dashboard."""

from django.urls import path, re_path

from agents.dashboard import views
from agents.sessions import views as sessions

urlpatterns = [
    path("", views.home, name="home"),
    path("ask/", views.ask, name="ask"),
    re_path(r"^parts/(?P<name>counts|runs|queue|feed|pending|halts)/$", views.fragment, name="part"),
    path("runs/<uuid:pk>/", views.run, name="run"),
    path("runs/<uuid:pk>/pause/", views.steer, {"verb": "pause"}, name="run-pause"),
    path("runs/<uuid:pk>/resume/", views.steer, {"verb": "resume"}, name="run-resume"),
    path("runs/<uuid:pk>/cancel/", views.steer, {"verb": "cancel"}, name="run-cancel"),
    path("runs/<uuid:pk>/escalate/", views.escalate, name="run-escalate"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/<uuid:pk>/", sessions.session, name="session"),
]
