"""From an ELF file to an ObjectSpec: what belongs to the object as a whole."""

from pathlib import Path

import pytest

from purebpf.btf import BtfWriter, Function, FunctionProto, Int, Linkage
from purebpf.elf import SymbolVisibility
from purebpf.errors import SpecError
from purebpf.plan.stages import open_object
from purebpf.units import ByteOrder
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)


def test_the_license_ends_at_its_first_nul_and_at_the_kernels_limit() -> None:
    assert open_object(ObjectWriter(license="Dual MIT/GPL").build()).license == "Dual MIT/GPL"
    assert open_object(ObjectWriter(license="GPL\0more").build()).license == "GPL"
    assert open_object(ObjectWriter(license="x" * 200).build()).license == "x" * 63
    assert open_object(ObjectWriter(license=None).build()).license == ""


def test_a_license_of_other_bytes_is_no_error() -> None:
    file = ObjectWriter(license=None).section("license", b"\xff\xfeGPL\0")
    assert open_object(file.build()).license == "\ufffd\ufffdGPL"


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_the_version_is_a_number_of_the_files_byte_order(byteorder: ByteOrder) -> None:
    spec = open_object(ObjectWriter(byteorder, version=0x060C01).build())
    assert (spec.kernel_version, spec.byteorder) == (0x060C01, byteorder)
    assert open_object(ObjectWriter(byteorder).build()).kernel_version == 0


def test_a_version_of_another_size_is_refused() -> None:
    with pytest.raises(SpecError, match="the version takes 4 bytes, not 2"):
        open_object(ObjectWriter().section("version", b"\1\2").build())


def test_the_object_is_named_after_its_file_up_to_the_first_dot(tmp_path: Path) -> None:
    path = tmp_path / "my_tool.v2.bpf.o"
    path.write_bytes(ObjectWriter().build())
    spec = open_object(path)
    assert (spec.name, spec.file) == ("my_tool", str(path))
    assert open_object(str(path), name="other").name == "other"
    hidden = tmp_path / ".o"
    hidden.write_bytes(path.read_bytes())
    assert open_object(hidden).name == ".o"


def test_an_object_without_anything_is_legal() -> None:
    spec = open_object(ObjectWriter(license=None).build())
    assert (dict(spec.programs), dict(spec.maps), dict(spec.variables), dict(spec.externs)) == ({}, {}, {}, {})
    assert spec.btf is None
    assert (spec.func_info_record_size, spec.line_info_record_size) == (8, 16)


def test_records_without_types_are_left_alone() -> None:
    assert open_object(ObjectWriter().section(".BTF.ext", b"garbage").build()).btf is None


def test_hidden_subprograms_are_static_in_the_types_and_programs_are_not() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp", visibility=SymbolVisibility.HIDDEN)
    file.function("sub", EXIT, visibility=SymbolVisibility.HIDDEN).function("plain", EXIT)
    btf = BtfWriter()
    proto = btf.add(FunctionProto(btf.add(Int("int", 4, 32)), ()))
    ids = {name: btf.add(Function(name, proto, Linkage.GLOBAL)) for name in ("entry", "sub", "plain")}
    spec = open_object(file.section(".BTF", btf.build()).build())
    assert spec.btf is not None
    linkages = {name: getattr(spec.btf[type_id], "linkage", None) for name, type_id in ids.items()}
    assert linkages == {"entry": Linkage.GLOBAL, "sub": Linkage.STATIC, "plain": Linkage.GLOBAL}


def test_a_spec_compares_by_value() -> None:
    data = ObjectWriter().function("entry", EXIT, section="xdp").legacy_map("m", type=1).build()
    assert open_object(data) == open_object(data)
