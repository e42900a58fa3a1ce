"""Maps that hold maps or programs from the start: static `values`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import purebpf
from purebpf.errors import PlanError, VerifierError
from purebpf.plan.stages import open_object, plan_object
from purebpf.syscall import objects

BpfFile = Callable[[str], Path]


def inner_ids(loaded: purebpf.BpfObject, *names: str) -> list[int]:
    return [objects.map_info(loaded.maps[name].fileno()).id for name in names]


def ids_in(loaded: purebpf.BpfObject, outer: str, key_size: int, *keys: int) -> list[int]:
    """The ids that the kernel gives for what is in a map of maps."""
    from purebpf.syscall import calls

    fd = loaded.maps[outer].fileno()
    found = [calls.map_lookup(fd, key.to_bytes(key_size, "little"), 4) for key in keys]
    return [int.from_bytes(value, "little") for value in found]


@pytest.mark.parametrize("width", [2, 4, 8])
def test_slots_of_a_hash_are_keys_of_any_width(bpf_object: BpfFile, width: int) -> None:
    """Four bytes are all that libbpf takes."""
    with purebpf.load(purebpf.open(bpf_object("slots")).with_map("by_key", key_size=width)) as loaded:
        assert ids_in(loaded, "by_key", width, 1) == inner_ids(loaded, "a_first")


@pytest.mark.parametrize("last", ["by_index", "z_late"])
def test_slots_are_filled_whatever_the_order(bpf_object: BpfFile, last: str) -> None:
    """An inner map comes before the outer one with clang; with a linker of object files it need not."""
    spec = purebpf.open(bpf_object("slots"))
    others = {name: found for name, found in spec.maps.items() if name != last}
    with purebpf.load(replace(spec, maps={**others, last: spec.maps[last]})) as loaded:
        assert list(loaded.maps)[-1] == last
        assert ids_in(loaded, "by_index", 4, 1, 2) == inner_ids(loaded, "a_first", "z_late")
        for slot, expected in ((1, 10), (2, 20), (0, 0)):
            loaded.variables["slot"] = slot
            loaded.maps["a_first"][0] = 10
            loaded.maps["z_late"][0] = 20
            assert loaded.programs["look"].test_run().retval == expected


def test_a_pinned_map_of_maps_keeps_its_slots_and_a_new_one_gets_them(bpf_object: BpfFile, bpffs: Path) -> None:
    spec = open_object(bpf_object("slots")).with_map("by_index", pinning=1)
    plan = plan_object(spec, purebpf.running_target(), pin_root=str(bpffs))
    with purebpf.load(plan) as first:
        filled = ids_in(first, "by_index", 4, 1, 2)
        assert filled == inner_ids(first, "a_first", "z_late")
        with purebpf.load(plan) as second:
            assert ids_in(second, "by_index", 4, 1, 2) == filled


def test_a_slot_beyond_the_map_is_refused_before_anything_is_made(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("slots")).with_map("by_index", max_entries=2)
    with pytest.raises(PlanError, match=r"slot \d+ of map 'by_index' holds .* max_entries is 2"):
        purebpf.load(spec)


def test_a_map_in_a_slot_cannot_be_left_out_alone(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("slots")).with_map("z_late", autocreate=False)
    with pytest.raises(PlanError, match="slot 2 of map 'by_index' holds map 'z_late', which is left out"):
        purebpf.load(spec)


def test_a_program_that_reaches_a_map_that_is_left_out_is_refused_by_that_map(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("slots")).with_map("by_index", autocreate=False)
    with pytest.raises(VerifierError, match="it uses map 'by_index', which is left out of the load") as caught:
        purebpf.load(spec)
    assert "slots.bpf.c:" in str(caught.value)


def test_a_program_that_does_not_reach_it_is_taken(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("slots")).with_map("only_if_wanted", autocreate=False)
    with purebpf.load(spec) as loaded:
        assert "only_if_wanted" not in loaded.maps
        loaded.variables["slot"] = 0
        assert loaded.programs["look"].test_run().retval == 0
    with pytest.raises(VerifierError):
        purebpf.load(spec.with_values(wanted=1))


def test_programs_stand_in_the_slots_of_a_prog_array(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("tailcall")) as loaded:
        jumps = loaded.maps["jumps"]
        assert dict(jumps.items()) == {
            0: loaded.programs["first"].info().id,
            2: loaded.programs["second"].info().id,
        }
