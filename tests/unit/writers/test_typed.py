"""What the writer of objects with types makes, as the loader's own stages see it."""

import pytest

from purebpf.btf import Btf, BtfExt, DataSection, FunctionProto, Kind
from purebpf.elf import read_elf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1
from purebpf.plan.stages import open_object
from purebpf.spec import MapAddress, MapValue, SubprogramCall
from purebpf.units import ByteOrder
from tests.writers import TypedObjectWriter


def example(byteorder: ByteOrder) -> TypedObjectWriter:
    file = TypedObjectWriter(byteorder)
    file.map("counts", type=1, max_entries=16, key=file.integer(4), value=file.integer(8))
    file.variable("limit", bytes(4), section=".rodata", type=file.integer(4), alignment=4)
    prototype = file.types.add(FunctionProto(file.integer(4), ()))
    file.function("helper", Assembler().mov(R0, 1).exit(), prototype=prototype)
    code = Assembler().ldimm64(R1, 0).ldimm64(R1, 0).call_function(-1).exit()
    file.function("count", code, section="xdp")
    return file.address("count", 0, "counts").address("count", 2, "limit").call("count", 4, "helper")


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_what_was_written_is_described_by_the_loaders_stages(byteorder: ByteOrder) -> None:
    spec = open_object(example(byteorder).build(), name="example")
    assert spec.byteorder == byteorder
    counts = spec.maps["counts"]
    assert (counts.type, counts.key_size, counts.value_size, counts.max_entries) == (1, 4, 8, 16)
    assert [type(reference) for reference in spec.functions["count"].references] == [
        *(MapAddress, MapValue, SubprogramCall)
    ]
    assert spec.functions["count"].func_info
    limit = spec.variables["limit"]
    assert (limit.offset, limit.size) == (0, 4)
    assert spec.programs["count"].section == "xdp"


def test_sections_and_records_are_those_clang_writes() -> None:
    elf = read_elf(example("little").build())
    types, extension = elf.section(".BTF"), elf.section(".BTF.ext")
    assert types is not None
    assert extension is not None
    btf = Btf.parse(types.data)
    found = [btf[type_id] for type_id in btf.ids_of(Kind.DATASEC)]
    assert [(section.name, section.size) for section in found if isinstance(section, DataSection)] == [
        *[("license", 0), (".maps", 0), (".rodata", 0)]
    ]
    assert set(BtfExt.parse(extension.data, btf).func_info) == {".text", "xdp"}
