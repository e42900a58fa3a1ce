"""bpf/built is what bpf/Makefile makes of bpf/*.bpf.c, and nothing of the machine that made it is inside."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from purebpf.errors import ObjectFileError
from purebpf.plan.stages import open_object
from purebpf.spec.model import ObjectSpec
from tests.oracle.corpus import REPOSITORY, SOURCES

BUILT = SOURCES / "built"
PACKAGED = REPOSITORY / "purebpf" / "objects"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rebuilt")
    command = ["make", "-s", "-j2", "-C", str(SOURCES), f"OUT={folder}", f"PACKAGED={folder}/packaged"]
    subprocess.run(command, check=True)
    return folder


def _names() -> list[str]:
    return sorted(str(path.relative_to(BUILT)) for path in BUILT.rglob("*.o"))


def _said(path: Path) -> object:
    """What an object says, without what another release of the same headers or compiler words differently."""
    try:
        spec: ObjectSpec = open_object(path)
    except ObjectFileError as error:
        return type(error)
    functions = {name: (f.section, f.code, f.references, f.is_global) for name, f in spec.functions.items()}
    maps = {
        name: (m.type, m.key_size, m.value_size, m.max_entries, m.flags, m.slots, m.contents)
        for name, m in spec.maps.items()
    }
    variables = {name: (v.map, v.offset, v.size) for name, v in spec.variables.items()}
    return list(spec.programs), functions, maps, variables, spec.license, spec.byteorder


def test_the_same_files_come_out(rebuilt: Path) -> None:
    assert sorted(str(path.relative_to(rebuilt)) for path in rebuilt.rglob("*.o")) == sorted(
        [*_names(), "packaged/execs.bpf.o"]
    )


@pytest.mark.parametrize("name", _names())
def test_it_says_what_a_rebuilt_one_says(rebuilt: Path, name: str) -> None:
    assert _said(BUILT / name) == _said(rebuilt / name)


@pytest.mark.parametrize("name", _names())
def test_it_names_no_folder_of_the_machine_that_built_it(name: str) -> None:
    data = (BUILT / name).read_bytes()
    assert str(REPOSITORY).encode() not in data
    assert b"/home/" not in data
    assert b"/root/" not in data


def test_the_package_ships_the_demo_as_it_was_built() -> None:
    assert (PACKAGED / "execs.bpf.o").read_bytes() == (BUILT / "execs.bpf.o").read_bytes()
