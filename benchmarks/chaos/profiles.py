"""How hard and how fast: the settings of the platform under test and the pace of the faults."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Seconds, unless the name says otherwise. `settings` is the Django settings module of the stack."""

    settings: str
    workers: int
    threads: int
    runs_per_s: float
    unfinished_max: int
    pause_s: float
    lease_s: float
    effect_delay_s: float
    point_timeout_s: float
    patience_s: float


PRODUCTION = Profile(
    settings="config.settings.local",
    workers=3,
    threads=4,
    runs_per_s=2.0,
    unfinished_max=60,
    pause_s=1.5,
    lease_s=20.0,
    effect_delay_s=0.15,
    point_timeout_s=20.0,
    patience_s=150.0,
)
"""Leases and sweeps as in production: what recovery figures are measured with."""

FAST = Profile(
    settings="benchmarks.chaos.settings",
    workers=3,
    threads=4,
    runs_per_s=4.0,
    unfinished_max=30,
    pause_s=0.3,
    lease_s=3.0,
    effect_delay_s=0.1,
    point_timeout_s=10.0,
    patience_s=60.0,
)
"""Short leases, for a version that fits in the test suite."""
