"""Types made fit for older kernels are types still: the running kernel takes them."""

from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf.host.features import supports
from purebpf.live.kernel import RunningKernel
from purebpf.plan.sanitize import sanitize
from purebpf.plan.steps import LoadBtf
from purebpf.plan.target import Feature, Target

BY_AGE = [
    Feature.BTF_FUNC,
    Feature.BTF_DATASEC,
    Feature.BTF_GLOBAL_FUNC,
    Feature.BTF_FLOAT,
    Feature.BTF_DECL_TAG,
    Feature.BTF_TYPE_TAG,
    Feature.BTF_ENUM64,
    Feature.BTF_QMARK_DATASEC,
    Feature.BTF_LAYOUT,
]
# Without BTF_FUNC a prototype becomes an enumeration, and parameters without a name, which all_types has, enumerators
# without one: libbpf's bytes, which only kernels as old as that take.
OBJECTS = {
    name: BY_AGE[name == "all_types" :] for name in ("all_types", "maps", "tags", "fentry", "exception_callback")
}


@pytest.mark.parametrize(
    ("name", "oldest"), [(name, feature) for name, features in OBJECTS.items() for feature in features]
)
def test_the_kernel_takes_them(bpf_object: Callable[[str], Path], name: str, oldest: Feature) -> None:
    spec = purebpf.open(bpf_object(name))
    assert spec.btf is not None
    lacking = {feature for feature in BY_AGE if not supports(feature)} | set(BY_AGE[BY_AGE.index(oldest) :])
    data = sanitize(spec.btf, Target("old", "", 0, "little", features=dict.fromkeys(lacking, False)))
    assert data is not None
    RunningKernel().load_btf(LoadBtf(data)).close()
