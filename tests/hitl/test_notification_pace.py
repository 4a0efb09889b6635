"""When messages go, as tables."""

from datetime import timedelta

import pytest

from hitl.notifications import pace, plain
from tests.governance.samples import NOW


class TestRetries:
    def test_of_a_webhook_go_on_for_days(self) -> None:
        waits = [pace.retry_s(pace.WEBHOOK_S, n, jitter=0.0) for n in range(1, 11)]
        assert waits[:3] == [5, 300, 1800]
        assert waits[-1] is None
        assert sum(wait or 0 for wait in waits) > 3 * 24 * 3600

    @pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
    def test_never_come_back_earlier_than_the_schedule(self, jitter: float) -> None:
        wait = pace.retry_s(pace.CHAT_S, 1, jitter=jitter)
        assert wait is not None
        assert 10 <= wait <= 12

    @pytest.mark.parametrize(("asked", "wait"), [(90.0, 90.0), (1e9, 3600.0), (-5.0, 10.0), (0.0, 10.0)])
    def test_heed_retry_after_up_to_an_hour(self, asked: float, wait: float) -> None:
        assert pace.retry_s(pace.CHAT_S, 1, jitter=0.0, retry_after_s=asked) == wait


class TestHolding:
    def test_lets_the_first_message_go(self) -> None:
        assert pace.held_until(now=NOW, last_in_group=None, sent=[]) is None

    def test_gathers_what_follows_within_two_minutes(self) -> None:
        last = NOW - timedelta(seconds=30)
        assert pace.held_until(now=NOW, last_in_group=last, sent=[last]) == last + timedelta(minutes=2)
        assert pace.held_until(now=NOW, last_in_group=NOW - timedelta(minutes=2), sent=[]) is None

    def test_stops_at_twenty_an_hour(self) -> None:
        sent = [NOW - timedelta(minutes=50) + timedelta(minutes=n) for n in range(20)]
        until = pace.held_until(now=NOW, last_in_group=None, sent=sent)
        assert until == sent[0] + timedelta(hours=1)
        assert pace.held_until(now=NOW, last_in_group=None, sent=sent[1:]) is None


class TestLostEndpoints:
    @pytest.mark.parametrize(
        ("failures", "hours", "lost"), [(9, 48, False), (10, 23, False), (10, 24, True), (500, 1, False)]
    )
    def test_fail_often_and_for_long(self, failures: int, hours: int, lost: bool) -> None:
        since = NOW - timedelta(hours=hours)
        assert pace.is_lost(failures=failures, failing_since=since, now=NOW) is lost


class TestPlainText:
    def test_marks_what_hides_and_keeps_one_line(self) -> None:
        assert plain.one_line("a\r\nBcc: x\u202eb") == "a Bcc: x[U+202E]b"
        assert len(plain.one_line("x" * 500)) == plain.MAX_SUBJECT

    def test_keeps_the_lines_of_a_paragraph(self) -> None:
        assert plain.paragraph(" one\r\ntwo\u200b ") == "one\ntwo[U+200B]"
