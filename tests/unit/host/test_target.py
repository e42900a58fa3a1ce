"""The running kernel's target, as far as it can be told without a certain kernel."""

import os

import pytest

from purebpf.host import target
from purebpf.host.target import VMLINUX_BTF


@pytest.mark.skipif(not os.path.exists(VMLINUX_BTF), reason="this kernel does not give its types")
def test_the_kernels_types_stay_and_their_fd_does_not() -> None:
    before = os.listdir("/proc/self/fd")
    types = target._read_btf.__wrapped__()
    assert types is not None
    assert os.listdir("/proc/self/fd") == before
