"""purebpf and libbpf adapt the same object to the same types alike: every program's instructions are equal.

Compared on kernels (the shipped objects; those of bpf/) and on shapes made up for it (core/: one source of programs, in
which every kind of record asks for every form of type, and targets that have these types otherwise).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from purebpf.btf import Btf
from purebpf.elf import read_elf
from purebpf.errors import PlanError, RelocationError
from purebpf.plan.stages import open_object
from purebpf.plan.target import Target
from purebpf.relocate.core import adapt
from purebpf.relocate.link import link
from purebpf.relocate.model import LinkedProgram
from purebpf.spec.model import CoreAccess, ObjectSpec
from tests.oracle.corpus import Origin, built, cache_folder, compiled, shipped
from tests.oracle.kernel_types import kernels
from tests.oracle.libbpf import Verdict, judge

SHAPES = Path(__file__).parent / "core"
TARGETS = sorted(path.stem for path in SHAPES.glob("target_*.c"))
COMPILERS = [("clang-19", "v1"), ("clang-19", "v2"), ("clang-19", "v3"), ("clang-19", "v4"), ("clang-14", "v3")]
WIDE = 0x18
TAKEN_BY_PUREBPF = {
    "unsigned_value": "libbpf takes 0xffffffff of an unsigned enum for -1, which is not what the compiler wrote",
}
# What there is in the kernel, and which id it has, the compiler cannot know; what is not there is meant so; a bitfield
# may be read in several ways; and to libbpf no type with a float matches any.
NOT_THE_SAME = ("by_flavour", "type_ids", "type_existences", "enumerators", "matches", "bitfields",
                "probed_bitfields", "wide_bitfields")  # fmt: skip


@cache
def target(types: Path) -> Target:
    data = types.read_bytes()
    if data.startswith(b"\x7fELF"):
        section = read_elf(data, machines=None).section(".BTF")
        assert section is not None
        data = section.data
    return Target.from_btf(data, name=types.name)


@cache
def made(source: str, compiler: str, isa: str = "v3", define: str = "PLAIN") -> Path:
    """An object of the folder core/, built once."""
    text = b"".join(path.read_bytes() for path in sorted(SHAPES.iterdir()) if path.is_file())
    result = cache_folder() / f"{source}.{compiler}.{isa}.{define}.{sha256(text).hexdigest()[:12]}.o"
    if not result.exists():
        command = [
            compiler,
            "-target",
            "bpfel",
            f"-mcpu={isa}",
            "-O2",
            "-g",
            f"-D{define}",
            "-I/usr/include/x86_64-linux-gnu",
        ]
        subprocess.run([*command, "-c", f"{source}.c", "-o", str(result)], cwd=SHAPES, check=True)
    return result


@cache
def opened(path: Path) -> ObjectSpec:
    return open_object(path)


def has_records(spec: ObjectSpec) -> bool:
    return any(isinstance(reference, CoreAccess) for f in spec.functions.values() for reference in f.references)


def adapted(spec: ObjectSpec, types: Path, names: list[str]) -> dict[str, LinkedProgram]:
    functions = adapt(spec, names, target(types)).functions
    return {name: link(spec, functions, name) for name in names}


def blanked(code: bytes, linked: LinkedProgram) -> bytes:
    """The code without what the next stage fills in."""
    blank = bytearray(code)
    for reference in linked.externs:
        at = 8 * reference.insn
        size = 16 if WIDE in (blank[at], linked.code[at]) else 8
        blank[at : at + size] = bytes(size)
    return bytes(blank)


def compare(path: Path, types: Path) -> tuple[int, int]:
    """How many programs of the object were compared, and how many are refused by both."""
    verdict = judge(path, types)
    if verdict.error or not has_records(opened(path)):
        return 0, 0
    spec = opened(path)
    loaded = [name for name in spec.programs if name in verdict.loaded]
    batches = [loaded] if verdict.whole else [[name] for name in loaded]
    for names in batches:
        for name, linked in adapted(spec, types, names).items():
            theirs = bytes.fromhex(verdict.loaded[name]["code"])
            assert blanked(linked.code, linked).hex(" ", 8) == blanked(theirs, linked).hex(" ", 8), name
    refused = list(refused_relocations(verdict, spec))
    for name in set(refused) - TAKEN_BY_PUREBPF.keys():
        with pytest.raises(PlanError):
            adapted(spec, types, [name])
    return len(loaded), len(refused)


def refused_relocations(verdict: Verdict, spec: ObjectSpec) -> Iterator[str]:
    """The programs that libbpf could not adapt; it names the relocation in the first line of its complaint."""
    for name, reason in verdict.failed.items():
        if name in spec.programs and ("relo #" in reason or "failed to relocate" in reason):
            yield name


def shipped_and_built() -> Iterator[Origin]:
    yield from built()
    yield from (origin for origin in compiled() if origin.isa == "v3")
    yield from shipped()


@pytest.mark.parametrize("kernel", kernels())
@pytest.mark.parametrize("origin", [pytest.param(origin, id=origin.name) for origin in shipped_and_built()])
def test_objects_are_adapted_to_a_kernel_alike(origin: Origin, kernel: str) -> None:
    for path in origin.objects():
        compare(path, kernels()[kernel])


@pytest.mark.parametrize("shape", TARGETS)
@pytest.mark.parametrize("compiler", COMPILERS, ids="-".join)
def test_every_kind_of_record_is_adapted_to_every_shape_alike(compiler: tuple[str, str], shape: str) -> None:
    compared, refused = compare(made("shapes.bpf", *compiler), made(shape, "clang-19"))
    assert compared >= 10
    assert compared + refused == len(opened(made("shapes.bpf", *compiler)).programs)


@pytest.mark.parametrize("order", ["FIRST_XDP", "FIRST_SOCKET", "UNUSED"])
def test_what_one_record_rules_out_stays_ruled_out_for_the_next_ones(order: str) -> None:
    types, path = made("target_flavours", "clang-19"), made("order.bpf", "clang-19", "v3", order)
    spec, verdict = opened(path), judge(path, types)
    if verdict.whole:
        assert compare(path, types) == (2, 0)
    else:
        with pytest.raises(RelocationError, match="ambiguous"):
            adapted(spec, types, list(spec.programs))


def test_on_its_own_types_an_object_stays_as_it_is() -> None:
    path = made("shapes.bpf", "clang-19")
    spec = opened(path)
    names = [name for name in spec.programs if name not in NOT_THE_SAME]
    functions = adapt(spec, names, target(made("target_same", "clang-19"))).functions
    assert {name: functions[name].code for name in names} == {name: spec.functions[name].code for name in names}


def test_an_enumerator_is_as_unsigned_as_the_compiler_took_it() -> None:
    spec = opened(made("shapes.bpf", "clang-19"))
    linked = adapted(spec, made("target_moved", "clang-19"), ["unsigned_value"])["unsigned_value"]
    assert linked.code[:16] == bytes([WIDE, 0, 0, 0, 0, 0, 0, 0x80]) + bytes(8)


def test_the_shapes_reach_every_kind() -> None:
    spec = opened(made("shapes.bpf", "clang-19"))
    records = [r.record for f in spec.functions.values() for r in f.references if isinstance(r, CoreAccess)]
    assert len({record.kind for record in records}) == 13


def test_types_of_a_kernel_are_what_they_claim() -> None:
    for path in kernels().values():
        assert Btf.parse(path.read_bytes()).find("task_struct")
