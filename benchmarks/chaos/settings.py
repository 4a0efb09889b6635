"""Demo settings with short leases and quick sweeps, so that fifty recoveries fit in a minute."""

from config.settings.local import *

RUN_LEASE_S = 3
RUN_HEARTBEAT_S = 1
CELERY_BEAT_SCHEDULE["sweep-runs"]["schedule"] = 1.0
