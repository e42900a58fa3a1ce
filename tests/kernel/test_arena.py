"""Arenas on the running kernel: memory that programs and this process share, with global variables in it."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf.errors import KernelError
from purebpf.plan.steps import MapMemory
from purebpf.syscall import objects
from purebpf.uapi import MapType

# Far from where a process puts things by itself, and below the 47 bits of an address.
CHOSEN = 1 << 44

BpfFile = Callable[[str], Path]


@pytest.fixture
def spec(bpf_object: BpfFile) -> purebpf.ObjectSpec:
    return purebpf.open(bpf_object("arena"))


def test_variables_begin_with_the_files_values_and_are_shared_with_programs(spec: purebpf.ObjectSpec) -> None:
    with purebpf.load(spec.with_values(total=100)) as loaded:
        values = loaded.variables
        assert (values["total"], values["table"], values["zero"]) == (100, [1, 2, 3], 0)
        values["table"] = [1, 2, 30]
        loaded.programs["add_up"].test_run()
        assert values["total"] == 100 + 7 + (5 + 30)
        assert (values["hidden"], values["zero"]) == (35, 1)


def test_a_pointer_of_a_program_leads_to_the_same_bytes_here(spec: purebpf.ObjectSpec) -> None:
    with purebpf.load(spec) as loaded:
        loaded.programs["add_up"].test_run()
        arena = loaded.maps["arena"]
        at = loaded.variables["address"] - arena.address
        assert int.from_bytes(arena.memory[at : at + 8], "little") == loaded.variables["total"] == 40 + 7 + 8
        arena.memory[at : at + 8] = (1000).to_bytes(8, "little")
        assert loaded.variables["total"] == 1000


def test_an_arena_lies_where_its_declaration_says(spec: purebpf.ObjectSpec) -> None:
    chosen = spec.with_map("arena", map_extra=CHOSEN)
    with purebpf.load(chosen) as loaded:
        assert loaded.maps["arena"].address == CHOSEN
        loaded.programs["add_up"].test_run()
        assert CHOSEN <= loaded.variables["address"] < CHOSEN + len(loaded.maps["arena"].memory)
        with pytest.raises(KernelError, match="something of this process is at its address") as caught:
            purebpf.load(chosen)
        assert caught.value.errno == errno.EEXIST
    purebpf.load(chosen).close()


def test_the_memory_outlives_the_object_for_who_looks_at_it(spec: purebpf.ObjectSpec) -> None:
    with purebpf.load(spec.with_map("arena", map_extra=CHOSEN)) as loaded:
        arena = loaded.maps["arena"]
        seen = arena.memory[:16]
    assert bytes(seen[8:12]) == (1).to_bytes(4, "little")
    with pytest.raises(ValueError, match="closed"):
        _ = arena.memory
    with pytest.raises(ValueError, match="closed"):
        _ = loaded.variables["total"]
    with pytest.raises(KernelError, match="something of this process"):
        purebpf.load(spec.with_map("arena", map_extra=CHOSEN))
    del seen
    purebpf.load(spec.with_map("arena", map_extra=CHOSEN)).close()


def test_the_variables_of_a_large_arena_lie_where_the_kernel_lets_them(spec: purebpf.ObjectSpec) -> None:
    """A GiB, of which only the pages that are touched exist."""
    large = spec.with_map("arena", max_entries=1 << 18)
    plan = purebpf.plan(large)
    (step,) = (step for step in plan.steps if isinstance(step, MapMemory))
    assert step.offset in (0, (1 << 30) - 4096)
    with purebpf.load(plan) as loaded:
        loaded.programs["add_up"].test_run()
        assert loaded.variables["total"] == 55
        assert loaded.variables["address"] == loaded.maps["arena"].address + step.offset


def test_what_the_kernel_knows_of_the_arena_is_what_was_declared(spec: purebpf.ObjectSpec) -> None:
    with purebpf.load(spec) as loaded:
        info = objects.map_info(loaded.maps["arena"].fileno())
        assert (info.type, info.max_entries, info.key_size, info.value_size) == (MapType.ARENA, 100, 0, 0)
