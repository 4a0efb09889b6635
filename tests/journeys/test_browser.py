"""The main job in a real browser: Alice asks, Bob approves in the admin, Alice sees it happen."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.journey, pytest.mark.browser]
REQUEST = "Please refund 3.50 for order A-1002, it arrived broken"
REFUNDS = """
SELECT amount::float FROM demo_refund r JOIN demo_order o ON o.id = r.order_id WHERE o.order_id = %s
"""
SignIn = Callable[..., Page]


def ask(page: Page, query: str) -> str:
    """Ask the agent through the dashboard and return the run's address once it waits."""
    page.fill("#query", query)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url(re.compile("/runs/"))
    expect(page.get_by_text("Waiting for approval").first).to_be_visible(timeout=20_000)
    return page.url


def open_review(page: Page, stack: Any, run: str) -> None:
    """Choose the run's review in the list that the page shows, as a reviewer would."""
    with stack.client("acme", "alice") as client:
        waiting = client.get(f"/api/v1{run.removeprefix(stack.url('acme')).rstrip('/')}").json()["waiting_on"]
    page.locator(f"a[href*='{waiting['review']}']").first.click()
    expect(page.locator("#decision")).to_be_visible()


def press_twice(page: Page, name: str) -> None:
    """Press a button that asks for a second press; a double click is not one."""
    page.get_by_role("button", name=name, exact=True).click()
    again = page.get_by_role("button", name=re.compile("^Press again"))
    expect(again).to_be_enabled()
    page.wait_for_timeout(1000)
    again.click()


class TestApprove:
    def test_alice_sees_the_run_finish_when_bob_approves(self, stack: Any, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        run = ask(alice, REQUEST)
        bob = sign_in("bob", at="/admin/")
        bob.get_by_role("link", name="Reviews").first.click()
        open_review(bob, stack, run)
        for shown in ("A-1002", "3.5", "arrived broken", "Please refund 3.50", "high-risk tool"):
            expect(bob.get_by_text(shown).first).to_be_visible()
        assert bob.evaluate("document.activeElement.id") != "approve"
        here = bob.url
        press_twice(bob, "Approve")
        expect(bob.locator(".messages")).to_contain_text("Approved.")
        bob.goto(here)  # if another review waits, that one is shown at once
        expect(bob.get_by_text("It ran").first).to_be_visible(timeout=20_000)
        assert alice.url == run
        expect(alice.get_by_text("3.50 EUR refunded").first).to_be_visible(timeout=20_000)
        assert stack.rows("acme", REFUNDS, "A-1002") == [(3.5,)]
        assert stack.manage("audit", "verify", "--tenant", "acme").returncode == 0


class TestEditAndReject:
    def test_bob_changes_the_amount_in_the_typed_form_and_rita_approves(
        self, stack: Any, sign_in: SignIn
    ) -> None:
        alice = sign_in("alice")
        run = ask(alice, "Please refund 8.00 for order A-1005, it arrived late")
        bob = sign_in("bob", at="/admin/")
        bob.get_by_role("link", name="Reviews").first.click()
        open_review(bob, stack, run)
        bob.locator("#edit summary").click()
        expect(bob.locator("#approve")).to_be_hidden()  # the unedited call is out of reach meanwhile
        bob.fill("input[name=arg-amount]", "lots")
        press_twice(bob, "Put these changes in its place")
        expect(bob.get_by_text("Enter a number").first).to_be_visible()
        bob.fill("input[name=arg-amount]", "4.25")
        press_twice(bob, "Put these changes in its place")
        expect(bob.locator(".messages")).to_contain_text("Your changes are in place.")
        rita = sign_in("rita", at="/reviews/")  # an editor does not approve their own edit
        open_review(rita, stack, run)
        press_twice(rita, "Approve as edited")
        expect(alice.get_by_text("4.25").first).to_be_visible(timeout=20_000)
        assert stack.rows("acme", REFUNDS, "A-1005") == [(4.25,)]

    def test_a_rejection_reaches_alice_with_its_reason(self, stack: Any, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        run = ask(alice, "Please refund 5.00 for order A-1004, it arrived broken")
        bob = sign_in("bob")
        bob.goto(f"{stack.url('acme')}/reviews/")
        open_review(bob, stack, run)
        bob.locator("#reject summary").click()
        bob.fill("#reject-message", "Ask for a photo first")
        bob.get_by_role("button", name="Reject", exact=True).click()
        expect(alice.get_by_text("Ask for a photo first").first).to_be_visible(timeout=20_000)


class TestOthers:
    def test_the_requester_sees_why_she_cannot_decide(self, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        ask(alice, "Please refund 6.00 for order A-1001, it arrived broken")
        alice.get_by_role("link", name=re.compile("review", re.I)).last.click()
        expect(alice.get_by_text("somebody else must decide").first).to_be_visible()
        assert alice.locator("#approve").count() == 0

    def test_vera_the_viewer_can_look_but_not_ask_or_decide(self, sign_in: SignIn) -> None:
        vera = sign_in("vera")
        assert vera.locator("#query").count() == 0
        vera.goto(vera.url + "reviews/")
        expect(
            vera.get_by_role("heading", name=re.compile("Reviews|Waiting|Pending", re.I)).first
        ).to_be_visible()

    def test_grace_of_globex_gets_404_for_acmes_pages(self, stack: Any, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        run = ask(alice, "Please refund 7.00 for order A-1003, it arrived broken")
        path = run.removeprefix(stack.url("acme"))
        with stack.client("acme", "alice") as client:
            review = client.get(f"/api/v1{path.rstrip('/')}").json()["waiting_on"]["review"]
        grace = sign_in("alice", tenant="globex")
        for where in (path, f"/reviews/{review}/", f"/admin/hitl/review/{review}/change/"):
            answer = grace.goto(f"{stack.url('globex')}{where}")
            assert answer is not None
            assert answer.status == 404


class TestReconnect:
    def test_the_page_catches_up_after_its_socket_was_cut(self, stack: Any, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        deaf: list[Any] = []

        def first_hears_nothing(socket: Any) -> None:
            if deaf:
                socket.connect_to_server()
            else:
                deaf.append(socket)

        alice.route_web_socket("**/ws/live", first_hears_nothing)
        alice.goto(stack.url("acme"))
        with stack.client("acme", "oscar") as oscar:
            agent = oscar.get("/api/v1/agents").json()["results"][0]["id"]
            body = {"input": {"query": "Where is order A-1006 today?"}, "wait_s": 20}
            oscar.post(f"/api/v1/agents/{agent}/execute", json=body)
        assert alice.locator("#part-runs").get_by_text("A-1006 today").count() == 0
        deaf[0].close()
        expect(alice.locator("#part-runs").get_by_text("A-1006 today").first).to_be_visible(timeout=20_000)
