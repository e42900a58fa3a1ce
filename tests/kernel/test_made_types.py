"""Types that purebpf made (written, sorted, merged, deduplicated, cut, distilled, linked) given to the kernel.

BPF_BTF_LOAD takes what a BPF object may have, and whole kernels' types too. What it does not take, whoever made it: a
split BTF (there is no way to name its base), an extern variable or function, and a section whose size was left at 0
(clang leaves it; the stage `describe` fills it in). Types of objects are therefore taken as a load would give them to
the kernel; split ones reach it inside a module, or behind their base as one.
"""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest

import purebpf
from purebpf.btf import Btf, BtfWriter, Kind, Pointer, Struct
from purebpf.btf.dedup import dedup
from purebpf.btf.distill import distill, relocate
from purebpf.btf.permute import permute
from purebpf.cli.btf import read_types
from purebpf.elf import read_elf
from purebpf.linker import link_objects
from purebpf.plan.steps import LoadBtf
from purebpf.syscall import calls, objects
from purebpf.syscall.fd import Fd
from tests.conftest import BUILT

OBJECTS = ("all_types", "maps", "tags", "globals", "core", "map_in_map", "subprogs")


def kernel_takes(data: bytes) -> None:
    """Load `data`; what the kernel then has is what it was given."""
    try:
        number = calls.btf_load(data)
    except OSError:
        pytest.fail(f"the kernel refuses the types: {refusal(data)}")
    with Fd(number, "the types") as fd:
        assert objects.btf_info(fd.number, data=True)[2] == data


def refusal(data: bytes) -> str:
    """The last line of what the kernel says against `data`."""
    log = calls.Log(bytearray(1 << 24))
    with pytest.raises(OSError, match="Invalid argument"):
        calls.btf_load(data, log=log)
    return log.text.strip().rpartition("\n")[2]


def loaded_types(source: Path | bytes) -> Btf:
    """The types of an object as a load gives them to this kernel."""
    (step,) = [step for step in purebpf.plan(purebpf.open(source)).steps if isinstance(step, LoadBtf)]
    return Btf.parse(step.data)


def running() -> Btf:
    return read_types("running")


def shuffled(btf: Btf) -> Btf:
    order = list(btf.ids())
    random.Random(1).shuffle(order)
    return Btf.parse(permute(btf, order).data)


@pytest.mark.parametrize("name", OBJECTS)
def test_types_written_one_by_one_are_taken(name: str) -> None:
    types = loaded_types(BUILT / f"{name}.bpf.o")
    writer = BtfWriter()
    for type_id in types.ids():
        writer.add(types[type_id])
    kernel_takes(writer.build())


@pytest.mark.parametrize("name", OBJECTS)
def test_types_in_any_order_are_taken(name: str) -> None:
    kernel_takes(shuffled(loaded_types(BUILT / f"{name}.bpf.o")).raw)


def test_types_of_many_objects_merged_are_taken_and_so_they_are_without_duplicates() -> None:
    writer = BtfWriter()
    for name in OBJECTS:
        writer.add_btf(loaded_types(BUILT / f"{name}.bpf.o"))
    merged = Btf.parse(writer.build())
    kernel_takes(merged.raw)
    once = dedup(merged)
    assert len(Btf.parse(once.data)) < len(merged)
    kernel_takes(once.data)


def test_a_whole_kernels_types_in_another_order_are_taken() -> None:
    kernel_takes(shuffled(running()).raw)


def test_types_cut_for_an_object_are_taken_twice_and_deduplicated_too() -> None:
    data = purebpf.minimal_btf([purebpf.open(BUILT / "execs.bpf.o")], running())
    kernel_takes(data)
    writer = BtfWriter()
    writer.add_btf(Btf.parse(data))
    writer.add_btf(Btf.parse(data))
    kernel_takes(writer.build())
    kernel_takes(dedup(Btf.parse(writer.build())).data)


def test_linked_types_are_taken(tmp_path: Path) -> None:
    files = [BUILT / f"{name}.bpf.o" for name in ("execs", "maps", "globals")]
    kernel_takes(loaded_types(link_objects(files)).raw)


def module() -> Btf:
    """Types that continue the running kernel's."""
    base = running()
    task = base.find("task_struct", Kind.STRUCT)[0]
    writer = BtfWriter(base=base)
    pointer = writer.add(Pointer(task))
    held = writer.add(Struct("of_my_own", 8, ()))
    writer.add(Pointer(held))
    writer.add(Pointer(pointer))
    return Btf.parse(writer.build(), base=base)


def flat(split: Btf) -> bytes:
    """A split BTF behind its base, as one, with the ids that they have."""
    assert split.base is not None
    writer = BtfWriter()
    writer.add_btf(split.base)
    writer.add_renumbered(split, split.ids(), array("I", range(split.end_id)))
    return writer.build()


def test_a_split_btf_is_not_taken_by_itself_and_is_behind_its_base() -> None:
    split = module()
    assert refusal(split.raw) == "Invalid string section"
    kernel_takes(flat(split))


def test_a_distilled_base_is_taken_and_what_was_fitted_to_the_kernels_types_behind_them() -> None:
    small = distill(module())
    base = Btf.parse(small.base)
    kernel_takes(small.base)
    split = Btf.parse(small.split, base=base)
    kernel_takes(flat(split))
    kernel_takes(flat(Btf.parse(relocate(split, running()).data, base=running())))
    kernel_takes(flat(Btf.parse(dedup(split).data, base=base)))


@pytest.mark.parametrize(("name", "complaint"), [("globals", "size == 0"), ("kconfig", "Linkage not supported")])
def test_what_clang_left_for_the_loader_is_not_taken(name: str, complaint: str) -> None:
    section = read_elf(BUILT / f"{name}.bpf.o").section(".BTF")
    assert section is not None
    assert refusal(bytes(section.data)).endswith(complaint)
