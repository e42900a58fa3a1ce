"""Stages as lines of text."""

from dataclasses import replace
from pathlib import Path

import pytest

from purebpf.btf import CoreKind
from purebpf.inspect import plan_lines, spec_lines, stage_lines
from purebpf.inspect.text import adapted_lines, map_line, reference_text
from purebpf.plan.kconfig import ConfigText
from purebpf.plan.stages import STAGES, StageResult, trace
from purebpf.plan.target import Feature, Target
from purebpf.relocate.access import Access
from purebpf.relocate.model import AdaptedCode, Fixup
from purebpf.relocate.resolve import Decision
from purebpf.relocate.values import Value
from purebpf.spec import (
    ExternCall,
    ExternValue,
    JumpTable,
    MapAddress,
    MapSpec,
    MapValue,
    Reference,
    SubprogramAddress,
    SubprogramCall,
    UnknownReference,
)
from purebpf.uapi import MapType
from purebpf.units import InsnIndex, TypeId
from tests.writers import ObjectWriter

BUILT = Path(__file__).parents[3] / "bpf" / "built"
TARGET = Target("6.12", "6.12.0", 0x060C00, "little")
EXIT = b"\x95" + bytes(7)
AT = InsnIndex(1)


def results(name: str) -> dict[str, StageResult]:
    return {result.stage: result for result in trace(BUILT / f"{name}.bpf.o", TARGET)}


def lines(name: str, stage: str) -> list[str]:
    return list(stage_lines(results(name)[stage]))


@pytest.mark.parametrize("path", sorted(BUILT.glob("*.bpf.o")), ids=lambda path: path.name)
def test_every_stage_of_every_object_has_lines(path: Path) -> None:
    for result in trace(path, TARGET):
        assert list(stage_lines(result)), result.stage


def test_reading_names_sections_and_types() -> None:
    found = lines("minimal", "read")
    assert found[0].startswith("ELF64, little-endian, machine 247, ")
    assert any("'tp/syscalls/sys_enter_write': progbits, " in line and " relocations" in line for line in found)
    assert any(line.startswith("BTF: ") for line in found)
    assert any(line.startswith("BTF.ext: records for 1 sections, 0 CO-RE relocations") for line in found)


def test_describing_names_programs_maps_variables_and_each_relocation() -> None:
    found = lines("minimal", "describe")
    assert found[0] == "object 'minimal': little-endian, license 'Dual MIT/GPL'"
    assert any(line.startswith("map '.bss': array, key 4, value ") for line in found)
    assert any("from data section '.rodata'" in line for line in found)
    spec = results("minimal")["describe"].value
    for function in spec.functions.values():
        assert sum(line.startswith(f"  {function.name}+") for line in found) == len(function.references)
    assert found == list(spec_lines(spec))


def test_linking_names_the_functions_of_a_program_in_order() -> None:
    found = lines("subprogs", "link")
    at = next(i for i, line in enumerate(found) if line.startswith("program 'calls_nested': "))
    names = [line.split()[1] for line in found[at + 1 : at + 8]]
    assert names[:4] == ["calls_nested", "global_middle", "middle", "leaf"]


def test_planning_prints_the_steps() -> None:
    result = results("minimal")["plan"]
    assert lines("minimal", "plan") == list(plan_lines(result.value)) == str(result.value).splitlines()


def test_the_stages_between_count_what_they_did() -> None:
    assert lines("subprogs", "core")[0].endswith("functions, 0 accesses recorded for CO-RE, 0 changed")
    assert lines("subprogs", "externs") == ["0 references to externs"]
    assert lines("subprogs", "sanitize")[0].endswith(" bytes of BTF")
    assert list(stage_lines(StageResult("sanitize", None, 0.0))) == ["no BTF for this kernel"]
    assert set(results("subprogs")) == set(STAGES[:-1])


def test_an_error_is_told_in_its_own_words() -> None:
    data = ObjectWriter().function("entry", EXIT, section="own").build()
    *_, last = trace(data, TARGET)
    assert list(stage_lines(last)) == str(last.error).splitlines()


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (MapAddress(AT, "m"), "map 'm'"),
        (MapValue(AT, ".bss", 8, "v"), "value of map '.bss' at 0x8 (v)"),
        (MapValue(AT, ".bss", 8), "value of map '.bss' at 0x8"),
        (JumpTable(AT, "t", 0, 0, (AT, AT)), "jump table 't' of 2 targets"),
        (SubprogramCall(AT, "f"), "call of subprogram 'f'"),
        (SubprogramAddress(AT, "f"), "address of subprogram 'f'"),
        (ExternValue(AT, "x"), "value of extern 'x'"),
        (ExternCall(AT, "x"), "call of extern 'x'"),
        (UnknownReference(AT, "s", "gone"), "'s', which cannot be placed: gone"),
    ],
)
def test_a_reference_is_told_in_words(reference: Reference, text: str) -> None:
    assert reference_text(reference) == text


def test_a_map_of_no_name_and_slots() -> None:
    spec = MapSpec("m", 99, 4, 4, 2, flags=1, slots=((1, "a"),))
    assert map_line(spec) == "map 'm': type 99, key 4, value 4, max_entries 2, flags 0x1, [1] = a"
    assert map_line(MapSpec("m", MapType.HASH, 4, 8, 1)) == "map 'm': hash, key 4, value 8, max_entries 1"
    assert map_line(MapSpec("m", MapType.HASH, 4, 8, 1, autocreate=False)).endswith(", not created unless asked for")


def test_sanitizing_tells_which_types_were_replaced() -> None:
    path = BUILT / "all_types.bpf.o"
    old = Target("5.4", "5.4.0", 0x050400, "little", features={f: f is Feature.BTF for f in Feature if "BTF" in f.name})
    found = {result.stage: result for result in trace(path, old)}
    shown = list(stage_lines(found["sanitize"], found["describe"].value))
    assert any(line.endswith("float 'double' became struct") for line in shown)
    assert any(line.endswith("enum64 'wide' became union 'wide'") for line in shown)
    same = results("all_types")
    assert next(stage_lines(same["sanitize"], same["describe"].value)).endswith(" bytes of BTF, as in the file")


def test_adapting_tells_what_each_access_came_to() -> None:
    def fixup(theirs: Value | None, *, poisoned: bool = False) -> Fixup:
        access = Access(TypeId(1))
        return Fixup(AT, Decision(CoreKind.FIELD_BYTE_OFFSET, access, "task", Value(8), theirs), poisoned)

    adapted = AdaptedCode({}, {"f": (fixup(Value(8)), fixup(Value(16)), fixup(None, poisoned=True))})
    head, same, other, none = adapted_lines(adapted)
    assert head == "0 functions, 3 accesses recorded for CO-RE, 2 changed"
    assert same == "  f+1: field_byte_offset of 'task': 8"
    assert other == "  f+1: field_byte_offset of 'task': 16 (was 8)"
    assert none.endswith("not on this target; the instruction is poisoned")


def test_values_of_the_kernels_configuration_are_shown_by_name() -> None:
    config = ConfigText(b"CONFIG_HZ=250\nCONFIG_BPF_SYSCALL=y\nCONFIG_IPV6=m\n", "a file")
    target = replace(TARGET, read_kconfig=lambda: config)
    found = {result.stage: result for result in trace(BUILT / "kconfig.bpf.o", target)}
    shown = list(stage_lines(found["externs"], found["describe"].value))
    assert {"  CONFIG_HZ = 250", "  CONFIG_BPF_SYSCALL = True", "  CONFIG_IPV6 = TRI_MODULE"} <= set(shown)
    assert any(line.startswith("  kconfig values: ") for line in stage_lines(found["externs"]))
