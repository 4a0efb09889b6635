"""How long to wait before trying again: exponential, with jitter, never less than what was asked for. Pure."""

BASE_S = 0.5
CAP_S = 60.0
RETRY_AFTER_CAP_S = 600.0


def delay_s(attempt: int, *, jitter: float, retry_after_s: float | None = None) -> float:
    """Return the seconds to wait after the failed `attempt` (1 for the first).

    `jitter` is a random number from 0 to 1, so that many runs that failed together do not come back
    together: the wait is between half of BASE_S * 2**(attempt - 1) and all of it, at most CAP_S. A
    Retry-After header is a lower bound, itself capped at RETRY_AFTER_CAP_S.
    """
    full = min(CAP_S, BASE_S * 2.0 ** (max(attempt, 1) - 1))
    waited = full * (0.5 + jitter / 2)
    asked = min(max(retry_after_s or 0.0, 0.0), RETRY_AFTER_CAP_S)
    return max(waited, asked * (1 + jitter / 10))
