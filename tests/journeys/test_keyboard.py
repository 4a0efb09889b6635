"""Bob decides twenty reviews with the keyboard alone, and chooses his keys."""

import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.journey, pytest.mark.browser]
SignIn = Callable[..., Page]
REVIEWS = 20
SECOND_THOUGHT_MS = 450
"""A second press that comes sooner is taken for a double click."""
VOTES = """
SELECT count(*) FROM hitl_vote v JOIN governance_user u ON u.id = v.reviewer_id WHERE u.username = 'bob'
"""
PENDING = "SELECT count(*) FROM hitl_review WHERE status = 'pending' AND kind = 'tool_call' AND risk = 'high'"


def _other_than(here: str) -> Callable[[str], bool]:
    return lambda url: url != here


@pytest.fixture
def refunds(stack: Any) -> None:
    """Let Oscar's agent propose refunds until there are enough reviews."""
    with stack.client("acme", "oscar") as oscar:
        agent = oscar.get("/api/v1/agents").json()["results"][0]["id"]
        for number in range(REVIEWS + 2):
            query = f"Please refund {1 + number / 100:.2f} for order A-1002, it arrived broken"
            oscar.post(f"/api/v1/agents/{agent}/execute", json={"input": {"query": query}, "wait_s": 0})
    deadline = time.monotonic() + 60
    while stack.rows("acme", PENDING)[0][0] < REVIEWS + 2:
        assert time.monotonic() < deadline, "the reviews did not open"
        time.sleep(0.2)


def approve(page: Page) -> None:
    page.keyboard.press("a")
    if page.locator("#approve-password").count():  # critical: the password is the second step
        page.keyboard.type("demo")
        page.keyboard.press("Enter")
        return
    expect(page.locator("#approve")).to_have_class(re.compile("is-armed"))
    assert page.evaluate("document.activeElement.id") == "approve"
    page.wait_for_timeout(SECOND_THOUGHT_MS)
    page.keyboard.press("a")


def reject(page: Page) -> None:
    page.keyboard.press("r")
    page.keyboard.type("Ask for a photo first")
    page.keyboard.press("Control+Enter")


def send_back(page: Page) -> None:
    page.keyboard.press("f")
    page.keyboard.type("Half of it is enough")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")


class TestKeyboard:
    def test_bob_decides_twenty_reviews_without_a_mouse(
        self, stack: Any, refunds: None, sign_in: SignIn
    ) -> None:
        page = sign_in("bob", at="/reviews/?risk=high")  # a critical one asks for the password
        before = stack.rows("acme", VOTES)[0][0]
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.locator("#decision")).to_be_visible()
        page.wait_for_load_state()
        assert page.evaluate("document.activeElement.tagName") == "BODY"  # nothing to press by accident
        page.keyboard.press("c")
        page.keyboard.type("Is there a photo?")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#talk")).to_contain_text("Is there a photo?")
        page.wait_for_load_state()
        waits = []
        for number in range(REVIEWS):
            here = page.url
            (approve, reject, send_back)[number % 3](page)
            begun = time.perf_counter()
            page.wait_for_url(_other_than(here), wait_until="domcontentloaded")
            waits.append(time.perf_counter() - begun)
            expect(page.locator(".messages .success")).to_be_visible()
            page.wait_for_load_state()
        assert stack.rows("acme", VOTES)[0][0] == before + REVIEWS
        print(f"next review after {statistics.median(waits) * 1000:.0f} ms (median of {len(waits)})")

    def test_j_and_k_walk_the_queue_and_o_opens_the_run(self, refunds: None, sign_in: SignIn) -> None:
        page = sign_in("bob", at="/reviews/")
        page.keyboard.press("j")
        for key, place in (("o", "1 of"), ("j", "2 of"), ("k", "1 of")):
            page.keyboard.press(key)
            expect(page.locator(".place")).to_contain_text(place)
            page.wait_for_load_state()  # the keys work once the page's script is there
        page.keyboard.press("o")
        page.wait_for_url(re.compile("/runs/"))

    def test_keys_can_be_changed_and_switched_off(self, refunds: None, sign_in: SignIn) -> None:
        page = sign_in("rita", at="/reviews/preferences/")
        page.fill("#key-approve", "y")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".messages")).to_contain_text("saved")
        page.goto(page.url.replace("preferences/", "?risk=high"))
        page.locator("[data-row]").filter(has_text="Refund order").first.click()
        expect(page.locator("#approve")).to_have_attribute("aria-keyshortcuts", "y")
        page.keyboard.type("my")  # somebody who writes approves nothing
        expect(page.locator("#approve")).not_to_have_class(re.compile("is-armed"))
        page.wait_for_timeout(SECOND_THOUGHT_MS)
        page.keyboard.press("a")
        expect(page.locator("#approve")).not_to_have_class(re.compile("is-armed"))
        page.wait_for_timeout(SECOND_THOUGHT_MS)
        page.keyboard.press("y")
        expect(page.locator("#approve")).to_have_class(re.compile("is-armed"))
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        with page.expect_response("**/reviews/preferences/"):
            page.get_by_label("Use single-key shortcuts").uncheck()
        page.reload()
        page.keyboard.press("y")
        expect(page.locator("#approve")).not_to_have_class(re.compile("is-armed"))
        assert page.locator("#approve").get_attribute("aria-keyshortcuts") is None
