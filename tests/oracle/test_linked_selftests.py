"""The kernel's own tests of linking: what the selftests of 6.1 link, by `purebpf.linker` and bpftool.

The maps, symbols and relocated instructions are the same, and so is what the kernel says of each program. The sources
are Debian's linux-source, compiled into the corpus's cache on first use.
"""

import pytest

import purebpf
from purebpf.errors import BpfError
from purebpf.linker import link_objects
from purebpf.spec.model import ObjectSpec
from tests.oracle.test_linker_bpftool import by_bpftool, told
from tools.corpus.objects import LINKED
from tools.corpus.selftests import compiled


@pytest.fixture(scope="module", params=sorted(LINKED))
def linked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ObjectSpec, ObjectSpec]:
    """The same files linked by purebpf and by bpftool."""
    parts = [compiled("6.1", name) for name in LINKED[request.param]]
    target = tmp_path_factory.mktemp("linked") / "bpftool.o"
    theirs = by_bpftool([str(part) for part in parts], target)
    return purebpf.open(link_objects(parts), name=request.param), theirs


def test_maps_symbols_and_instructions_are_what_bpftool_makes(linked: tuple[ObjectSpec, ObjectSpec]) -> None:
    ours, theirs = linked
    assert told(ours) == told(theirs)


def test_the_kernel_says_the_same_of_every_program(linked: tuple[ObjectSpec, ObjectSpec]) -> None:
    ours, theirs = linked
    assert ours.programs
    for name in ours.programs:
        assert verdict(ours, name) == verdict(theirs, name)


def verdict(spec: ObjectSpec, program: str) -> str:
    try:
        purebpf.load(spec.with_programs(program)).close()
    except BpfError as error:
        return type(error).__name__
    return "loads"
