"""Text that attacks the pages: in arguments, names, requests and messages, on every surface, in a real browser.

Nothing of it may run, load or navigate, and the content security policy must have nothing to report.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.journey, pytest.mark.browser]
TENANT = "globex"
CORPUS = json.loads((Path(__file__).parent / "hostile_texts.json").read_text())
SURFACES = [
    "/reviews/{call}/",
    "/reviews/{call}/?all=1",
    "/reviews/{question}/",
    "/reviews/{escalation}/",
    "/reviews/{handoff}/",
    "/reviews/{decided}/",
    "/admin/hitl/review/{call}/change/",
    "/reviews/",
    "/parts/queue/",
    "/",
    "/sessions/",
    "/runs/{run}/",
    "/admin/",
    "/admin/hitl/review/",
    "/admin/agents/run/",
    "/admin/agents/run/{run}/change/",
    "/admin/agents/tool/",
    "/admin/agents/tool/{tool}/change/",
    "/admin/agents/agent/",
    "/admin/agents/agent/{agent}/change/",
    "/admin/governance/auditevent/",
    "/admin/governance/user/",
]
WATCH = """
window.executed = [];
window.reported = [];
window.alert = window.prompt = window.confirm = (...said) => { window.executed.push(said); };
window.hit = (...said) => { window.executed.push(said); };
document.addEventListener("securitypolicyviolation", (event) => {
  window.reported.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@pytest.fixture(scope="module")
def rows(stack: Any) -> dict[str, str]:
    """Return the rows that hold the corpus, by name."""
    seed = Path(__file__).parent / "seed_hostile_texts.py"
    done = stack.manage("shell", "-v", "0", "-c", f"exec(open({str(seed)!r}).read())")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def page(stack: Any, browser: Any) -> Iterator[Page]:
    """Return a page of Globex's owner that remembers what ran, what was reported and what was loaded."""
    context = browser.new_context(base_url=stack.url(TENANT))
    context.add_init_script(WATCH)
    opened: Page = context.new_page()
    opened.goto("/login/")
    opened.fill("input[name=username]", "alice")
    opened.fill("input[name=password]", "demo")
    opened.locator("form:has(input[name=password]) button[type=submit]").click()
    opened.wait_for_load_state()
    yield opened
    context.close()


class TestCorpus:
    def test_has_at_least_forty_texts(self) -> None:
        assert len(set(CORPUS)) == len(CORPUS) >= 40

    @pytest.mark.parametrize("surface", SURFACES)
    def test_stays_text(self, stack: Any, rows: dict[str, str], page: Page, surface: str) -> None:
        strangers: list[str] = []
        dialogs: list[str] = []

        def request(asked: Any) -> None:
            if not asked.url.startswith((stack.url(TENANT), "data:", "blob:")):
                strangers.append(asked.url)

        def dialog(shown: Any) -> None:
            dialogs.append(shown.message)
            shown.dismiss()

        page.on("request", request)
        page.on("dialog", dialog)
        answer = page.goto(surface.format(**rows), wait_until="load")
        assert answer is not None
        assert answer.status == 200
        for summary in page.locator("main details > summary").all():
            summary.evaluate("one => { one.parentElement.open = true; }")
        page.wait_for_timeout(150)
        assert page.evaluate("window.executed") == []
        assert page.evaluate("window.reported") == []
        assert (strangers, dialogs) == ([], [])
        assert page.url.endswith(surface.format(**rows))
        page.remove_listener("request", request)
        page.remove_listener("dialog", dialog)

    def test_is_all_there_to_read(self, rows: dict[str, str], page: Page) -> None:
        page.goto(f"/reviews/{rows['call']}/")
        shown = page.locator(".values").first.inner_text()
        plain = [text for text in CORPUS if text.isascii() and text.isprintable()]
        assert [text for text in plain if text not in shown] == []
