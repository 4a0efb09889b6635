"""ASGI: static files without Django, HTTP through Django, WebSockets through the one consumer."""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.checks import ERROR, Tags, run_checks  # noqa: E402
from django.urls import path  # noqa: E402
from starlette.exceptions import HTTPException  # noqa: E402
from starlette.responses import PlainTextResponse, Response  # noqa: E402
from starlette.staticfiles import StaticFiles  # noqa: E402

from tenants.kernel.consumers import LiveConsumer  # noqa: E402

MAX_BODY_BYTES = 10 * 1024 * 1024

if unsafe := [problem for problem in run_checks(tags=[Tags.security]) if problem.level >= ERROR]:
    raise SystemExit("Countersign does not start: " + " ".join(f"{item.id}: {item.msg}" for item in unsafe))


class RevalidatedFiles(StaticFiles):
    """Files that browsers keep but ask about each time: a new release shows at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Add the header."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


static = RevalidatedFiles(
    directory=settings.STATICFILES_DIRS[0],
    packages=[(app.name, "static") for app in apps.get_app_configs() if (Path(app.path) / "static").is_dir()],
)


def content_length(scope: dict[str, Any]) -> int:
    """Return what the request says of its body's size, in bytes."""
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


async def http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve collected static files directly, everything else through Django."""
    if content_length(scope) > MAX_BODY_BYTES:
        await PlainTextResponse("The request body is too large.", status_code=413)(scope, receive, send)
    elif scope["path"].startswith(settings.STATIC_URL):
        scope = {
            **scope,
            "path": scope["path"].removeprefix(settings.STATIC_URL.rstrip("/")),
            "root_path": "",
        }
        try:
            await static(scope, receive, send)
        except HTTPException as error:
            await PlainTextResponse(error.detail, status_code=error.status_code)(scope, receive, send)
    else:
        await django_application(scope, receive, send)


application = ProtocolTypeRouter(
    {"http": http, "websocket": URLRouter([path("ws/live", LiveConsumer.as_asgi())])}
)
