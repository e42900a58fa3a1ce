"""The command line: what it takes, exit codes, and messages without a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
import purebpf.cli.stages
from purebpf.cli.main import main
from purebpf.errors import ElfError, NotPermitted
from tests.conftest import BUILT

MINIMAL = str(BUILT / "minimal.bpf.o")
Raise = Callable[[BaseException], None]


@pytest.fixture
def command_raises(monkeypatch: pytest.MonkeyPatch) -> Raise:
    """Let the command `stages` end in an exception."""

    def prepare(error: BaseException) -> None:
        def fail(_: object) -> int:
            raise error

        monkeypatch.setattr(purebpf.cli.stages, "stages", fail)

    return prepare


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: COMMAND"),
        (["nosuch"], "invalid choice: 'nosuch'"),
        (["run"], "required: FILE"),
        (["run", MINIMAL, "--duration", "soon"], "'soon' is no number of seconds"),
        (["run", MINIMAL, "--duration", "0"], "must be more than 0"),
        (["demo", "--duration", "-1"], "must be more than 0"),
        (["demo", "--duration", "nan"], "must be more than 0"),
        (["demo", "--duration", "inf"], "finite"),
        (["run", MINIMAL, "--pid", "x"], "invalid int value: 'x'"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.startswith("purebpf: ")
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize("words", [["--help"], ["demo", "--help"], ["run", "--help"], ["stages", "--help"]])
def test_help_is_0_and_names_every_option(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert "--help" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"purebpf {purebpf.__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ElfError("no ELF file", file="x.o"), 1, "purebpf: 'x.o': no ELF file\n"),
        (NotPermitted("create map", "m", 1), 2, "purebpf: cannot create map 'm': Operation not permitted [EPERM]\n"),
        (FileNotFoundError(2, "No such file", "x.o"), 1, "purebpf: cannot open 'x.o': No such file [ENOENT]\n"),
        (KeyError("the object has no map 'x'"), 1, "purebpf: the object has no map 'x'\n"),
        (ValueError("no"), 1, "purebpf: no\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_message_and_an_exit_code(
    command_raises: Raise, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    command_raises(error)
    assert main(["stages", MINIMAL]) == code
    assert capsys.readouterr() == ("", said)


def test_notes_of_an_error_follow_its_message(command_raises: Raise, capsys: pytest.CaptureFixture[str]) -> None:
    error = ValueError("no")
    error.add_note("in section 'x'")
    command_raises(error)
    main(["stages", MINIMAL])
    assert capsys.readouterr().err == "purebpf: no\n  in section 'x'\n"


def test_a_defect_of_ours_is_not_hidden(command_raises: Raise) -> None:
    command_raises(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        main(["stages", MINIMAL])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text.o", b"hello", "no ELF file"),
        ("empty.o", b"", "it is empty"),
        ("missing.o", None, "cannot open"),
        (".", None, "Is a directory [EISDIR]"),
    ],
)
@pytest.mark.parametrize("command", ["run", "stages"])
def test_what_is_no_object_is_named_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert main([command, str(path)]) == 1
    message = capsys.readouterr().err
    assert said in message
    assert str(path) in message


def test_a_program_of_this_machine_is_told_from_a_bpf_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", os.path.realpath(sys.executable)]) == 1
    assert "not for BPF" in capsys.readouterr().err


@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_has_seen_enough_is_no_error(lines: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "purebpf", "stages", str(BUILT / "maps.bpf.o")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        for _ in range(lines):
            command.stdout.readline()
        command.stdout.close()
        assert command.wait(timeout=60) == 0
        assert command.stderr.read() == b""
