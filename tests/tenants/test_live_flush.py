"""A command that ends at once still tells open pages what it changed."""

import time

import pytest

from tenants.kernel import live


class TestFlush:
    def test_waits_until_what_was_put_is_sent(self) -> None:
        publisher = live.Publisher()
        heard = live._run(live._subscribe("acme", ("halts", "flushed"), 5))
        try:
            publisher.put("acme", ("halts", "flushed"))
            publisher.flush(2.0)
            assert not publisher._sending
            assert live._run(heard.next())
        finally:
            live._run(heard.close())

    def test_waits_no_longer_than_it_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        publisher = live.Publisher()
        monkeypatch.setattr(publisher, "_sending", True)
        began = time.monotonic()
        publisher.flush(0.05)
        assert 0.05 <= time.monotonic() - began < 1


class TestWhatOnePersonHears:
    def test_leaves_out_what_is_for_others(self) -> None:
        changes = [("runs", "r1"), ["my-inbox", "7"], ("my-inbox", "8"), ("reviews", "8")]
        heard = [(change["topic"], change["id"]) for change in live.heard_by(7, changes)]
        assert heard == [("runs", "r1"), ("my-inbox", "7"), ("reviews", "8")]
