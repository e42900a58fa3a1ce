"""The maps of jump tables in a plan."""

from struct import pack

import pytest

from purebpf.errors import NotSupported
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import CreateMap, FreezeMap, LoadPlan, LoadProgram, SetValue
from purebpf.plan.target import Feature, Target
from purebpf.uapi import MapType
from tests.writers import ObjectWriter

CODE = b"\x18\x01" + bytes(14) + b"\xb7" + bytes(7) + b"\x95" + bytes(7)


def planned(*, tables: bool = True) -> LoadPlan:
    file = ObjectWriter().function("entry", CODE, section="syscall").legacy_map("counts", type=2)
    file.variable("table", pack("<2Q", 16, 24), section=".jumptables", alignment=8).address("entry", 0, "table")
    target = Target("test", "7.0.0", 0x070000, "little", features={Feature.INSN_ARRAY: tables})
    return plan_object(open_object(file.build()), target)


def test_a_table_is_made_filled_and_frozen_before_anything_else() -> None:
    steps = planned().steps
    create, first, second, freeze = steps[:4]
    name = "entry.jumptables+0x0"
    assert create == CreateMap(name, ".jumptables", MapType.INSN_ARRAY, 4, 16, 2)
    assert first == SetValue(name, pack("<I", 0), pack("<4I", 2, 0, 0, 0))
    assert second == SetValue(name, pack("<I", 1), pack("<4I", 3, 0, 0, 0))
    assert freeze == FreezeMap(name)
    assert isinstance(steps[4], CreateMap)
    assert isinstance(steps[5], LoadProgram)
    assert [(slot.map, slot.offset) for slot in steps[5].slots] == [(name, 0)]


def test_a_kernel_without_them_is_told_by_the_feature() -> None:
    with pytest.raises(NotSupported) as caught:
        planned(tables=False)
    assert str(caught.value).startswith("this kernel does not support jump tables (maps of type insn_array)")
    assert (caught.value.since, "-fno-jump-tables" in caught.value.remedy) == ("6.19", True)
    assert "program 'entry' jumps by 1 of them" in str(caught.value)
