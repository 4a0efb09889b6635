"""A client of the platform that outlives the platform's processes: it repeats until it is answered."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 20.0
RETRY_S = 0.1


class Refused(Exception):
    """The platform answered with an error that repeating does not mend."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, and how long it took."""

    status: int
    seconds: float
    at: float


@dataclass
class Api:
    """Requests to one tenant's host. `answers` holds each answer that arrived, for who wants to judge them."""

    port: int
    host: str
    answers: list[Answer] = field(default_factory=list)

    def token(self, username: str) -> str:
        """Sign a person of the demo in."""
        body = {"username": username, "password": "demo"}
        return str(self.ask("POST", "/api/v1/auth/login", body=body)["token"])

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Any = None,
        key: str = "",
        patience_s: float = 120,
    ) -> Any:
        """Return the JSON of the answer; a lost connection and a 5xx are tried again with the same key.

        Raises Refused for a 4xx, TimeoutError when nothing else came for `patience_s` seconds.
        """
        deadline = time.monotonic() + patience_s
        while True:
            answer = self._once(method, path, token=token, body=body, key=key)
            if answer is not None:
                status, data = answer
                if status < 400:
                    return data
                if status < 500:
                    raise Refused(status, data)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path}: {answer}")
            time.sleep(RETRY_S)

    def _once(self, method: str, path: str, *, token: str, body: Any, key: str) -> tuple[int, Any] | None:
        headers = {"Host": self.host, "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        began = time.monotonic()
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        self.answers.append(
            Answer(status=response.status, seconds=time.monotonic() - began, at=time.monotonic())
        )
        try:
            return response.status, json.loads(data) if data else None
        except ValueError:
            return response.status, data[:200]


class Repeated(threading.Thread):
    """Do some work again and again until told to stop; `check` raises what broke it."""

    def __init__(self, work: Callable[[], None], *, every_s: float) -> None:
        super().__init__(daemon=True)
        self._work, self._every_s = work, every_s
        self._stop_asked = threading.Event()
        self._broken: Exception | None = None
        self.start()

    def run(self) -> None:
        """Repeat the work."""
        try:
            while not self._stop_asked.wait(self._every_s):
                self._work()
        except Exception as error:  # noqa: BLE001  # the edge of a thread: `check` raises it again
            self._broken = error

    def check(self) -> None:
        """Raise what broke the work."""
        if self._broken is not None:
            raise self._broken

    def end(self) -> None:
        """Finish what is being done, and do no more."""
        self._stop_asked.set()
        self.join()
        self.check()
