"""When messages go: after a failure, beside others to the same person, and at most so many an hour. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

WEBHOOK_S = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""The retry schedule that Standard Webhooks recommends, in seconds: over three days."""
CHAT_S = (10, 60, 300, 900, 3600)
MAIL_S = (60, 300, 900, 3600, 14400)
RETRY_AFTER_CAP_S = 3600.0

BUNDLE = timedelta(minutes=2)
HOUR = timedelta(hours=1)
HOURLY_CAP = 20
"""Messages to one person in an hour, all channels but the inbox together."""

MIN_FAILURES = 10
FAILING_FOR = timedelta(hours=24)


def retry_s(
    schedule: Sequence[int], attempts: int, *, jitter: float, retry_after_s: float = 0.0
) -> float | None:
    """Return the seconds to wait after the failed attempt number `attempts`; None when it was the last.

    `jitter` is a random number from 0 to 1 and adds up to a fifth, so that what failed together does not
    come back together. A Retry-After header is a lower bound, capped at an hour.
    """
    if attempts > len(schedule):
        return None
    waited = schedule[max(attempts, 1) - 1] * (1 + jitter / 5)
    return max(waited, min(max(retry_after_s, 0.0), RETRY_AFTER_CAP_S))


def held_until(*, now: datetime, last_in_group: datetime | None, sent: Sequence[datetime]) -> datetime | None:
    """Return until when a message to a person waits for others to join it; None if it goes now.

    `last_in_group` is when a message of the same channel and importance last went to them, `sent` when
    all their messages of the last hour went.
    """
    in_hour = sorted(at for at in sent if at > now - HOUR)
    if len(in_hour) >= HOURLY_CAP:
        return in_hour[-HOURLY_CAP] + HOUR
    if last_in_group is not None and last_in_group > now - BUNDLE:
        return last_in_group + BUNDLE
    return None


def is_lost(*, failures: int, failing_since: datetime | None, now: datetime) -> bool:
    """Tell whether an endpoint has failed so often and for so long that nothing more is sent to it."""
    return failures >= MIN_FAILURES and failing_since is not None and now - failing_since >= FAILING_FOR
