"""The queue page among thousands of reviews that wait: over HTTP, as a browser asks for it."""

import http.client
import os
import re
import time
from statistics import median
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks import fixtures
from benchmarks.copies import copy_waiting
from benchmarks.machine import Figures
from benchmarks.runs import percentile, waiting_reviews
from hitl.reviews.models import Review

PATHS = {
    "plain": "/reviews/",
    "may": "/reviews/?may=1",
    "search": "/reviews/?q=ping",
    "filtered": "/reviews/?risk=high&assigned=nobody&requester=oscar",
}
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def queue_page(pending: int, *, repeat: int) -> Figures:
    """Return the milliseconds and the queries of the queue page with so many reviews pending.

    One of them came about through the product, the others are copies of it. The figures are of the plain
    page; `may`, `search` and `filtered` the medians of the same page narrowed down. Queries are counted in
    this process, without the two statements that enter the tenant's schema.
    """
    _fill(pending)
    browser = Browser("bob")
    times = {name: [browser.get(path) for _ in range(repeat)] for name, path in PATHS.items()}
    return {
        "queue.pending": Review.objects.pending().count(),
        "queue.p50_ms": median(times["plain"]),
        "queue.p95_ms": percentile(times["plain"], 0.95),
        **{f"queue.{name}_p95_ms": percentile(times[name], 0.95) for name in PATHS if name != "plain"},
        "queue.queries": _queries(),
    }


def _fill(pending: int) -> None:
    missing = pending - Review.objects.pending().count()
    if missing > 0:
        copy_waiting(waiting_reviews(1)[0], missing - 1)


def _queries() -> int:
    client = Client(headers={"host": f"{fixtures.SCHEMA}.{settings.PLATFORM_HOST}"})
    client.force_login(fixtures.user("bob"))
    client.get("/reviews/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/reviews/")
    return sum(not query["sql"].startswith("SET ") for query in queries.captured_queries)


class Browser:
    """A person signed in through the form, on one kept connection."""

    def __init__(self, username: str) -> None:
        self.web = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=30)
        self.host = f"{fixtures.SCHEMA}.{settings.PLATFORM_HOST}:{os.environ['PORT']}"
        self.cookies: dict[str, str] = {}
        found = TOKEN.search(self._send("GET", "/login/"))
        form = {
            "username": username,
            "password": "demo",
            "csrfmiddlewaretoken": found.group(1) if found else "",
        }
        self._send("POST", "/login/", urlencode(form))
        if "sessionid" not in self.cookies:
            raise SystemExit(f"{username} could not sign in.")

    def get(self, path: str) -> float:
        """Return the milliseconds until the whole page is there."""
        started = time.perf_counter()
        self._send("GET", path)
        return (time.perf_counter() - started) * 1000

    @property
    def cookie(self) -> str:
        """Return the header that says who is signed in."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _send(self, method: str, path: str, body: str | None = None) -> str:
        headers = {"Host": self.host, "Cookie": self.cookie, "Origin": f"http://{self.host}"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.web.request(method, path, body, headers)
        response = self.web.getresponse()
        text = response.read().decode()
        if response.status >= 400:
            raise SystemExit(f"{method} {path}: {response.status} {text[:300]}")
        for header in response.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return text
