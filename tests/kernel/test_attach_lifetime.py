"""Everything is detached when the process ends, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from purebpf.syscall import objects

CHILD = """
import os, socket, sys
from purebpf.live.link import PerfEvent, attach_perf_event, attach_raw_tracepoint, attach_socket, attach_tracepoint
from purebpf.syscall import objects
from purebpf.uapi import ProgramType
from tests.kernel.counting import counter

keep = []

def program(program_type):
    # Socket filters could not ask for the process before 6.10.
    manager = counter(program_type, everyone=program_type == ProgramType.SOCKET_FILTER)
    keep.append(manager)
    return manager.__enter__()

programs = [program(ProgramType[name]) for name in ("TRACEPOINT", "RAW_TRACEPOINT", "PERF_EVENT", "SOCKET_FILTER")]
ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
keep += ends
links = [
    attach_tracepoint(programs[0], "syscalls", "sys_enter_getppid"),
    attach_raw_tracepoint(programs[1], "task_rename"),
    attach_perf_event(programs[2], PerfEvent(period=10_000_000, pid=os.getpid())),
    attach_socket(programs[3], ends[0]),
]
print(*[objects.prog_info(program.fd).id for program in programs], flush=True)
print(*[link.info().id for link in links if link.info().id], flush=True)
if sys.argv[1] == "exit":
    os._exit(0)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["exit", "kill", "return"])
@pytest.mark.usefixtures("tracefs")
def test_no_link_and_no_program_outlives_the_process(end: str) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "ignore", "-c", CHILD, end]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        programs = [int(number) for number in child.stdout.readline().split()]
        links = [int(number) for number in child.stdout.readline().split()]
        assert len(programs) == 4
        assert len(links) == 3
        if end == "kill":
            child.send_signal(signal.SIGKILL)
        child.communicate()
    assert child.returncode == (-signal.SIGKILL if end == "kill" else 0)
    for number in programs:
        assert _goes_away(objects.prog_fd_by_id, number), f"program {number} is still loaded"
    for number in links:
        assert _goes_away(objects.link_fd_by_id, number), f"link {number} is still there"


def _goes_away(open_by_id: Callable[[int], int], number: int) -> bool:
    """The kernel frees what a process held some milliseconds after its end, when no CPU can be in a program."""
    deadline = monotonic() + 20
    while monotonic() < deadline:
        try:
            os.close(open_by_id(number))
        except FileNotFoundError:
            return True
        sleep(0.01)
    return False
