"""The fake kernel keeps the contract that the running kernel keeps in tests/kernel/test_kernel_contract.py."""

import pytest

from purebpf.errors import NotPermitted
from purebpf.plan.steps import LoadBtf
from tests.fakes import FailingKernel, FakeKernel, RecordingKernel, Request, refused
from tests.kernel_contract import RETURN_0, KernelContract, array, map_code, no_line, program, types


class TestFakeKernel(KernelContract):
    @pytest.fixture
    def kernel(self) -> FakeKernel:
        return FakeKernel()

    @pytest.fixture
    def folder(self) -> str:
        return "/pins"


def test_a_map_lives_as_long_as_a_program_that_names_it() -> None:
    kernel = FakeKernel()
    made = kernel.create_map(array(max_entries=1), btf=None, inner=None)
    code = map_code(made.number)
    entry = kernel.load_program(program(code), code, btf=None, line_of=no_line)
    made.close()
    assert kernel.alive() == ["contract", "entry"]
    entry.close()
    assert kernel.alive() == []


def test_a_pin_keeps_a_map_alive() -> None:
    kernel = FakeKernel()
    made = kernel.create_map(array(), btf=None, inner=None)
    kernel.pin("/pins/a", made)
    made.close()
    assert kernel.alive() == ["contract"]
    kernel.unpin("/pins/a")
    assert kernel.alive() == []


def test_an_unprivileged_process_is_refused_everything() -> None:
    kernel = FakeKernel(privileged=False)
    with pytest.raises(NotPermitted):
        kernel.load_btf(LoadBtf(types()))
    with pytest.raises(NotPermitted):
        kernel.create_map(array(), btf=None, inner=None)
    with pytest.raises(NotPermitted):
        kernel.load_program(program(), RETURN_0, btf=None, line_of=no_line)


def test_the_recording_kernel_remembers_requests_in_order() -> None:
    kernel = RecordingKernel(FakeKernel())
    made = kernel.create_map(array(), btf=None, inner=None)
    kernel.freeze_map("contract", made)
    assert kernel.requests == [Request("create_map", "contract"), Request("freeze_map", "contract")]


def test_the_failing_kernel_refuses_one_request_only() -> None:
    kernel = FailingKernel(FakeKernel(), 1, refused)
    kernel.create_map(array(), btf=None, inner=None)
    with pytest.raises(type(refused("", ""))):
        kernel.create_map(array(), btf=None, inner=None)
    kernel.create_map(array(), btf=None, inner=None)
