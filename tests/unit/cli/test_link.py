"""`purebpf link`."""

from pathlib import Path

import pytest

import purebpf
from purebpf.cli.main import main
from tests.unit.linker.objects import returning
from tests.writers import TypedObjectWriter


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, value in (("one", 1), ("two", 2)):
        file = TypedObjectWriter().function(name, returning(value), section="xdp")
        (tmp_path / f"{name}.o").write_bytes(file.build())
    return [str(tmp_path / "one.o"), str(tmp_path / "two.o")]


def test_the_result_holds_the_programs_of_all_files(tmp_path: Path, files: list[str]) -> None:
    out = str(tmp_path / "out.o")
    assert main(["link", "-o", out, *files]) == 0
    assert list(purebpf.open(out).programs) == ["one", "two"]


def test_a_file_that_cannot_be_linked_is_named_and_nothing_is_written(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.o").write_bytes(b"no object")
    assert main(["link", "-o", str(tmp_path / "out.o"), *files, str(tmp_path / "bad.o")]) == 1
    assert "bad.o'" in capsys.readouterr().err
    assert not (tmp_path / "out.o").exists()


def test_a_clash_names_both_files(tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "-o", str(tmp_path / "out.o"), files[0], files[0]]) == 1
    assert f"symbol 'one' is defined twice: '{files[0]}' was given twice" in capsys.readouterr().err
    again = tmp_path / "again.o"
    again.write_bytes(Path(files[0]).read_bytes())
    assert main(["link", "-o", str(tmp_path / "out.o"), files[0], str(again)]) == 1
    assert f"is defined twice, in '{files[0]}' and in '{again}': make one of them __weak" in capsys.readouterr().err


def test_without_an_output_the_usage_is_told(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["link", *files])
    assert "-o" in capsys.readouterr().err
