"""The probe table against kernels whose features are known by their version, and for a process that may not probe."""

import subprocess
import sys
from pathlib import Path

import pytest

from purebpf.errors import KernelError
from purebpf.host import features, running_target
from purebpf.plan.target import Feature, encode_version
from purebpf.syscall import calls

NOBODY = """
import os
import purebpf.host.permissions
from purebpf.errors import NotPermitted
from purebpf.host.features import supports
from purebpf.plan.target import Feature
# After the imports: others may not even read the interpreter.
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for attempt in range(2):
    try:
        supports(Feature.BTF_FUNC)
    except NotPermitted as error:
        print(error)
"""


@pytest.mark.parametrize("feature", list(Feature), ids=lambda feature: feature.name)
def test_a_kernel_has_the_features_of_its_version(feature: Feature) -> None:
    target = running_target()
    assert target.supports(feature) is (target.kernel_version >= encode_version(feature.since))


def test_an_answer_is_remembered_and_a_refusal_to_answer_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(data: bytes) -> int:
        asked.append(data)
        raise OSError(12, "no memory")

    monkeypatch.setattr(features, "_known", {})
    with monkeypatch.context() as broken:
        broken.setattr(calls, "btf_load", refuse)
        for _ in range(2):
            with pytest.raises(KernelError, match="cannot probe the kernel for 'BTF of floating-point types'"):
                features.supports(Feature.BTF_FLOAT)
        assert len(asked) == 2
    assert features.supports(Feature.BTF_FLOAT)
    monkeypatch.setattr(calls, "btf_load", refuse)
    assert features.supports(Feature.BTF_FLOAT)
    assert len(asked) == 2


def test_who_may_not_probe_is_told_why_each_time() -> None:
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", NOBODY], cwd=root, capture_output=True, text=True, check=True).stdout
    assert told.count("cannot probe the kernel for 'BTF of functions': Operation not permitted [EPERM]") == 2
    assert told.count("  this process lacks CAP_BPF") == 2
    assert "run as root" in told
