"""`purebpf stages`: every stage in order, as text or JSON, for a kernel of which only the BTF is there."""

import json
from pathlib import Path

import pytest

import purebpf
from purebpf.cli.main import main
from tests.conftest import BUILT

SHOWN = ["read", "describe", "core", "link", "externs", "sanitize", "plan"]
EXECS = str(BUILT / "execs.bpf.o")


@pytest.fixture
def kernel_btf(tmp_path: Path) -> str:
    """A file with types: any will do for an object that needs none of the kernel's."""
    types = purebpf.open(EXECS).btf
    assert types is not None
    path = tmp_path / "vmlinux.btf"
    path.write_bytes(types.raw)
    return str(path)


def test_the_stages_are_shown_in_order_with_the_plan_last(kernel_btf: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", EXECS, "--btf", kernel_btf, "--release", "6.1.0-9-amd64"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == f"{EXECS} for 6.1.0-9-amd64"
    assert [line.split()[0] for line in lines[1:] if line and not line.startswith(" ")] == SHOWN
    assert any("create map 'events'" in line and "ringbuf" in line for line in lines)
    assert shown.err == ""


def test_json_is_one_document_with_every_stage(kernel_btf: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", EXECS, "--json", "--btf", kernel_btf]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [stage["stage"] for stage in document["stages"]] == SHOWN
    assert all(stage["error"] is None for stage in document["stages"])
    assert document["stages"][-1]["value"]["steps"]


def test_only_the_stages_asked_for_are_shown(kernel_btf: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", EXECS, "--btf", kernel_btf, "--stage", "link", "--stage", "read"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[1:] if line and not line.startswith(" ")] == ["read", "link"]


@pytest.mark.parametrize(("stage", "said"), [("lnk", "there is no stage 'lnk'"), ("execute", "purebpf run")])
def test_a_stage_that_is_not_shown_here_is_an_error(stage: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", EXECS, "--stage", stage]) == 2
    assert said in capsys.readouterr().err


def test_a_stage_that_fails_ends_the_list_and_the_exit_code_says_so(
    kernel_btf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.o"
    text.write_bytes(b"hello")
    for path, stage, said in (
        (text, "read", "no ELF file"),
        (BUILT / "unknown_section.bpf.o", "plan", "tells no program type"),
    ):
        assert main(["stages", str(path), "--btf", kernel_btf]) == 1
        shown = capsys.readouterr()
        *_, last = (line for line in shown.out.splitlines() if line and not line.startswith(" "))
        assert (last.split()[0], last.endswith("  FAILED")) == (stage, True)
        assert shown.err.startswith(f"purebpf: stage '{stage}' failed: ")
        assert said in shown.err


def test_a_btf_file_that_is_none_is_refused_even_if_no_type_of_it_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"hello")
    assert main(["stages", EXECS, "--btf", str(path)]) == 1
    assert str(path) in capsys.readouterr().err
