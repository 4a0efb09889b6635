"""The live socket: who may listen, and what is heard."""

import asyncio
import json
from typing import Any

import httpx
import pytest
import websockets

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("stack")]


def session_cookie(stack: Any, tenant: str, username: str) -> str:
    """Sign in through the dashboard's form and return the Cookie header."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{stack.port}", headers={"Host": stack.host(tenant)}
    ) as client:
        client.get("/login/")
        token = client.cookies["csrftoken"]
        form = {"username": username, "password": "demo", "csrfmiddlewaretoken": token}
        client.post("/login/", data=form, headers={"Origin": stack.url(tenant)})
        return f"sessionid={client.cookies['sessionid']}"


def connect(stack: Any, *, host: str, origin: str, cookie: str) -> Any:
    """Open the socket as a browser would."""
    headers = {"Host": stack.host(host), "Cookie": cookie}
    return websockets.connect(
        f"ws://127.0.0.1:{stack.port}/ws/live", origin=stack.url(origin), additional_headers=headers
    )


async def refused(stack: Any, **how: str) -> bool:
    """Tell whether the handshake is refused."""
    try:
        async with connect(stack, **how):
            return False
    except websockets.InvalidStatus as error:
        return error.response.status_code == 403


class TestWhoMayListen:
    def test_only_the_tenants_own_page_and_session(self, stack: Any) -> None:
        acme = session_cookie(stack, "acme", "bob")
        globex = session_cookie(stack, "globex", "bob")

        async def attempts() -> list[bool]:
            return [
                await refused(stack, host="acme", origin="acme", cookie=""),
                await refused(stack, host="acme", origin="globex", cookie=acme),
                await refused(stack, host="acme", origin="acme", cookie=globex),
                await refused(stack, host="globex", origin="globex", cookie=acme),
                await refused(stack, host="acme", origin="acme", cookie=acme),
            ]

        assert asyncio.run(attempts()) == [True, True, True, True, False]


class TestWhatIsHeard:
    def test_a_run_of_acme_is_heard_there_and_not_in_globex(self, stack: Any) -> None:
        cookies = {tenant: session_cookie(stack, tenant, "bob") for tenant in ("acme", "globex")}

        async def listen() -> tuple[list[dict[str, str]], list[Any]]:
            async with (
                connect(stack, host="acme", origin="acme", cookie=cookies["acme"]) as here,
                connect(stack, host="globex", origin="globex", cookie=cookies["globex"]) as there,
            ):
                run_id = await asyncio.to_thread(_ask, stack)
                heard: list[dict[str, str]] = []
                while {"topic": "runs", "id": run_id} not in heard:
                    heard.append(json.loads(await asyncio.wait_for(here.recv(), 20)))
                stray: list[Any] = []
                try:
                    while True:
                        stray.append(await asyncio.wait_for(there.recv(), 0.5))
                except TimeoutError:
                    return heard, [m for m in stray if run_id in str(m)]

        heard, stray = asyncio.run(listen())
        assert all(set(message) == {"topic", "id"} for message in heard)
        assert stray == []


def _ask(stack: Any) -> str:
    with stack.client("acme", "alice") as alice:
        agent = alice.get("/api/v1/agents").json()["results"][0]["id"]
        answer = alice.post(
            f"/api/v1/agents/{agent}/execute", json={"input": {"query": "Where is order A-1002?"}}
        )
        return str(answer.json()["id"])
