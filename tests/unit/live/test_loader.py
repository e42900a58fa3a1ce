"""execute: every step or nothing, whatever fails; fallbacks; pinned maps."""

import errno
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from purebpf.btf import Btf, BtfWriter
from purebpf.errors import KernelError, NotPermitted, VerifierError
from purebpf.live.kernel import MapFacts
from purebpf.live.loader import Loaded, execute
from purebpf.live.seam import Handle
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import CreateMap, LoadBtf, LoadPlan, LoadProgram
from purebpf.plan.target import Feature, Target
from purebpf.relocate.model import BtfSlot
from purebpf.uapi import MapType
from purebpf.units import InsnIndex, TypeId
from tests.fakes import (
    STORAGE,
    FailingKernel,
    FakeKernel,
    RecordingKernel,
    Request,
    interrupted,
    not_permitted,
    refused,
)
from tests.writers import ObjectWriter

BUILT = Path(__file__).parents[3] / "bpf" / "built"
OBJECTS = ("maps", "map_in_map", "tailcall", "globals", "pinned", "subprogs", "kprobe", "minimal_legacy")
PIN_ROOT = "/pins"


@cache
def plan_of(name: str) -> LoadPlan:
    target = Target("test", "6.12.0", 0x060C00, "little", possible_cpus=2)
    return plan_object(open_object(BUILT / f"{name}.bpf.o"), target, pin_root=PIN_ROOT)


def requests_of(plan: LoadPlan) -> int:
    kernel = RecordingKernel(FakeKernel())
    execute(plan, kernel).close()
    return len(kernel.requests)


@pytest.mark.parametrize("name", OBJECTS)
def test_every_handle_of_a_load_is_given_and_closing_gives_all_back(name: str) -> None:
    kernel, plan = FakeKernel(), plan_of(name)
    loaded = execute(plan, kernel)
    assert [*loaded.maps] == [step.name for step in plan.maps()]
    assert [*loaded.programs] == [step.name for step in plan.programs()]
    assert len(kernel.open) == len(loaded.maps) + len(loaded.programs) + (loaded.btf is not None)
    loaded.close()
    loaded.close()
    assert not kernel.open
    pinned = {m.name for m in plan.maps() if m.pin_path is not None}
    assert set(kernel.alive()) == (pinned | {"BTF"} if pinned else set())


def test_per_cpu_data_has_its_initial_value_on_every_cpu() -> None:
    file = ObjectWriter().function("entry", b"\x95" + bytes(7), section="xdp").variable("v", b"1234", section=".percpu")
    kernel = FakeKernel()
    spec = open_object(file.build(), name="test")
    with closing(execute(plan_object(spec, Target("test", "7.3.0", 0x070300, "little")), kernel)) as loaded:
        assert kernel.map(loaded.maps[".percpu"]).contents == {bytes(4): b"1234"}


@pytest.mark.parametrize("error", [refused, not_permitted, interrupted])
@pytest.mark.parametrize("name", OBJECTS)
def test_whatever_request_fails_nothing_is_left(name: str, error: Callable[[str, str], BaseException]) -> None:
    plan = plan_of(name)
    count = requests_of(plan)
    failures = 0
    for step in range(count):
        kernel = FakeKernel()
        try:
            loaded = execute(plan, FailingKernel(kernel, step, error))
        except (KernelError, KeyboardInterrupt):
            failures += 1
        else:
            loaded.close()
            assert not kernel.open, f"request {step} of {name}"
            kernel.pins.clear()
        assert not kernel.open, f"request {step} of {name}"
        assert not kernel.pins, f"request {step} of {name}"
        assert kernel.alive() == [], f"request {step} of {name}"
    assert failures == count - (forgivable(plan) if error is refused else 0)


def forgivable(plan: LoadPlan) -> int:
    """How many requests may fail without the load failing: the types, and each map's first try with type ids."""
    declared = [m for step in plan.maps() for m in (step, step.inner) if m is not None]
    typed = sum(bool(m.key_type or m.value_type) and m.type not in STORAGE for m in declared)
    return typed + (isinstance(plan.steps[0], LoadBtf) and not any(m.type in STORAGE for m in declared))


def test_a_kernel_that_refuses_the_types_gets_maps_and_programs_without() -> None:
    kernel = FakeKernel(refuses_types=True)
    loaded = execute(plan_of("kprobe"), kernel)
    assert loaded.btf is None
    assert all(kernel.map(handle).types is None for handle in loaded.maps.values())
    loaded.close()


def test_a_map_whose_type_ids_are_refused_is_made_without(caplog: pytest.LogCaptureFixture) -> None:
    plan = plan_of("kprobe")
    wrong = tuple(
        replace(step, value_type=TypeId(step.value_type + 1))
        if isinstance(step, CreateMap) and step.value_type
        else step
        for step in plan.steps
    )
    kernel = FakeKernel()
    with caplog.at_level(logging.INFO, logger="purebpf"):
        loaded = execute(replace(plan, steps=wrong), kernel)
    assert kernel.map(loaded.maps[".rodata"]).types is None
    assert "cannot create map '.rodata'" in caplog.text
    assert "trying without its type ids" in caplog.text
    loaded.close()
    assert kernel.alive() == []


def test_missing_privileges_are_no_reason_to_try_without_types() -> None:
    kernel = RecordingKernel(FakeKernel(privileged=False))
    with pytest.raises(NotPermitted, match="cannot load BTF"):
        execute(plan_of("kprobe"), kernel)
    assert [request.name for request in kernel.requests] == ["load_btf"]


def test_the_order_of_requests_is_the_order_of_the_steps() -> None:
    kernel = RecordingKernel(FakeKernel())
    execute(plan_of("globals"), kernel).close()
    names = [request.name for request in kernel.requests]
    assert names[0] == "load_btf"
    program = names.index("load_program")
    assert set(names[1:program]) == {"create_map", "update_map", "freeze_map"}
    assert set(names[program + 1 :]) == {"bind_map"}
    frozen = [request.subject for request in kernel.requests if request.name == "freeze_map"]
    assert frozen == [".rodata", ".rodata.custom"]


def test_the_template_of_a_map_of_maps_is_closed_at_once() -> None:
    kernel = FakeKernel()
    loaded = execute(plan_of("map_in_map"), kernel)
    assert "by_index.inner" not in kernel.alive()
    slots = kernel.map(loaded.maps["by_index"]).contents
    assert {int.from_bytes(key, "little"): item.name for key, item in slots.items()} == {1: "inner_a", 3: "inner_b"}
    loaded.close()


def test_the_slots_of_a_prog_array_hold_the_programs() -> None:
    kernel = FakeKernel()
    loaded = execute(plan_of("tailcall"), kernel)
    slots = kernel.map(loaded.maps["jumps"]).contents
    assert {int.from_bytes(key, "little"): item.name for key, item in slots.items()} == {0: "first", 2: "second"}
    loaded.close()


@pytest.mark.parametrize(
    ("name", "holder", "slot"),
    [
        ("map_in_map", "by_index", "slot 1 was to hold map 'inner_a'"),
        ("tailcall", "jumps", "slot 0 was to hold program 'first'"),
    ],
)
def test_a_slot_that_the_kernel_refuses_is_told(name: str, holder: str, slot: str) -> None:
    requests = RecordingKernel(FakeKernel())
    execute(plan_of(name), requests).close()
    at = next(i for i, request in enumerate(requests.requests) if request == Request("update_map", holder))
    with pytest.raises(KernelError) as caught:
        execute(plan_of(name), FailingKernel(FakeKernel(), at, refused))
    assert (caught.value.subject, caught.value.evidence) == (holder, (slot,))


def test_the_fds_of_maps_stand_in_the_code() -> None:
    kernel = FakeKernel()
    plan = plan_of("minimal")
    loaded = execute(plan, kernel)
    (step,) = plan.programs()
    code = kernel.open[loaded.programs[step.name].number].code  # type: ignore[union-attr]
    for slot in step.slots:
        number = int.from_bytes(code[slot.insn * 8 + 4 : slot.insn * 8 + 8], "little")
        assert number == loaded.maps[slot.map].number
    loaded.close()


# ------------------------------------------------------------------ pinned maps


def pinned_plan() -> tuple[LoadPlan, CreateMap]:
    plan = plan_of("pinned")
    return plan, next(step for step in plan.maps() if step.pin_path is not None)


def test_a_map_pinned_by_name_outlives_its_object_and_is_used_again() -> None:
    plan, step = pinned_plan()
    kernel = FakeKernel()
    first = execute(plan, kernel)
    known = kernel.map(first.maps[step.name])
    first.close()
    assert step.pin_path == f"{PIN_ROOT}/purebpf_pinned"
    assert step.name in kernel.alive()
    second = execute(plan, kernel)
    assert kernel.map(second.maps[step.name]) is known
    second.close()
    assert not kernel.open
    assert list(kernel.pins.values()) == [known]


@pytest.mark.parametrize(
    ("name", "value"),
    [("value_size", 16), ("max_entries", 9), ("flags", 1), ("type", int(MapType.LRU_HASH)), ("map_extra", 1)],
)
def test_a_pinned_map_of_another_shape_is_refused_with_what_differs(name: str, value: int) -> None:
    plan, step = pinned_plan()
    kernel = FakeKernel()
    execute(plan, kernel).close()
    (known,) = kernel.pins.values()
    declared = getattr(known.facts, name)
    known.facts = replace(known.facts, **{name: value})
    with pytest.raises(KernelError) as caught:
        execute(plan, kernel)
    assert str(caught.value) == (
        "cannot reuse pinned map 'purebpf_pinned': the map at /pins/purebpf_pinned is not like the declared one "
        f"[EINVAL]\n  {name}: pinned {value}, declared {declared}\n"
        "remove it (rm /pins/purebpf_pinned), or change the declaration"
    )
    assert not kernel.open
    assert list(kernel.pins) == [step.pin_path]


def test_a_failed_load_leaves_the_pin_that_was_there_before() -> None:
    plan, step = pinned_plan()
    kernel = FakeKernel()
    execute(plan, kernel).close()
    recording = RecordingKernel(kernel)
    execute(plan, recording).close()
    assert recording.requests[-1].name == "load_program"
    with pytest.raises(KernelError):
        execute(plan, FailingKernel(kernel, len(recording.requests) - 1, refused))
    assert list(kernel.pins) == [step.pin_path]
    assert not kernel.open


class RacingKernel(FakeKernel):
    """Another process pins a map of `facts` (none: pins and unpins) just before this one does."""

    def __init__(self, facts: MapFacts | None) -> None:
        super().__init__()
        self.facts = facts

    def pin(self, path: str, handle: Handle) -> None:
        if path not in self.pins and self.facts is not None:
            other = replace(self.map(handle), facts=self.facts, name="the other's")
            self.pins[path] = other
        elif self.facts is None:
            raise KernelError("pin map", path, errno.EEXIST)
        super().pin(path, handle)


def declared_facts(step: CreateMap) -> MapFacts:
    return MapFacts(int(step.type), step.key_size, step.value_size, step.max_entries, step.flags, step.map_extra)


def test_who_loses_the_race_to_pin_uses_the_winners_map_and_keeps_none_of_its_own() -> None:
    plan, step = pinned_plan()
    kernel = RacingKernel(declared_facts(step))
    loaded = execute(plan, kernel)
    assert kernel.map(loaded.maps[step.name]).name == "the other's"
    loaded.close()
    assert not kernel.open
    assert [pinned.name for pinned in kernel.pins.values()] == ["the other's"]
    assert step.name not in kernel.alive()


def test_a_winner_of_another_shape_is_refused_and_its_pin_stays() -> None:
    plan, step = pinned_plan()
    kernel = RacingKernel(replace(declared_facts(step), value_size=16))
    with pytest.raises(KernelError, match="value_size: pinned 16, declared 8"):
        execute(plan, kernel)
    assert not kernel.open
    assert list(kernel.pins) == [step.pin_path]


def test_a_pin_that_is_there_and_not_there_is_the_kernels_error() -> None:
    plan, _ = pinned_plan()
    kernel = RacingKernel(None)
    with pytest.raises(KernelError, match="cannot pin map"):
        execute(plan, kernel)
    assert kernel.alive() == []


# ------------------------------------------------------------------ what errors say


def test_a_map_without_max_entries_says_so() -> None:
    plan = plan_of("minimal_legacy")
    steps = tuple(replace(step, max_entries=0) if isinstance(step, CreateMap) else step for step in plan.steps)
    with pytest.raises(KernelError) as caught:
        execute(replace(plan, steps=steps), FakeKernel())
    text = str(caught.value)
    assert "array: key 4 bytes, value 4 bytes, max_entries 0, flags 0x0, map_extra 0x0" in text
    assert "\nset max_entries, which most map types need: spec.with_map('" in text
    assert text.endswith("', max_entries=...)")


def test_a_map_type_without_a_name_may_be_unknown_to_the_kernel() -> None:
    plan = plan_of("minimal_legacy")
    steps = tuple(replace(step, type=99) if isinstance(step, CreateMap) else step for step in plan.steps)
    with pytest.raises(KernelError, match="this kernel may not know the map type"):
        execute(replace(plan, steps=steps), FakeKernel())


def test_a_refused_program_is_named_with_its_line_of_c() -> None:
    plan = plan_of("globals")
    (step,) = plan.programs()
    slot = step.slots[0]
    code = bytearray(step.code)
    code[slot.insn * 8 + 12 : slot.insn * 8 + 16] = (1 << 20).to_bytes(4, "little")
    broken = tuple(replace(s, code=bytes(code)) if s is step else s for s in plan.steps)
    kernel = FakeKernel()
    with pytest.raises(VerifierError) as caught:
        execute(replace(plan, steps=broken), kernel)
    assert caught.value.source is not None
    assert caught.value.source.startswith("globals.bpf.c:")
    assert kernel.alive() == []


def test_every_fd_is_logged_at_level_debug(caplog: pytest.LogCaptureFixture) -> None:
    plan = plan_of("tailcall")
    with caplog.at_level(logging.DEBUG, logger="purebpf.tailcall"):
        loaded = execute(plan, FakeKernel(), log=logging.getLogger("purebpf.tailcall"))
    for name, handle in loaded.maps.items():
        assert f"map '{name}': fd {handle.number}" in caplog.messages
    for name, handle in loaded.programs.items():
        assert f"program '{name}': fd {handle.number}" in caplog.messages
    loaded.close()


def test_what_was_never_loaded_closes() -> None:
    Loaded().close()


def test_an_old_kernels_plan_needs_none_of_what_it_lacks() -> None:
    old = Target("old", "4.14.0", 0x040E00, "little", features=dict.fromkeys(Feature, False))
    kernel = RecordingKernel(FakeKernel())
    execute(plan_object(open_object(BUILT / "minimal_legacy.bpf.o").with_programs(), old), kernel).close()
    assert {request.name for request in kernel.requests} <= {"create_map"}


# ------------------------------------------------------------------ modules


def in_module(**changes: object) -> LoadPlan:
    """A plan whose programs name something in the module 'nf'."""
    plan = plan_of("minimal_legacy")
    steps = tuple(
        replace(step, **changes) if isinstance(step, LoadProgram) else step  # type: ignore[arg-type]
        for step in plan.steps
    )
    return replace(plan, steps=steps)


class SeeingKernel(FakeKernel):
    """Remembers what programs are loaded with."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bytes, bytes]] = []

    def load_program(self, step: LoadProgram, code: bytes, **more: Any) -> Handle:
        self.seen.append((code, more["fd_array"]))
        return super().load_program(step, code, **more)


def test_the_fds_of_modules_stand_in_code_and_array_while_programs_load_and_no_longer() -> None:
    kernel = SeeingKernel()
    kernel.modules["nf"] = Btf.parse(BtfWriter().build())
    load = b"\x18\x31" + bytes(2) + b"\x07\0\0\0" + bytes(8) + b"\xb7\0\0\0\0\0\0\0\x95" + bytes(7)
    plan = in_module(code=load, slots=(), func_info=b"", btf_slots=(BtfSlot(InsnIndex(0), "nf"),), fd_array=("", "nf"))
    requests = RecordingKernel(kernel)
    execute(plan, requests).close()
    (code, fd_array), *_ = kernel.seen
    number = int.from_bytes(code[12:16], "little")
    assert number > 0
    assert fd_array == bytes(4) + number.to_bytes(4, "little")
    assert [r.subject for r in requests.requests if r.name == "open_module"] == ["nf"]
    assert not kernel.open


def test_a_module_that_is_gone_ends_the_load_and_nothing_is_left() -> None:
    kernel = FakeKernel()
    with pytest.raises(KernelError, match="kernel module 'nf'"):
        execute(in_module(fd_array=("", "nf")), kernel)
    assert not kernel.open
