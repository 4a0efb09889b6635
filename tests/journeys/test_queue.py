"""The queue in a real browser: by keyboard, many at once, and news that move nothing."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.journey, pytest.mark.browser]
SignIn = Callable[..., Page]
Propose = Callable[..., list[str]]


@pytest.fixture
def queue_of(stack: Any, browser: Any) -> Iterator[SignIn]:
    """Return a function that opens the queue as a person; the test fails if a page logged an error."""
    contexts, complaints = [], []

    def open_page(username: str, path: str = "/reviews/", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page: Page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(f"{stack.url('acme')}/login/?next={quote(path)}")
        page.fill("input[name=username]", username)
        page.fill("input[name=password]", "demo")
        page.locator("form:has(input[name=password]) button[type=submit]").click()
        page.wait_for_url(re.compile(re.escape(path.partition("?")[0])))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def agent(stack: Any) -> dict[str, Any]:
    """Return an agent of the test's own: what others left waiting is not alike, and not in its list."""
    with stack.client("acme", "alice") as alice:
        known = alice.get("/api/v1/agents").json()["results"][0]
        name = f"refunds-{uuid.uuid4().hex[:8]}"
        body = {"name": name, **{key: known[key] for key in ("blueprint", "config", "tools")}}
        made: dict[str, Any] = alice.post("/api/v1/agents", json=body).json()
        return made


@pytest.fixture
def here(agent: dict[str, Any]) -> str:
    """Return the path of the list of what this agent proposed."""
    return f"/reviews/?agent={agent['name']}"


@pytest.fixture
def propose(stack: Any, agent: dict[str, Any]) -> Propose:
    """Return a function that has refunds proposed and returns their reviews once they wait."""

    def make(*amounts: str, order: str = "A-1003") -> list[str]:
        with stack.client("acme", "oscar") as oscar:
            runs = []
            for amount in amounts:
                query = f"Please refund {amount} for order {order}, it arrived late"
                body = {"input": {"query": query}}
                runs.append(oscar.post(f"/api/v1/agents/{agent['id']}/execute", json=body).json()["id"])
            return [_review_of(oscar, run) for run in runs]

    return make


def _review_of(client: Any, run: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        waiting = client.get(f"/api/v1/runs/{run}").json().get("waiting_on") or {}
        if waiting.get("review"):
            return str(waiting["review"])
        time.sleep(0.1)
    raise AssertionError(f"Run {run} does not wait.")


def row(page: Page, review: str) -> Any:
    return page.locator(f"li[data-review='{review}']")


class TestByKeyboard:
    def test_bob_chooses_two_and_decides_them_together(
        self, stack: Any, queue_of: SignIn, propose: Propose, here: str
    ) -> None:
        chosen = propose("1.10", "1.20")
        bob = queue_of("bob", f"{here}&tool=refund_order&may=1")
        for _ in range(bob.locator("[data-row]").count()):
            bob.keyboard.press("j")
            if bob.evaluate("document.activeElement.closest('li').dataset.review") in chosen:
                bob.keyboard.press("x")
        expect(bob.locator("#together")).to_contain_text("2 chosen")
        bob.get_by_role("link", name="Decide together").click()
        expect(bob.get_by_role("heading", name="many at once")).to_be_visible()
        assert bob.locator("input[name=item]:checked").count() == 0
        for box in bob.locator("input[name=item]").all():
            box.check()
        bob.fill("#batch-confirm", "2")
        bob.get_by_role("button", name="Approve those ticked").click()
        expect(bob.get_by_text("2 of 2 decided")).to_be_visible()
        with stack.client("acme", "bob") as client:
            statuses = {client.get(f"/api/v1/hitl/queue/{review}").json()["status"] for review in chosen}
        assert statuses == {"approved"}

    def test_keys_rest_while_somebody_types(self, queue_of: SignIn, propose: Propose) -> None:
        propose("1.30")
        bob = queue_of("bob")
        bob.keyboard.press("/")
        bob.keyboard.type("jx")
        assert bob.input_value("#filter-q") == "jx"
        expect(bob.locator("#together")).to_be_hidden()


class TestNews:
    def test_new_reviews_announce_themselves_and_move_nothing(
        self, queue_of: SignIn, propose: Propose, here: str
    ) -> None:
        (old,) = propose("2.10")
        bob = queue_of("bob", here)
        bob.locator("#connection[data-state=live]").wait_for()
        link = row(bob, old).locator("[data-row]")
        link.focus()
        place = link.bounding_box()
        new = propose("2.20", "2.30")
        expect(bob.locator("#news")).to_contain_text("2 new reviews", timeout=15_000)
        assert row(bob, new[0]).count() == 0
        assert bob.evaluate("document.activeElement.id") == f"review-{old}"
        assert link.bounding_box() == place
        bob.get_by_role("button", name="Show", exact=True).click()
        for review in new:
            expect(row(bob, review)).to_be_visible()

    def test_what_another_decided_stays_in_its_place_and_says_so(
        self, stack: Any, queue_of: SignIn, propose: Propose, here: str
    ) -> None:
        gone, left = propose("3.10", "3.20")
        bob = queue_of("bob", here)
        bob.locator("#connection[data-state=live]").wait_for()
        row(bob, gone).locator("[data-pick]").check()
        row(bob, left).locator("[data-row]").focus()
        with stack.client("acme", "rita") as rita:
            rita.post(f"/api/v1/hitl/queue/{gone}/respond", json={"decision": "approve"})
        expect(row(bob, gone)).to_contain_text("no longer in this list", timeout=15_000)
        expect(bob.locator("#together")).to_be_hidden()
        assert bob.evaluate("document.activeElement.id") == f"review-{left}"


class TestViews:
    def test_bob_keeps_a_list_and_opens_it_again(self, queue_of: SignIn) -> None:
        bob = queue_of("bob", "/reviews/?risk=high&tool=refund_order")
        bob.locator("#views > summary").click()
        expect(bob.locator("#view-list")).to_contain_text("Set filters")
        bob.get_by_label("Name of the view").fill("High refunds")
        bob.get_by_role("button", name="Save view").click()
        bob.wait_for_url(re.compile(r"risk=high&tool=refund_order"))
        bob.goto(bob.url.partition("?")[0])
        bob.locator("#views > summary").click()
        bob.get_by_role("link", name="High refunds").click()
        bob.wait_for_url(re.compile(r"risk=high&tool=refund_order"))
        bob.locator("#filters-more > summary").click()
        expect(bob.locator("#known-tool option[value=refund_order]")).to_be_attached()


class TestOnAPhone:
    def test_nothing_is_wider_than_the_screen(self, queue_of: SignIn, propose: Propose, here: str) -> None:
        propose("4.10", "4.20")
        bob = queue_of("bob", here, viewport={"width": 390, "height": 844})
        paths = [
            "/reviews/",
            "/reviews/analytics/",
            str(bob.locator(".row-alike").first.get_attribute("href")),
        ]
        for path in paths:
            bob.goto(re.sub(r"(https?://[^/]+).*", r"\1", bob.url) + path)
            assert bob.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
