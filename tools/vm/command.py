"""`./dev vm SERIES ...`: a shell, a command or the tests inside one of Debian's kernels."""

import shlex
import sys

from tools.vm.kernels import SERIES, Unavailable, kernel
from tools.vm.machine import run

USAGE = f"""\
usage: ./dev vm SERIES [--timeout SECONDS] WHAT     (SERIES: {", ".join(SERIES)})

  ./dev vm 6.1 shell                 an interactive root shell; `exit` ends the VM
  ./dev vm 6.12 run CMD [ARG...]     one command (also: ./dev vm 6.12 -- CMD [ARG...])
  ./dev vm 6.1 test [PYTEST ARG...]  pytest; without arguments tests/kernel and tests/examples

The VM sees a copy of the checkout, uncommitted changes included, at /src, which is the working directory.
Nothing it writes comes back, but for files in /run/vm/out when a tool asks for them. Its exit code is the command's.
"""

_TESTS = ("tests/kernel", "tests/examples")


def main(arguments: list[str]) -> int:
    """Run the subcommand; the exit code is the guest command's, or 125 when the VM gave no result."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    series, *rest = arguments
    timeout = 600.0
    if rest[:1] == ["--timeout"]:
        timeout, rest = float(rest[1]), rest[2:]
    verb, *words = rest or ["shell"]
    if verb == "shell":
        return _run(series, "bash -l", interactive=True, timeout=None)
    if verb in ("run", "--") and words:
        return _run(series, shlex.join(words[1:] if words[0] == "--" else words), interactive=False, timeout=timeout)
    if verb == "test":
        return _run(series, pytest_command(words), interactive=False, timeout=timeout)
    print(USAGE, end="", file=sys.stderr)
    return 2


def pytest_command(arguments: list[str], *, report: str = "") -> str:
    """The shell text that runs pytest in the VM; `report` names a junit file to leave for the host."""
    words = ["python3", "-m", "pytest", "-p", "no:cacheprovider"]
    if report:
        words.append(f"--junitxml=/run/vm/out/{report}")
    named = [word for word in arguments if not word.startswith("-") and word.startswith("tests")]
    folders = [] if named else ["$(ls -d " + " ".join(_TESTS) + " 2>/dev/null)"]
    return " ".join([shlex.join([*words, *arguments]), *folders])


def _run(series: str, command: str, *, interactive: bool, timeout: float | None) -> int:
    try:
        outcome = run(kernel(series), command, interactive=interactive, timeout=timeout)
    except Unavailable as error:
        print(f"./dev vm: {error}", file=sys.stderr)
        return 2
    if outcome.status is None:
        print(f"./dev vm: {outcome.reason}; the console's last lines:\n{outcome.console}", file=sys.stderr)
        return 125
    return outcome.status
