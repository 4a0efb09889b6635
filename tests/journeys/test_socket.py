"""The live socket: who may listen, and what is heard."""

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync import client
from websockets.sync.client import ClientConnection

pytestmark = [pytest.mark.journey]


def session_cookie(stack: Any, tenant: str, username: str) -> str:
    """Sign in through the dashboard's form and return the Cookie header."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{stack.port}", headers={"Host": stack.host(tenant)}
    ) as http:
        http.get("/login/")
        token = http.cookies["csrftoken"]
        form = {"username": username, "password": "demo", "csrfmiddlewaretoken": token}
        http.post("/login/", data=form, headers={"Origin": stack.url(tenant)})
        return f"sessionid={http.cookies['sessionid']}"


def connect(stack: Any, *, host: str, origin: str, cookie: str) -> ClientConnection:
    """Open the socket as a browser would."""
    headers = {"Host": stack.host(host), "Cookie": cookie}
    url = f"ws://127.0.0.1:{stack.port}/ws/live"
    return client.connect(url, origin=stack.url(origin), additional_headers=headers)


def refused(stack: Any, **how: str) -> bool:
    """Tell whether the handshake is refused."""
    try:
        with connect(stack, **how):
            return False
    except InvalidStatus as error:
        return error.response.status_code == 403


class TestWhoMayListen:
    def test_only_the_tenants_own_page_and_session(self, stack: Any) -> None:
        acme = session_cookie(stack, "acme", "bob")
        globex = session_cookie(stack, "globex", "bob")
        attempts = [
            refused(stack, host="acme", origin="acme", cookie=""),
            refused(stack, host="acme", origin="globex", cookie=acme),
            refused(stack, host="acme", origin="acme", cookie=globex),
            refused(stack, host="globex", origin="globex", cookie=acme),
            refused(stack, host="acme", origin="acme", cookie=acme),
        ]
        assert attempts == [True, True, True, True, False]


class TestWhatIsHeard:
    def test_a_run_of_acme_is_heard_there_and_not_in_globex(self, stack: Any) -> None:
        cookies = {tenant: session_cookie(stack, tenant, "bob") for tenant in ("acme", "globex")}
        with (
            connect(stack, host="acme", origin="acme", cookie=cookies["acme"]) as here,
            connect(stack, host="globex", origin="globex", cookie=cookies["globex"]) as there,
        ):
            run_id = _ask(stack)
            heard: list[dict[str, str]] = []
            while {"topic": "runs", "id": run_id} not in heard:
                heard += json.loads(here.recv(timeout=20))
            stray = []
            with suppress(TimeoutError):
                while True:
                    stray.append(there.recv(timeout=0.5))
        assert all(set(message) == {"topic", "id"} for message in heard)
        assert [message for message in stray if run_id in str(message)] == []


def _ask(stack: Any) -> str:
    with stack.client("acme", "alice") as alice:
        agent = alice.get("/api/v1/agents").json()["results"][0]["id"]
        answer = alice.post(
            f"/api/v1/agents/{agent}/execute", json={"input": {"query": "Where is order A-1002?"}}
        )
        return str(answer.json()["id"])
