"""The running kernel keeps the contract that the fake one keeps: the fake is no fiction."""

from pathlib import Path

import pytest

from purebpf.live.kernel import RunningKernel
from tests.kernel_contract import KernelContract


class TestRunningKernel(KernelContract):
    @pytest.fixture
    def kernel(self) -> RunningKernel:
        return RunningKernel()

    @pytest.fixture
    def folder(self, bpffs: Path) -> str:
        return str(bpffs)
