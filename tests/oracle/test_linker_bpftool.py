"""`purebpf.linker` against bpftool's `gen object`: what a loader sees of the result is the same.

(bpftool 7.1 writes a wrong place for a map that one file declares before another defines it, and libbpf does not find
the map then; purebpf asks the symbol.)
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest

import purebpf
from purebpf.elf import read_elf
from purebpf.linker import link_objects
from purebpf.spec.model import CoreAccess, FunctionSpec, ObjectSpec
from tests.oracle.corpus import built

SOURCES = Path(__file__).parent / "linking"
FLAGS = ("-O2", "-g", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu")


@pytest.fixture(scope="module", params=["clang-19", "clang-14"])
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("one", "two"):
        source, target = SOURCES / f"{name}.bpf.c", folder / f"{name}.o"
        subprocess.run([request.param, *FLAGS, "-c", str(source), "-o", str(target)], check=True)
    return [str(folder / "one.o"), str(folder / "two.o")]


def by_bpftool(files: list[str], target: Path) -> ObjectSpec:
    subprocess.run(["bpftool", "gen", "object", str(target), *files], check=True, capture_output=True)
    return purebpf.open(target, name="linked")


def _by_purebpf(files: list[str]) -> ObjectSpec:
    return purebpf.open(link_objects(files), name="linked")


def told(spec: ObjectSpec) -> dict[str, Any]:
    """What must be the same: everything but the numbers of types."""
    return {
        "license": spec.license,
        "programs": [(p.name, p.section, p.type, p.attach_to) for p in spec.programs.values()],
        "maps": {
            m.name: (m.type, m.key_size, m.value_size, m.max_entries, m.flags, m.contents, m.frozen)
            for m in spec.maps.values()
        },
        "variables": {v.name: (v.map, v.offset, v.size, v.is_static) for v in spec.variables.values()},
        "externs": {e.name: (e.kind, e.weak, e.size) for e in spec.externs.values()},
        "functions": {f.name: _function(f) for f in spec.functions.values()},
    }


def _function(function: FunctionSpec) -> tuple[Any, ...]:
    references = [
        (r.insn, r.record.access, r.record.kind) if isinstance(r, CoreAccess) else r for r in function.references
    ]
    lines, functions = len(function.line_info), len(function.func_info)
    return function.section, function.code, references, function.is_global, function.hidden, lines, functions


@pytest.mark.parametrize("swapped", [False, True])
def test_two_files_become_what_bpftool_makes_of_them(parts: list[str], tmp_path: Path, swapped: bool) -> None:
    files = parts[::-1] if swapped else parts
    ours, theirs = _by_purebpf(files), by_bpftool(files, tmp_path / "linked.o")
    assert told(ours) == told(theirs)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_linked_programs_run_and_reach_what_is_in_the_other_file(parts: list[str], swapped: bool) -> None:
    with purebpf.load(_by_purebpf(parts[::-1] if swapped else parts)) as linked:
        # second() adds limit (11) for each of 4 elements, twice(50), counter (7), maybe and two true kernel facts; a
        # socket filter does not see the 14 bytes of the Ethernet header, and twice(x) is x * 9 + x.
        maybe = 2 if swapped else 1
        assert linked.programs["second"].test_run(bytes(64)).retval == 4 * 11 + 500 + 7 + maybe + 1 + 1


@pytest.mark.parametrize("path", [origin.file for origin in built()], ids=lambda path: path.stem)
def test_one_file_linked_is_what_it_was(path: Path) -> None:
    if read_elf(path).section(".BTF") is None:
        with pytest.raises(purebpf.SpecError, match="has no type information"):
            link_objects([path])
    else:
        assert told(_by_purebpf([str(path)])) == told(purebpf.open(path, name="linked"))
