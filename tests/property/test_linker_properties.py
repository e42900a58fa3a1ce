"""Linking, cutting and checking any objects: nothing is lost, and damage ends in an error, soon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from purebpf.btf import Btf, BtfExtWriter, BtfWriter, CoreKind
from purebpf.btf.references import references
from purebpf.elf import SymbolBinding, read_elf
from purebpf.errors import BpfError, BtfError, ObjectFileError, RelocationError
from purebpf.gen.minimal import minimal_btf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1
from purebpf.linker import link_objects
from purebpf.plan.stages import open_object
from purebpf.plan.target import Target
from purebpf.preflight import Verdict, check
from purebpf.relocate.resolve import Resolver
from purebpf.spec.model import CoreAccess, ObjectSpec
from purebpf.testing import btf_contents, btf_files, damaged, object_files
from purebpf.units import TypeId
from tests.property.bounded import bounded
from tests.unit.linker.objects import declare_function, declare_variable
from tests.unit.preflight.kernels import kernel
from tests.writers import ObjectWriter, TypedObjectWriter

FILES = sorted((Path(__file__).parents[2] / "bpf" / "built").glob("*.o"))
TYPED = [path.read_bytes() for path in FILES if read_elf(path).section(".BTF")]
SECONDS = 5
CALL = bytes.fromhex("85100000ffffffff")
KERNEL = kernel("6.12")


@st.composite
def files_of_a_program(draw: DrawFn) -> list[bytes]:
    """Files that go together: each has a program, which uses functions and variables of any of them."""
    count = draw(st.integers(1, 3))
    functions = [f"f{number}" for number in range(count)]
    variables = [f"v{number}" for number in range(count)]
    size = draw(st.sampled_from((1, 4, 8)))
    weak_copies = draw(st.booleans())
    built = []
    for number in range(count):
        file = TypedObjectWriter()
        value = Assembler().mov(R0, number).exit().assemble("little")
        file.function("same", value, binding=SymbolBinding.LOCAL)
        file.function(functions[number], value, section=draw(st.sampled_from((".text", ".text.other"))))
        if weak_copies:
            file.function("weak", value, binding=SymbolBinding.WEAK)
        section = draw(st.sampled_from((".data", ".bss", ".rodata", ".data.own")))
        contents = bytes(size) if section == ".bss" else bytes([number + 1]) * size
        file.variable(variables[number], contents, section=section, alignment=size, type=file.integer(size))
        if draw(st.booleans()):
            file.map(f"m{number}", type=1, max_entries=1 + number, key=file.integer(4), value=file.integer(8))
        called = draw(st.lists(st.sampled_from(functions), max_size=3))
        reached = draw(st.lists(st.sampled_from(variables), max_size=3))
        code = CALL * len(called) + Assembler().ldimm64(R1, 0).assemble("little") * len(reached)
        name = f"p{number}"
        file.function(name, code + value, section=draw(st.sampled_from(("xdp", "socket", "?raw_tp/sys_enter"))))
        for other in sorted(set(called) - {functions[number]}):
            declare_function(file, other)
        for other in sorted(set(reached) - {variables[number]}):
            declare_variable(file, other, file.integer(size))
        for place, other in enumerate(called):
            file.call(name, place, other)
        for place, other in enumerate(reached):
            file.address(name, len(called) + 2 * place, other)
        built.append(file.build())
    return built


def opened(data: bytes) -> ObjectSpec:
    return open_object(data, name="object")


def meaning(spec: ObjectSpec) -> dict[str, Any]:
    """What a loader sees, but for the numbers of types."""
    return {
        "programs": [(p.name, p.section, p.type, p.autoload) for p in spec.programs.values()],
        "functions": {f.name: (f.section, f.code, f.is_global, _uses(f.references)) for f in spec.functions.values()},
        "maps": {m.name: (m.type, m.key_size, m.value_size, m.max_entries, m.contents) for m in spec.maps.values()},
        "variables": {v.name: (v.map, v.offset, v.size) for v in spec.variables.values()},
        "externs": {e.name: (e.kind, e.weak) for e in spec.externs.values()},
    }


def _uses(found: tuple[Any, ...]) -> list[Any]:
    return [(r.insn, r.record.access, r.record.kind) if isinstance(r, CoreAccess) else r for r in found]


@given(files_of_a_program())
def test_every_program_function_map_and_variable_is_in_what_is_linked(files: list[bytes]) -> None:
    parts = [opened(file) for file in files]
    whole = opened(link_objects(files))
    assert sorted(whole.programs) == sorted(name for part in parts for name in part.programs)
    assert sorted(whole.maps.keys() - {".data", ".bss", ".rodata", ".data.own"}) == sorted(
        name for part in parts for name in part.maps if name.startswith("m")
    )
    assert sorted(whole.variables) == sorted(name for part in parts for name in part.variables)
    assert whole.externs == {}
    for number, part in enumerate(parts):
        ours, alone = whole.functions[f"p{number}"], part.functions[f"p{number}"]
        assert len(ours.code) == len(alone.code)
        assert [r.insn for r in ours.references] == [r.insn for r in alone.references]


@given(files_of_a_program())
def test_variables_keep_what_they_hold(files: list[bytes]) -> None:
    whole = opened(link_objects(files))
    for file in files:
        part = opened(file)
        for name, variable in part.variables.items():
            there = whole.variables[name]
            assert _held(whole, there) == _held(part, variable)
            assert there.offset % variable.size == 0


def _held(spec: ObjectSpec, variable: Any) -> bytes:
    contents = spec.maps[variable.map].contents
    return bytes(contents[variable.offset : variable.offset + variable.size]) if contents else bytes(variable.size)


@given(files_of_a_program())
def test_linking_what_is_linked_changes_nothing(files: list[bytes]) -> None:
    once = link_objects(files)
    again = link_objects([once])
    assert meaning(opened(again)) == meaning(opened(once))
    assert link_objects([again]) == again


@given(object_files())
def test_any_object_with_types_is_linked_to_what_it_was(data: bytes) -> None:
    assume(read_elf(data).section(".BTF") is not None)
    assert meaning(opened(link_objects([data]))) == meaning(opened(data))


@given(st.lists(damaged(st.sampled_from(TYPED) | object_files()), min_size=1, max_size=2))
def test_damaged_objects_are_linked_or_refused(files: list[bytes]) -> None:
    with bounded(SECONDS):
        try:
            data = link_objects(files)
        except ObjectFileError as error:
            assert error.reason  # noqa: PT017
            return
    assert len(data) < 4 * sum(map(len, files)) + 4096


@given(damaged(st.sampled_from(TYPED) | object_files()))
def test_damaged_objects_that_open_are_checked(data: bytes) -> None:
    with bounded(SECONDS):
        try:
            spec = opened(data)
        except ObjectFileError:
            return
        report = check(spec, KERNEL)
    assert report.programs.keys() == {p.name for p in spec.programs.values() if p.autoload}
    assert report.verdict in Verdict
    assert all(finding.reason and finding.subject for finding in report.findings)


@given(st.sampled_from(TYPED), damaged(st.sampled_from([bytes(read_elf(path).section(".BTF").data) for path in FILES  # type: ignore[union-attr]
                                                        if read_elf(path).section(".BTF")]) | btf_files()))  # fmt: skip
def test_sound_objects_are_checked_and_cut_against_damaged_types(data: bytes, types: bytes) -> None:
    with bounded(SECONDS):
        try:
            there = Btf.parse(types)
        except BtfError:
            return
        spec = opened(data)
        assert check(spec, Target.from_btf(there, release="6.12")).verdict in Verdict
        try:
            assert len(minimal_btf([spec], there)) <= len(types) + 4096
        except BpfError as error:
            assert str(error)  # noqa: PT017


@st.composite
def asked_of_types(draw: DrawFn) -> tuple[bytes, bytes]:
    """An object with records about any types, and a kernel with any types."""
    contents = draw(btf_contents())
    assume(contents.byteorder == "little" and contents.types)
    writer = BtfWriter()
    for each in contents.types:
        writer.add(each)
    ext = BtfExtWriter(writer)
    code = b""
    for _ in range(draw(st.integers(1, 4))):
        type_id = TypeId(draw(st.integers(1, len(contents.types))))
        access = draw(st.sampled_from(("0", "0:0", "0:1", "0:0:0")))
        ext.core("socket", len(code), type_id, access, draw(st.sampled_from(list(CoreKind))))
        code += Assembler().mov(R0, 0).assemble("little")
    file = ObjectWriter().function("program", code + Assembler().exit().assemble("little"), section="socket")
    file.section(".BTF.ext", ext.build())
    types = writer.build()
    other = draw(st.just(types) | btf_files())
    return file.section(".BTF", types).build(), other


@given(asked_of_types())
def test_a_cut_kernel_decides_as_the_whole_one(asked: tuple[bytes, bytes]) -> None:
    data, types = asked
    try:
        spec, whole = opened(data), Btf.parse(types)
        assume(all(target < whole.end_id for each in whole.ids() for target in references(whole[each])))
        cut = Btf.parse(minimal_btf([spec], whole))
    except BpfError:
        return
    assert spec.btf is not None
    for function in spec.functions.values():
        for found in function.references:
            if isinstance(found, CoreAccess) and found.record.kind is not CoreKind.TYPE_ID_TARGET:
                assert _decided(spec, found, whole) == _decided(spec, found, cut)


def _decided(spec: ObjectSpec, access: CoreAccess, types: Btf) -> object:
    assert spec.btf is not None
    try:
        decision = Resolver(spec.btf, Target.from_btf(types, release="6.12"), spec.byteorder).decide(access.record)
    except RelocationError as error:
        return type(error)
    found = decision.target
    # The type is the same one under another number.
    told = found and (found.number, found.checked, found.size, found.unsigned, bool(found.type))
    return told, decision.resizable
