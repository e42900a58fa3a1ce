"""`purebpf.gen.minimal` against bpftool's `gen min_core_btf`: enough for each object, and no larger."""

import subprocess
from functools import cache
from pathlib import Path

import pytest

from purebpf.btf import CoreKind
from purebpf.errors import BpfError
from purebpf.gen.minimal import minimal_btf
from purebpf.plan.stages import open_object
from purebpf.plan.target import Target
from purebpf.relocate.core import adapt
from purebpf.spec.model import CoreAccess, ObjectSpec
from tests.oracle.corpus import Origin, shipped
from tests.oracle.kernel_types import kernels

_NOT_LARGER = 1.5
_HEADER_AND_A_LITTLE = 64
ORIGINS = tuple(shipped())


@cache
def _whole(kernel: str) -> Target:
    return Target.from_btf(kernels()[kernel])


def _asks(spec: ObjectSpec) -> set[CoreKind]:
    references = [r for function in spec.functions.values() for r in function.references]
    return {r.record.kind for r in references if isinstance(r, CoreAccess)}


def _code(spec: ObjectSpec, program: str, target: Target) -> dict[str, bytes] | str:
    try:
        return {name: function.code for name, function in adapt(spec, [program], target).functions.items()}
    except BpfError as error:
        return str(error).splitlines()[0]


@pytest.mark.parametrize("kernel", sorted(kernels()))
@pytest.mark.parametrize("origin", ORIGINS, ids=[origin.name for origin in ORIGINS])
def test_the_cut_types_give_the_same_code_and_are_no_larger_than_bpftools(
    origin: Origin, kernel: str, tmp_path: Path
) -> None:
    whole = _whole(kernel)
    assert whole.btf is not None
    for path in origin.objects():
        spec = open_object(path)
        if not _asks(spec):
            continue
        data = minimal_btf([spec], whole.btf)
        cut = Target.from_btf(data)
        # The ids of types are those of the file that was asked.
        if CoreKind.TYPE_ID_TARGET not in _asks(spec):
            for program in spec.programs:
                assert _code(spec, program, cut) == _code(spec, program, whole), (path.name, program)
        theirs = tmp_path / "min.btf"
        command = ["bpftool", "gen", "min_core_btf", str(kernels()[kernel]), str(theirs), str(path)]
        subprocess.run(command, check=True, capture_output=True)
        assert len(data) <= _NOT_LARGER * theirs.stat().st_size + _HEADER_AND_A_LITTLE
