"""Steps and plans as text and as data."""

import json
from pathlib import Path

import pytest

from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import (
    BindMap,
    CreateMap,
    FreezeMap,
    LoadBtf,
    LoadPlan,
    LoadProgram,
    SetInnerMap,
    SetProgram,
    SetValue,
    Step,
)
from purebpf.plan.target import Target
from purebpf.relocate.model import MapSlot, PlacedFunction
from purebpf.uapi import AttachType, MapType, ProgramType
from purebpf.units import InsnIndex

BUILT = Path(__file__).parents[3] / "bpf" / "built"
OBJECTS = ("maps", "map_in_map", "tailcall", "globals", "pinned", "subprogs", "kprobe", "minimal_legacy")
FUNCTIONS = PlacedFunction("p", InsnIndex(0), 2), PlacedFunction("sub", InsnIndex(2), 1)
PROGRAM = LoadProgram(
    "p",
    "p",
    "xdp",
    ProgramType.XDP,
    AttachType.XDP,
    0,
    bytes(24),
    (MapSlot(InsnIndex(0), "m"), MapSlot(InsnIndex(1), "m", 4), MapSlot(InsnIndex(2), ".bss", 0)),
    FUNCTIONS,
    "GPL",
    0,
)


def plan_of(name: str) -> LoadPlan:
    return plan_object(open_object(BUILT / f"{name}.bpf.o"), Target("6.12", "6.12.0", 0x060C00, "little"))


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (LoadBtf(bytes(100)), "load BTF of 100 bytes"),
        (
            CreateMap("m", "m", MapType.HASH, 4, 8, 16),
            "create map 'm' as 'm': hash, key 4, value 8, max_entries 16",
        ),
        (
            CreateMap(
                "m",
                "k",
                99,
                4,
                4,
                2,
                flags=1,
                map_extra=3,
                inner=CreateMap("i", "i", MapType.ARRAY, 4, 8, 1),
                pin_path="/p",
            ),
            "create map 'm' as 'k': type 99, key 4, value 4, max_entries 2, flags 0x1, map_extra 0x3, "
            "inner (create map 'i' as 'i': array, key 4, value 8, max_entries 1), pinned at /p",
        ),
        (SetValue(".bss", bytes(4), bytes(8)), "set value of map '.bss', key 00000000: 8 bytes"),
        (
            SetValue(".percpu", bytes(4), bytes(8), all_cpus=True),
            "set value of map '.percpu', key 00000000: 8 bytes on all CPUs",
        ),
        (SetInnerMap("o", 1, "i"), "put map 'i' into slot 1 of map 'o'"),
        (FreezeMap(".rodata"), "freeze map '.rodata'"),
        (PROGRAM, "load program 'p': xdp, attach type xdp, 3 instructions, 1 subprograms, maps m, .bss"),
        (BindMap("p", ".rodata"), "bind map '.rodata' to program 'p'"),
        (SetProgram("m", 2, "p"), "put program 'p' into slot 2 of map 'm'"),
    ],
)
def test_a_step_says_what_it_does(step: Step, text: str) -> None:
    assert str(step) == text


def test_a_plan_is_printed_with_its_steps_numbered() -> None:
    plan = plan_of("minimal_legacy")
    lines = str(plan).splitlines()
    assert lines[0] == f"plan for 'minimal_legacy' on 6.12: {len(plan.steps)} steps"
    assert lines[1:] == [f"  {number:3} {step}" for number, step in enumerate(plan.steps, 1)]


@pytest.mark.parametrize("name", OBJECTS)
def test_a_plan_survives_json(name: str) -> None:
    plan = plan_of(name)
    data = plan.to_json()
    assert json.loads(json.dumps(data)) == data
    assert (data["object"], data["target"], len(data["steps"])) == (name, "6.12", len(plan.steps))
    for step, written in zip(plan.steps, data["steps"], strict=True):
        assert set(written) == {"step", *type(step).__dataclass_fields__}


def test_json_has_bytes_as_hex_and_enums_by_their_kernel_names() -> None:
    plan = plan_of("minimal_legacy")
    steps = {step["step"]: step for step in plan.to_json()["steps"]}
    assert steps["create_map"]["type"] == "array"
    assert steps["load_program"]["type"] == "tracepoint"
    (program,) = plan.programs()
    assert bytes.fromhex(steps["load_program"]["code"]) == program.code
    assert steps["load_program"]["slots"][0]["map"] == program.slots[0].map
    assert steps["load_program"]["expected_attach_type"] is None


def test_plans_compare_by_target_and_steps() -> None:
    assert plan_of("minimal") == plan_of("minimal")
    assert plan_of("minimal") != plan_of("minimal_legacy")
    assert hash(FreezeMap("a")) == hash(FreezeMap("a"))
