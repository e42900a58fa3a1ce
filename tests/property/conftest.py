"""Property tests run without hypothesis' own deadline: its wall clock would fail them on a busy machine.

A hang is found by `tests.property.bounded`, in CPU time. A longer run is had by `pytest tests/property
--hypothesis-profile=long`.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    deadline=None,
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")
