"""`purebpf btf`."""

import json
import os
from pathlib import Path

import pytest

from purebpf.btf import Btf, BtfWriter, Int, Member, Pointer, Struct
from purebpf.cli.btf import read_types
from purebpf.cli.main import main
from purebpf.errors import BtfError
from purebpf.units import BitOffset, TypeId
from tests.conftest import BUILT

EXECS = str(BUILT / "execs.bpf.o")
MINIMAL = str(BUILT / "minimal.bpf.o")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    writer = BtfWriter()
    writer.add(Int("int", 4, 32))
    writer.add(Struct("thing", 4, (Member("a", TypeId(1), BitOffset(0)),)))
    path = tmp_path / "types.btf"
    path.write_bytes(writer.build())
    return path


def test_an_objects_types_are_printed_as_a_header(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["btf", "c", EXECS, "--type", "event"]) == 0
    shown = capsysbinary.readouterr()
    assert b"struct event {\n" in shown.out
    assert b"pid" in shown.out
    assert shown.out.endswith(b"#endif /* __VMLINUX_H__ */\n")
    assert shown.err == b""


def test_a_raw_file_of_btf_will_do(raw: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["btf", "c", str(raw)]) == 0
    assert b"struct thing {\n\tint a;\n};\n" in capsysbinary.readouterr().out


def test_the_header_goes_to_a_file_and_never_in_place_of_another(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "vmlinux.h"
    assert main(["btf", "c", str(raw), "-o", str(out)]) == 0
    assert "struct thing" in out.read_text()
    out.write_text("mine")
    assert main(["btf", "c", str(raw), "-o", str(out)]) == 1
    assert capsys.readouterr().err == f"purebpf: cannot write '{out}': it exists (--force replaces it)\n"
    assert out.read_text() == "mine"
    assert main(["btf", "c", str(raw), "-o", str(out), "--force"]) == 0
    assert "struct thing" in out.read_text()


def test_a_types_json_has_its_offsets(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["btf", "json", EXECS, "event", "__u64"]) == 0
    shown = json.loads(capsysbinary.readouterr().out)
    event, number = shown["types"]
    assert shown["file"] == EXECS
    assert (event["kind"], event["members"][0]["offset"]) == ("struct", 0)
    assert number["resolved"]["size"] == 8


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["c", "RAW", "--type", "thinq"], "there is no type 'thinq' in RAW; alike: thing"),
        (["json", "RAW", "nothing_like_it"], "there is no type 'nothing_like_it' in RAW"),
        (["c", "/nonexistent"], "cannot open '/nonexistent': No such file or directory [ENOENT]"),
        (["c", "/dev/null"], "'/dev/null', section '.BTF': 0 bytes are too few for a BTF header of 24"),
        (["c", __file__], "no BTF: the magic number is 0x2222, not 0xeb9f"),
        (
            ["c", str(BUILT / "variants" / "minimal.nobtf.bpf.o")],
            "has no section .BTF: a kernel built with CONFIG_DEBUG",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    words: list[str], complaint: str, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["btf", *(word.replace("RAW", str(raw)) for word in words)]) == 1
    said = capsys.readouterr().err
    assert complaint.replace("RAW", str(raw)) in said
    assert said.count("\n") <= 2
    assert "Traceback" not in said


def test_a_split_btf_is_read_with_the_base_that_is_named(raw: Path, tmp_path: Path) -> None:
    base = Btf.parse(raw.read_bytes())
    split = BtfWriter(base=base)
    split.add(Pointer(TypeId(2)))
    (tmp_path / "module").write_bytes(split.build())
    types = read_types(str(tmp_path / "module"), str(raw))
    assert types[3] == Pointer(TypeId(2))
    assert types[2].name == "thing"


def test_a_program_that_is_no_bpf_object_may_have_types_too() -> None:
    with pytest.raises(BtfError, match="an object compiled with -g"):
        read_types(os.path.realpath("/proc/self/exe"))
