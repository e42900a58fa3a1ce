"""Property tests run without hypothesis' own deadline: its wall clock would fail them on a busy machine.

A hang is found by `tests.property.bounded`, in CPU time. A longer run is had by `pytest tests/property
--hypothesis-profile=long`.

Damaged objects may warn that their types are ignored; elsewhere a warning is a failure.
"""

from pathlib import Path

import pytest
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let objects be opened whose types are damaged and needed by nothing."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:.*nothing in the file needs it:RuntimeWarning"))
