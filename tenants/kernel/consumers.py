"""The one WebSocket consumer: it passes on what changed and knows nothing of what that means."""

import asyncio
from contextlib import suppress
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from tenants.kernel import live
from tenants.kernel.context import tenant_context
from tenants.kernel.errors import UnknownTenant
from tenants.kernel.hosts import tenant_of_host

RECHECK_S = 15.0


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels is untyped
    """Push lists of `{topic, id}` of the tenant named by the Host header to its signed-in people."""

    async def connect(self) -> None:
        """Accept only the tenant's own page and a live session of that tenant."""
        headers = {
            name.decode("latin1").lower(): value.decode("latin1") for name, value in self.scope["headers"]
        }
        host = headers.get("host", "")
        origin = urlsplit(headers.get("origin", ""))
        cookies = SimpleCookie(headers.get("cookie", ""))
        morsel = cookies.get(settings.SESSION_COOKIE_NAME)
        self._host, self._session_key = host, morsel.value if morsel else ""
        session = await self._session() if origin.netloc == host else None
        if session is None:
            await self.close(code=4403)
            return
        schema, self._person = session
        self._group = live.group(schema)
        await self.channel_layer.group_add(self._group, self.channel_name)
        await self.accept()
        self._recheck = asyncio.create_task(self._close_when_signed_out())

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        if hasattr(self, "_group"):
            self._recheck.cancel()
            await self.channel_layer.group_discard(self._group, self.channel_name)

    async def live_changed(self, event: dict[str, Any]) -> None:
        """Pass on what changed together in one message: a page that many hear of is sent to hundreds."""
        heard = live.heard_by(self._person, event["changes"])
        if heard:
            await self.send_json(heard)

    async def _close_when_signed_out(self) -> None:
        with suppress(asyncio.CancelledError):
            while (session := await self._session()) is not None and session[1] == self._person:
                await asyncio.sleep(RECHECK_S)
            await self.close(code=4403)

    async def _session(self) -> tuple[str, Any] | None:
        found: tuple[str, Any] | None = await database_sync_to_async(_of_session)(
            self._host, self._session_key
        )
        return found


def _of_session(host: str, session_key: str) -> tuple[str, Any] | None:
    """Return schema and user of a live session: host, tenant, session and user in the tenant's own context."""
    try:
        tenant = tenant_of_host(host)
    except UnknownTenant:
        return None
    if not tenant.is_served:
        return None
    with tenant_context(tenant):
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
        user = get_user(request)
        return (tenant.schema_name, user.pk) if user.is_authenticated else None
