"""The subcommands of `./dev`. The shell part has seen to system packages and to .venv before this runs."""

import os
import subprocess
import sys
from collections.abc import Callable

from tools.dev.mounts import mount_missing
from tools.dev.paths import ROOT, VENV_PYTHON
from tools.dev.setup import SetupFailed, set_up


def main(arguments: list[str]) -> int:
    """Run one subcommand; give its exit code."""
    command, *rest = arguments
    try:
        return _COMMANDS[command](rest)
    except SetupFailed as error:
        print(f"dev: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _demo(arguments: list[str]) -> int:
    set_up("cli")
    mount_missing()
    return _become([str(VENV_PYTHON), "-m", "purebpf", "demo", *arguments])


def _test(arguments: list[str]) -> int:
    set_up("dev")
    mount_missing()
    from tools.dev.tiers import main as test

    return test(arguments)


def _check(arguments: list[str]) -> int:
    set_up("dev")
    from tools.dev.checks import main as check

    return check(arguments)


def _bench(arguments: list[str]) -> int:
    set_up("bench")
    return _become([str(VENV_PYTHON), str(ROOT / "bench"), *arguments])


def _vm(arguments: list[str]) -> int:
    set_up("dev")
    from tools.vm.command import main as vm

    return vm(arguments)


def _corpus(arguments: list[str]) -> int:
    set_up("dev")
    from tools.corpus.command import main as corpus

    return corpus(arguments)


def _bpf(arguments: list[str]) -> int:
    set_up()
    return subprocess.run(["make", "-C", str(ROOT / "bpf"), *arguments], check=False).returncode


def _become(command: list[str]) -> int:
    """Replace this process, so that signals and the exit code are the program's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": _demo,
    "test": _test,
    "check": _check,
    "bench": _bench,
    "vm": _vm,
    "corpus": _corpus,
    "bpf": _bpf,
}
