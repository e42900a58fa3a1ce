"""The big-endian build of a source becomes the same programs and maps as the little-endian one.

libbpf 1.1 opens no object of the other byte order, so the twin stands in for it: same source, compiler and flags.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from purebpf.insn import decode
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import LoadPlan
from purebpf.plan.target import Target
from tests.oracle.corpus import SOURCES

# Not `isa`, whose byte swaps are other instructions on purpose, nor `minimal_legacy`, which writes a text to its stack
# in words.
TWINS = ("execs", "globals", "kprobe", "maps", "map_in_map", "minimal", "subprogs", "tailcall")


def _plans(name: str) -> tuple[LoadPlan, LoadPlan]:
    little = Target("little", "", 0, "little")
    paths = (SOURCES / "built" / f"{name}.bpf.o", SOURCES / "built" / "variants" / f"{name}.eb.bpf.o")
    targets = (little, replace(little, byteorder="big"))
    plain, swapped = (_plan(path, target) for path, target in zip(paths, targets, strict=True))
    return plain, swapped


def _plan(path: Path, target: Target) -> LoadPlan:
    """For CO-RE the target's types are the object's own, in its byte order."""
    spec = open_object(path)
    return plan_object(spec, replace(target, read_btf=lambda: spec.btf))


@pytest.mark.parametrize("name", TWINS)
def test_programs_are_the_same_instructions(name: str) -> None:
    plain, swapped = _plans(name)
    mine = {step.name: (decode(step.code), step.slots) for step in plain.programs()}
    assert mine == {step.name: (decode(step.code, "big"), step.slots) for step in swapped.programs()}


@pytest.mark.parametrize("name", TWINS)
def test_maps_have_the_same_parameters(name: str) -> None:
    plain, swapped = _plans(name)
    assert list(plain.maps()) == list(swapped.maps())
