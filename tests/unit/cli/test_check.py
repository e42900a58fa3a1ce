"""`purebpf check` and `purebpf btf min`, for kernels that are files."""

import json
from pathlib import Path

import pytest

from purebpf.btf import Btf
from purebpf.cli.main import main
from tests.repo.source import ROOT
from tests.unit.preflight.kernels import FUNCTIONS, kernel_btf

OBJECT = str(ROOT / "bpf" / "built" / "sockfilter.bpf.o")
BOOTSTRAP = str(ROOT / "bpf" / "built" / "bootstrap.bpf.o")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "6.1.btf").write_bytes(kernel_btf())
    (tmp_path / "tree" / "6.2.btf").write_bytes(kernel_btf(functions=FUNCTIONS[:1]))
    return tmp_path / "tree"


def test_one_kernel_is_told_with_every_program(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", OBJECT, "--btf", str(tree / "6.1.btf")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("6.1.btf: loads")
    assert lines[1].split() == ["program", "socket_handler", "loads"]


def test_many_kernels_are_a_row_each_and_one_failure_is_the_exit_code(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", OBJECT, "--btf", str(tree), "-j", "1"]) == 1
    told = capsys.readouterr()
    first, second = told.out.splitlines()
    assert first.split() == ["6.1", "loads", "sockfilter"]
    assert second.startswith("6.2  fails    sockfilter  program 'socket_handler': the kernel was built without")
    assert told.err == "2 kernels, 1 object: 1 fails, 1 loads\n"


def test_json_is_an_object_a_line(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", OBJECT, "--json", "--btf", str(tree), "-j", "1"]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["kernel"], first["release"], first["reports"][0]["verdict"]) == ("6.1", "6.1", "loads")
    assert second["reports"][0]["findings"][0]["need"] == "program type"


def test_a_file_that_cannot_be_read_is_a_row(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "6.3.btf").write_bytes(b"no types")
    assert main(["check", OBJECT, "--btf", str(tree), "-j", "1"]) == 1
    assert "6.3  unreadable" in capsys.readouterr().out


def test_what_to_do_is_told_in_the_commands_own_words(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asks = str(ROOT / "bpf" / "built" / "kconfig.bpf.o")
    (tree / "some.btf").write_bytes(kernel_btf(functions=(*FUNCTIONS, "tp_prog_func_proto", "raw_tp_prog_func_proto")))
    assert main(["check", asks, "--btf", str(tree / "some.btf")]) == 1
    told = capsys.readouterr().out
    assert "give it: --kconfig FILE, or --kconfig CONFIG_HZ=250" in told
    assert main(["check", asks, "--btf", str(tree / "some.btf"), "--kconfig", "CONFIG_HZ=250"]) == 1
    assert "give it: --release 6.12.1" in capsys.readouterr().out


def test_a_tree_without_kernels_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", OBJECT, "--btf", str(tmp_path)]) == 2
    assert "no .btf or .btf.tar.xz file in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["/no/such/object.o"], "cannot open '/no/such/object.o': No such file"),
        ([__file__], "no ELF file"),
        ([OBJECT, "--btf", "/no/such/folder"], "cannot open '/no/such/folder'"),
        ([OBJECT, "--kconfig", "/no/such/config"], "cannot open '/no/such/config'"),
    ],
)
def test_a_question_that_cannot_be_asked_has_an_exit_code_of_its_own(
    tree: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(["check", "--btf", str(tree), *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_number_of_processes_is_at_least_one(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", OBJECT, "--btf", "/", f"--jobs={number}"])
    assert f"'{number}' is no number of processes" in capsys.readouterr().err


def test_the_types_of_one_kernel_are_cut_into_a_file(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "min.btf"
    assert main(["btf", "min", "-o", str(out), "--btf", str(tree / "6.1.btf"), BOOTSTRAP]) == 0
    assert Btf.parse(out.read_bytes())


def test_the_types_of_a_tree_are_cut_into_a_tree(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "bad.btf").write_bytes(b"no types")
    out = tmp_path / "out"
    assert main(["btf", "min", "-o", str(out), "--btf", str(tree), "-j", "1", BOOTSTRAP]) == 1
    assert sorted(path.name for path in out.iterdir()) == ["6.1.btf", "6.2.btf"]
    assert "bad" in capsys.readouterr().err
