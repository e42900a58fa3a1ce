"""What README.md shows is executed: its Python in order, as one program; its commands, with the output compared.

As root the Python blocks touch the running kernel, as a user's would. Without root the first of them that loads a
program must end with the library's own diagnosis, as it would for that user.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.readme import Block, agrees, blocks, exchanges
from tests.repo.source import ROOT

README = ROOT / "README.md"
_LIMIT = 60
# A command that changes or installs something, or never ends, is not replayed; these are, and `| head` and the like.
_REPLAYED = ("purebpf ", "./dev help", "python3 -c ", "python examples/", "python3 examples/")


def _blocks(language: str) -> list[Block]:
    return [block for block in blocks(README.read_text()) if block.language == language]


def test_there_is_something_to_execute() -> None:
    assert _blocks("python")
    assert _blocks("console")


def test_the_python_blocks_compile() -> None:
    for block in _blocks("python"):
        compile(block.text, f"README.md:{block.line}", "exec")


def test_the_python_blocks_run_in_order() -> None:
    # lines stay where they are in README.md, so a traceback points there
    program = ""
    for block in _blocks("python"):
        program += "\n" * (block.line - 1 - program.count("\n")) + block.text
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if os.geteuid() == 0:
        assert done.returncode == 0, done.stderr
    else:
        assert "purebpf.errors.NotPermitted" in done.stderr


def test_the_commands_say_what_is_shown() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}
    for block in _blocks("console"):
        for command, shown in exchanges(block.text):
            if not command.removeprefix("sudo ").startswith(_REPLAYED):
                continue
            done = subprocess.run(
                ["sh", "-c", command.removeprefix("sudo ")],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_LIMIT,
                check=False,
            )
            real = done.stdout + done.stderr
            assert not shown or agrees(shown, real), f"README.md:{block.line}: $ {command}\n{real}"


@pytest.mark.parametrize(
    ("shown", "real", "like"),
    [
        ("loaded in 3 ms\n", "loaded in 12.5 ms\n", True),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n...\nz\n", "a\nb\nc\n", False),
        ("pid   name ...\n", "pid name and more\n", True),
        ("pid name\n", "pid comm\n", False),
    ],
)
def test_output_agrees_when_only_numbers_and_blanks_differ(shown: str, real: str, like: bool) -> None:
    assert agrees(shown, real) is like


def test_a_session_is_split_into_commands_and_output() -> None:
    assert exchanges("$ one\nout\nmore\n$ two\n") == [("one", "out\nmore\n"), ("two", "")]
