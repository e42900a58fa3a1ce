"""For all tests: the tier's marker by folder, the skip rule, and the paths of the built objects."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

# Hooks count when they stand in a conftest's namespace.
from tests.honest_skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

TESTS = Path(__file__).parent
BUILT = TESTS.parent / "bpf" / "built"


def pytest_configure() -> None:
    """Let Ctrl-C work, here and in children: who runs the tests in a background job has it ignored for all of them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, the name of its folder below tests/."""
    for item in items:
        if item.path.is_relative_to(TESTS):
            item.add_marker(item.path.relative_to(TESTS).parts[0])


@pytest.fixture(scope="session")
def bpf_object() -> Callable[[str], Path]:
    """`bpf_object("execs")`: the path of the checked-in object made from bpf/execs.bpf.c."""

    def path_of(name: str) -> Path:
        path = BUILT / f"{name}.bpf.o"
        assert path.exists(), f"{path} is not built: ./dev bpf"
        return path

    return path_of
