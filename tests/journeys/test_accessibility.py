"""Every page in light and dark: axe finds nothing serious. One line a page."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page

pytestmark = [pytest.mark.journey, pytest.mark.browser]
SignIn = Callable[..., Page]
PAGES = [
    ("alice", "home"),
    ("alice", "sessions"),
    ("alice", "session"),
    ("alice", "run"),
    ("bob", "review-queue"),
    ("bob", "review"),
    ("alice", "review"),
    ("bob", "admin:hitl_review_change"),
    ("bob", "review-preferences"),
    ("bob", "review-batch"),
    ("bob", "review-analytics"),
    ("bob", "grants"),
    ("bob", "grant-new"),
    ("bob", "availability"),
    ("bob", "inbox"),
    ("bob", "notification-settings"),
    ("bob", "mfa_index"),
    ("bob", "usersessions_list"),
    ("bob", "account_change_password"),
    ("bob", "account_reauthenticate"),
    ("alice", "admin:governance_identityprovider_add"),
    ("alice", "admin:hitl_reviewplan_add"),
    ("alice", "admin:hitl_reviewtier_add"),
    ("alice", "admin:governance_riskthreshold_add"),
]
"""Who looks at which page, by the name of its URL. A page about one row is shown with the waiting refund."""
ABOUT = {
    "session": "run",
    "run": "run",
    "review": "review",
    "admin:hitl_review_change": "review",
    "review-batch": "shape",
}
ASKED = {"grant-new": "review"}
"""The pages that are told in the query of their address what they are about."""
STATUS = "performance.getEntriesByType('navigation')[0].responseStatus"
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def refund(stack: Any) -> dict[str, str]:
    """Return a run of Alice's that waits for a review, and the review."""
    with stack.client("acme", "alice") as alice:
        agent = alice.get("/api/v1/agents").json()["results"][0]["id"]
        query = {"query": "Please refund 9.50 for order A-1006, it arrived broken"}
        body = {"input": query, "wait_s": 20, "session_id": "accessibility"}
        run = alice.post(f"/api/v1/agents/{agent}/execute", json=body).json()
        review = run["waiting_on"]["review"]
        shape = alice.get(f"/api/v1/hitl/queue/{review}").json()["shape"]
        return {"run": run["id"], "review": review, "shape": shape}


@pytest.fixture(scope="module")
def states() -> dict[str, Any]:
    """Return what browsers remember of people who have signed in here."""
    return {}


@pytest.fixture
def visit(sign_in: SignIn, states: dict[str, Any]) -> SignIn:
    """Return a function that opens a page as somebody who signs in once only."""

    def open_page(who: str, **options: Any) -> Page:
        page = sign_in(who, storage_state=states.get(who), **options)
        states.setdefault(who, page.context.storage_state())
        return page

    return open_page


def problems(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def path_of(name: str, refund: dict[str, str]) -> str:
    about = [refund[ABOUT[name]]] if name in ABOUT else []
    asked = f"?{ASKED[name]}={refund[ASKED[name]]}" if name in ASKED else ""
    return reverse(name, args=about, urlconf="config.urls") + asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
class TestPages:
    @pytest.mark.parametrize(("who", "name"), PAGES)
    def test_have_no_serious_finding(
        self, refund: dict[str, str], visit: SignIn, who: str, name: str, scheme: str
    ) -> None:
        page = visit(who, at=path_of(name, refund), color_scheme=scheme)
        assert page.evaluate(STATUS) == 200
        assert page.locator("main, #main").count() == 1
        assert problems(page) == []

    @pytest.mark.parametrize("opened", ["edit", "feedback", "reject", "ask", "help"])
    def test_have_none_with_a_form_open(
        self, refund: dict[str, str], visit: SignIn, opened: str, scheme: str
    ) -> None:
        page = visit("bob", at=f"/reviews/{refund['review']}/", color_scheme=scheme)
        page.keyboard.press({"edit": "e", "feedback": "f", "reject": "r", "ask": "c", "help": "?"}[opened])
        page.wait_for_timeout(100)
        assert problems(page) == []

    def test_have_none_on_the_way_in(self, stack: Any, browser: Any, scheme: str) -> None:
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{stack.url('acme')}/login/")
        found = problems(page)
        context.close()
        assert found == []


class TestPhone:
    @pytest.mark.parametrize("name", [name for who, name in PAGES if who == "bob" and ":" not in name])
    def test_needs_no_sideways_scrolling(self, refund: dict[str, str], visit: SignIn, name: str) -> None:
        page = visit("bob", at=path_of(name, refund), viewport={"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
