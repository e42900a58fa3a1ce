"""What README.md and docs/ show is true: their Python is executed, page by page; their commands are run and the output
compared; their links lead somewhere.

As root the Python touches the running kernel, as a user's would. Without root a page may end with the library's own
diagnosis, as it would for that user.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from purebpf.cli.main import EXIT_NOT_PERMITTED
from tests.repo.pages import Block, agrees, anchors, blocks, exchanges, links, steps
from tests.repo.source import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LIMIT = 120
# Between the outputs of a page's blocks; no program prints it.
_MARK = "\x1e"
# A command that changes or installs something, or never ends, is not replayed; these are, and `| head` and the like.
_REPLAYED = ("purebpf ", "./dev help", "python3 -c ", "python examples/", "python3 examples/")
_REPLAYED_AS_ROOT = (*_REPLAYED, "setpriv ")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(page: Path, language: str) -> list[Block]:
    return [block for block in blocks(page.read_text()) if block.language == language]


def _pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if _blocks(page, language)]


def test_the_readme_has_something_to_execute() -> None:
    assert ROOT / "README.md" in _pages_with("python")
    assert ROOT / "README.md" in _pages_with("console")


@pytest.mark.parametrize("page", _pages_with("python"), ids=_name)
def test_the_python_of_a_page_runs_as_one_program_and_prints_what_is_shown(page: Path) -> None:
    # lines stay where they are in the page, so a traceback points there
    program = ""
    for code, _ in steps(page.read_text()):
        compile(code.text, f"{_name(page)}:{code.line}", "exec")
        program += "\n" * (code.line - 1 - program.count("\n")) + code.text + f"print({_MARK!r}, flush=True)\n"
    done = _run([sys.executable, "-W", "error", "-c", program])
    if os.geteuid() != 0 and "purebpf.errors.NotPermitted" in done.stderr:
        return
    assert done.returncode == 0, done.stderr
    for (code, shown), real in zip(steps(page.read_text()), done.stdout.split(_MARK + "\n"), strict=False):
        assert not shown or agrees(shown, real), f"{_name(page)}:{code.line}:\n{real}"


@pytest.mark.parametrize("page", _pages_with("console"), ids=_name)
def test_the_commands_of_a_page_say_what_is_shown(page: Path) -> None:
    replayed = _REPLAYED_AS_ROOT if os.geteuid() == 0 else _REPLAYED
    for block in _blocks(page, "console"):
        for command, shown in exchanges(block.text):
            if not command.startswith(replayed):
                continue
            done = _run(["sh", "-c", command])
            if os.geteuid() != 0 and done.returncode == EXIT_NOT_PERMITTED:
                continue
            real = done.stdout + done.stderr
            assert not shown or agrees(shown, real), f"{_name(page)}:{block.line}: $ {command}\n{real}"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in links(page.read_text()):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_page_of_docs_is_reached_from_its_index() -> None:
    docs = ROOT / "docs"
    listed = {(docs / link).resolve() for link in links((docs / "README.md").read_text()) if "://" not in link}
    assert not [_name(page) for page in docs.rglob("*.md") if page.name != "README.md" and page not in listed]


@pytest.mark.parametrize(
    ("shown", "real", "like"),
    [
        ("loaded in 3 ms\n", "loaded in 12.5 ms\n", True),
        ("loaded in 3 ms\n", "loaded in 950 us\n", True),
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


def test_a_text_block_right_after_a_python_block_is_its_output() -> None:
    page = "```python\nprint(1)\n```\nprints\n```text\n1\n```\n```python\npass\n```\n```c\nint i;\n```\n"
    assert [(code.text, code.line, shown) for code, shown in steps(page)] == [
        ("print(1)\n", 2, "1\n"),
        ("pass\n", 9, ""),
    ]


def test_links_in_code_are_no_links_and_headings_become_anchors() -> None:
    page = "# A `tour`, of it\n[one](a.md#b) `[two](c)`\n```c\n[three](d)\n```\n"
    assert links(page) == ["a.md#b"]
    assert anchors(page) == {"a-tour-of-it"}
