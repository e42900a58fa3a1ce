"""The fake kernel keeps the contract that the running kernel keeps in tests/kernel/test_kernel_contract.py."""

import errno

import pytest

from purebpf.errors import BpfError, NotPermitted, NotSupported, VerifierError
from purebpf.live import too_new
from purebpf.live.kernel import RunningKernel
from purebpf.plan.steps import LoadBtf
from purebpf.plan.target import encode_version
from purebpf.syscall import calls
from purebpf.uapi import AttachType, ProgramType
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


def refusing(monkeypatch: pytest.MonkeyPatch, said: str) -> BpfError:
    """The error of a Linux 6.1 that refuses a netfilter program with EINVAL and says this of it."""

    def prog_load(*, log: calls.Log | None, **_: object) -> int:
        if log is not None:
            log.buffer[: len(said)] = said.encode()
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(calls, "prog_load", prog_load)
    monkeypatch.setattr(too_new, "running_version", lambda: encode_version("6.1"))
    step = program(type=ProgramType.NETFILTER, expected_attach_type=AttachType.NETFILTER)
    with pytest.raises(BpfError) as caught:
        RunningKernel().load_program(step, RETURN_0, btf=None, line_of=no_line)
    return caught.value


@pytest.mark.parametrize("said", ["", "processed 0 insns (limit 1000000)\n"])
def test_a_refusal_without_a_reason_is_put_down_to_the_kind_of_program(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    error = refusing(monkeypatch, said)
    assert isinstance(error, NotSupported)
    assert error.since == "6.4"


def test_what_the_verifier_has_looked_at_is_of_a_kind_that_the_kernel_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(refusing(monkeypatch, "0: (bf) r0 = r2\nR2 !read_ok\n"), VerifierError)
