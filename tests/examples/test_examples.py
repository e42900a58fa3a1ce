"""Each example does what it says, and says nothing on standard error.

They observe only themselves or a network namespace of their own; bootstrap.py sees the system's starts and ends of
processes, which are few, and changes nothing.
"""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.examples.conftest import EXAMPLES, LIMIT, Run, command
from tests.honest_skips import running_options
from tests.kernel.conftest import netns
from tests.kernel.places import NetworkNamespace

__all__ = ["netns"]


class Bootstrap:
    """The running example; lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def lines_until(self, kind: str, pid: int) -> list[str]:
        """The lines up to that event of that process."""
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line.rstrip())
            if line.split()[1] == kind and line.split()[3] == str(pid):
                return lines
        raise AssertionError(f"no {kind} of {pid} in:\n" + "\n".join(lines))


@pytest.fixture
def bootstrap() -> Callable[..., AbstractContextManager[Bootstrap]]:
    """A context manager of the example's options: attached inside, interrupted at the end as by Ctrl-C."""

    @contextmanager
    def run(*arguments: str) -> Iterator[Bootstrap]:
        with subprocess.Popen(
            command("bootstrap", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            watchdog = threading.Timer(LIMIT, process.kill)
            watchdog.start()
            try:
                assert process.stdout is not None
                header = "TIME EVENT COMM PID PPID FILENAME, OR CODE AND DURATION"
                assert process.stdout.readline().split() == header.split()
                yield Bootstrap(process)
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=LIMIT)[1] == ""
                assert process.returncode == 0
            finally:
                process.kill()
                watchdog.cancel()

    return run


def run_to_its_end(*words: str) -> int:
    """Run a command; its pid."""
    with subprocess.Popen(words) as process:
        assert process.wait(LIMIT) == 0
        return process.pid


def has_xdp(device: str) -> bool:
    """Whether a program is attached to the device."""
    return "xdp" in subprocess.run(["ip", "link", "show", device], capture_output=True, text=True, check=True).stdout


def wait_for_xdp(device: str, example: "subprocess.Popen[str]") -> None:
    """Return when the example has attached its program."""
    deadline = time.monotonic() + LIMIT
    while not has_xdp(device):
        assert example.poll() is None
        assert time.monotonic() < deadline


def test_every_example_has_a_test_and_fits_on_a_page() -> None:
    tests = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for example in EXAMPLES.glob("*.py"):
        assert f"\ndef test_{example.stem}_" in tests, f"{example.name} has no test"
        assert len(example.read_text().splitlines()) <= 80, f"{example.name} is longer than 80 lines"


def test_minimal_shows_a_line_for_each_write(run_example: Run) -> None:
    done = run_example("minimal")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^\S+: BPF triggered from PID \d+\.$", done.stdout, re.MULTILINE)) == 3


def test_minimal_legacy_gives_and_fetches_the_pid_through_the_map(run_example: Run) -> None:
    done = run_example("minimal_legacy")
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    said, own = re.fullmatch(r"the map says (\d+), this is process (\d+)", first).groups()  # type: ignore[union-attr]
    assert said == own
    assert [line.partition(": ")[2] for line in lines] == [f"BPF triggered from PID {own}."] * 3


def test_kprobe_sees_both_ends_of_the_function_or_says_what_the_kernel_lacks(run_example: Run) -> None:
    done = run_example("kprobe")
    options = running_options()
    if options is not None and "CONFIG_KPROBES" not in options:
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("this kernel does not support kprobes: needs a kernel built with CONFIG_KPROBES")
        assert "Traceback" not in done.stderr
        return
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.findall(r"^\d+: (.*)$", done.stdout, re.MULTILINE)
    first, second = (at for at, line in enumerate(shown) if re.fullmatch(r"do_unlinkat\(/.*/victim\)", line))
    assert (shown[first + 1], shown[second + 1]) == ("do_unlinkat() = 0", "do_unlinkat() = -2")


def test_bootstrap_shows_start_and_end_of_a_process(
    bootstrap: Callable[..., AbstractContextManager[Bootstrap]],
) -> None:
    with bootstrap() as example:
        pid = run_to_its_end("true")
        lines = example.lines_until("EXIT", pid)
    assert [line.split()[1:5] for line in lines if line.split()[3] == str(pid)] == [
        ["EXEC", "true", str(pid), str(os.getpid())],
        ["EXIT", "true", str(pid), str(os.getpid())],
    ]
    assert re.search(r" \[0\] \(\d+\.\d ms\)$", lines[-1])


def test_bootstrap_tells_the_exit_code(bootstrap: Callable[..., AbstractContextManager[Bootstrap]]) -> None:
    with bootstrap() as example:
        with subprocess.Popen(["sh", "-c", "exit 42"]) as process:
            assert process.wait(LIMIT) == 42
        assert " [42] (" in example.lines_until("EXIT", process.pid)[-1]


def test_bootstrap_leaves_out_what_ran_for_less_than_the_minimum(
    bootstrap: Callable[..., AbstractContextManager[Bootstrap]],
) -> None:
    with bootstrap("--min-duration", "1000") as example:
        short, long = run_to_its_end("true"), run_to_its_end("sleep", "1.1")
        lines = example.lines_until("EXIT", long)
    assert not [line for line in lines if line.split()[3] == str(short) or line.split()[1] == "EXEC"]


def test_uprobe_sees_arguments_and_results_of_its_own_calls(run_example: Run) -> None:
    done = run_example("uprobe")
    assert (done.returncode, done.stderr) == (0, "")
    calls = [f"gnu_dev_makedev(8, {minor}) = {os.makedev(8, minor)}" for minor in range(3)]
    assert done.stdout.splitlines() == [*calls, "3 entries, 3 returns"]


def test_xdp_counter_counts_what_it_sends_through_its_own_network(run_example: Run) -> None:
    done = run_example("xdp_counter")
    assert (done.returncode, done.stderr) == (0, "")
    counted = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}
    # The devices may say something of their own (IPv6 neighbours).
    assert (counted["UDP"], counted["ICMP"]) == (5, 3)


def test_xdp_counter_counts_on_a_given_interface_until_it_is_interrupted(netns: NetworkNamespace) -> None:
    with subprocess.Popen(
        command("xdp_counter", netns.device), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as example:
        wait_for_xdp(netns.device, example)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind((netns.address, 0))
            receiver.settimeout(LIMIT)
            with netns.peer(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(7):
                    sender.sendto(b"hello", receiver.getsockname())
            for _ in range(7):
                assert receiver.recv(16) == b"hello"
        example.send_signal(signal.SIGINT)
        shown, errors = example.communicate(timeout=LIMIT)
    assert (example.returncode, errors) == (0, "")
    assert re.search(r"^UDP +7 packets", shown, re.MULTILINE)
    assert not has_xdp(netns.device)


def test_sockfilter_sees_both_ways_of_what_it_sends_itself(run_example: Run) -> None:
    done = run_example("sockfilter")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.sub(r":\d{2,}\b", ":PORT", " ".join(line.split())) for line in done.stdout.splitlines()]
    for direction in ("sent", "received"):
        assert f"{direction} UDP 47 bytes 127.0.0.1:PORT -> 127.0.0.1:9" in lines
        assert f"{direction} ICMP 75 bytes 127.0.0.1 -> 127.0.0.1" in lines
    assert any(re.match(r"sent TCP \d+ bytes 127\.0\.0\.1:PORT -> 127\.0\.0\.1:9$", line) for line in lines)
