"""For the examples: run as a user runs them, from the checkout, with every warning an error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.places import mounted

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Emulated CPUs take their time; a hang ends here.
LIMIT = 120

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _tracefs() -> None:
    mounted("tracefs", Path("/sys/kernel/tracing"))


def command(name: str, *arguments: str) -> list[str]:
    """The command line of an example."""
    return [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]


@pytest.fixture
def run_example() -> Run:
    """`run_example("minimal")`: what it printed and how it ended."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(name, *arguments), capture_output=True, text=True, timeout=LIMIT, check=False, cwd=EXAMPLES.parent
        )

    return run
