"""The examples whose programs go to what BTF names."""

import os
import re

from tests.examples.conftest import Run
from tests.kernel.conftest import IN_VM


def locked_down(returncode: int, stdout: str, stderr: str) -> bool:
    """Whether the kernel refused the trampoline, and the example said so in one clean message."""
    if IN_VM or returncode == 0:
        return False
    assert (returncode, stdout) == (1, "")
    assert "locked down" in stderr or "/sys/kernel/security" in stderr
    assert "Traceback" not in stderr
    return True


def test_fentry_sees_both_ends_of_the_function(run_example: Run) -> None:
    done = run_example("fentry")
    if locked_down(done.returncode, done.stdout, done.stderr):
        return
    assert (done.returncode, done.stderr) == (0, "")
    calls = re.findall(r"^\d+: do_unlinkat\(/.*/victim\)(.*)$", done.stdout, re.MULTILINE)
    assert calls == ["", " = 0", "", " = -2"]


def test_lsm_refuses_sockets_of_one_family_to_itself(run_example: Run) -> None:
    done = run_example("lsm")
    if locked_down(done.returncode, done.stdout, done.stderr):
        return
    assert (done.returncode, done.stderr) == (0, "")
    first, second, counts, last = done.stdout.splitlines()
    assert first == "with the hook, AF_INET: made"
    assert second == "with the hook, AF_INET6: refused (Operation not permitted)"
    assert re.fullmatch(r"refused: 1, files opened: [1-9]\d*", counts)
    assert last == "without it, AF_INET6: made"


def test_task_iter_lists_the_tasks(run_example: Run) -> None:
    done = run_example("task_iter")
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["TID", "PID", "PPID", "COMM"]
    assert str(os.getpid()) in {row.split()[0] for row in rows}


def test_task_iter_lists_the_threads_of_one_process(run_example: Run) -> None:
    done = run_example("task_iter", str(os.getpid()))
    assert (done.returncode, done.stderr) == (0, "")
    _, *rows = done.stdout.splitlines()
    assert rows
    assert {row.split()[1] for row in rows} == {str(os.getpid())}
