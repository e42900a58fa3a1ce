"""The harness tells apart a command that failed, a kernel that died and a VM that hangs."""

from pathlib import Path

import pytest

from tools.vm.kernels import Kernel, kernel
from tools.vm.machine import run


@pytest.fixture(scope="module")
def smallest() -> Kernel:
    return kernel("6.1")


def test_status_output_and_files_come_back(smallest: Kernel, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as out:
        outcome = run(smallest, "uname -r; printf 'a\\0b' > /run/vm/out/bytes; exit 7", output=out, timeout=200)
    assert outcome.status == 7
    assert outcome.files["bytes"] == b"a\0b"
    assert (tmp_path / "output").read_bytes().decode().split() == [smallest.release]


def test_a_panic_gives_no_status_and_the_end_of_the_console(smallest: Kernel) -> None:
    outcome = run(smallest, "echo c > /proc/sysrq-trigger; sleep 100", timeout=200)
    assert outcome.status is None
    assert "Kernel panic" in outcome.console


def test_a_hang_ends_at_the_time_limit(smallest: Kernel) -> None:
    outcome = run(smallest, "sleep 1000", timeout=2)
    assert outcome.status is None
    assert "hangs" in outcome.reason


def test_where_the_emulator_is_to_blame_it_is_run_again_but_not_for_ever(smallest: Kernel, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as out:
        command = "echo booted; echo '<0>Oops: int3: 0000' > /dev/kmsg; echo c > /proc/sysrq-trigger; sleep 100"
        outcome = run(smallest, command, output=out, timeout=200)
    assert outcome.status is None
    assert (tmp_path / "output").read_bytes().decode().split() == ["booted"] * 3
