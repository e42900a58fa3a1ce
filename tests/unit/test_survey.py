"""One question to many kernels, by any executor."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from purebpf import survey
from purebpf.btf import Btf
from purebpf.errors import ObjectFileError
from purebpf.host.btf_tree import KernelFile
from purebpf.preflight import Verdict
from purebpf.survey import Answer, check_kernels, cut_kernels
from tests.repo.source import ROOT
from tests.unit.preflight.kernels import FUNCTIONS, kernel_btf

OBJECT = ROOT / "bpf" / "built" / "sockfilter.bpf.o"
CORE_OBJECT = ROOT / "bpf" / "built" / "bootstrap.bpf.o"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "6.1.btf").write_bytes(kernel_btf())
    (tmp_path / "6.2.btf").write_bytes(kernel_btf(functions=FUNCTIONS[:1]))
    (tmp_path / "6.3.btf").write_bytes(b"\x9f\xebdamaged")
    return tmp_path


def _verdicts(answers: Any) -> dict[str, str]:
    return {
        answer.kernel.label: str(answer.value[0].verdict) if answer.value is not None else "error" for answer in answers
    }


EXPECTED = {"6.1": "loads", "6.2": "fails", "6.3": "error"}


def test_every_kernel_has_its_answer_and_a_bad_file_is_one(tree: Path) -> None:
    answers = list(check_kernels([OBJECT], [tree], jobs=1))
    assert _verdicts(answers) == EXPECTED
    (bad,) = [answer.error for answer in answers if answer.error]
    assert "6.3.btf" in bad


def test_processes_give_the_same_answers(tree: Path) -> None:
    assert _verdicts(check_kernels([OBJECT], [tree], jobs=2)) == EXPECTED


def test_any_executor_will_do(tree: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert _verdicts(check_kernels([OBJECT], [tree], executor=executor)) == EXPECTED


def test_a_cluster_of_dasks_gives_the_same_answers(tree: Path) -> None:
    import distributed

    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert _verdicts(check_kernels([OBJECT], [tree], executor=client.get_executor())) == EXPECTED


class _Counting(Executor):
    """Runs everything when it is waited for, and knows how much was handed to it ahead."""

    _max_workers = 2

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        self.submitted += 1
        future: Future[Any] = Future()
        future.set_result(function(*args, **named))
        return future


def test_only_a_few_files_are_handed_out_ahead(tree: Path) -> None:
    executor = _Counting()
    kernels = [KernelFile(str(tree / "6.1.btf"), f"kernel {number}", "6.1") for number in range(50)]
    answers = check_kernels([OBJECT], kernels, executor=executor)
    next(answers)
    assert executor.submitted <= 8
    assert len(list(answers)) == 49


def test_what_is_no_longer_wanted_is_cancelled(tree: Path) -> None:
    pending: list[Future[Any]] = []

    class Slow(Executor):
        _max_workers = 1

        def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
            future: Future[Any] = Future()
            if not pending:
                future.set_result(function(*args, **named))
            pending.append(future)
            return future

    kernels = [KernelFile(str(tree / "6.1.btf"), f"kernel {number}", "6.1") for number in range(9)]
    answers = check_kernels([OBJECT], kernels, executor=Slow())
    next(answers)
    answers.close()
    assert all(future.done() or future.cancelled() for future in pending)


def _deadly(kernel: KernelFile) -> str:
    if "deadly" in kernel.label:
        os._exit(9)
    return kernel.label


def test_a_process_that_dies_costs_one_kernel_and_not_the_others() -> None:
    names = [f"kernel{number}" for number in range(30)]
    names[3] = names[20] = "deadly"
    kernels = iter([KernelFile(name, name, "") for name in names])
    answers = list(survey._ask(_deadly, kernels, None, 2))
    assert sorted(answer.value for answer in answers if answer.value) == sorted(set(names) - {"deadly"})
    assert [answer.error for answer in answers if not answer.value] == [
        "cannot read 'deadly': the process that read it was killed"
    ] * 2


def test_a_bad_object_is_told_before_any_kernel_is_asked(tree: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.o"
    bad.write_bytes(b"no object")
    with pytest.raises(ObjectFileError, match=r"bad\.o"):
        check_kernels([bad], [tree])


def test_a_configuration_is_taken_for_every_kernel(tree: Path) -> None:
    path = ROOT / "bpf" / "built" / "kconfig.bpf.o"
    (answer, *_) = check_kernels([path], [tree / "6.1.btf"])
    assert answer.value is not None
    assert answer.value[0].verdict is Verdict.UNKNOWN


def test_a_configuration_tells_the_release_where_the_name_does_not(tmp_path: Path) -> None:
    (tmp_path / "some.btf").write_bytes(kernel_btf())
    config = "#\n# Linux/x86 5.10.246 Kernel Configuration\n#\nCONFIG_HZ=250\n"
    isa = ROOT / "bpf" / "built" / "variants" / "isa.v4.bpf.o"
    (answer,) = check_kernels([isa], [tmp_path], kconfig=config, jobs=1)
    assert answer.value is not None
    assert "which came with Linux 6.6" in str(answer.value[0])
    (answer,) = check_kernels([isa], [tmp_path], kconfig=config, release="6.12", jobs=1)
    assert "which came with Linux 6.6" not in str(answer)


def test_an_option_that_a_configuration_does_not_name_is_not_set(tree: Path) -> None:
    path = ROOT / "bpf" / "built" / "kconfig.bpf.o"
    (answer,) = check_kernels([path], [tree / "6.1.btf"], kconfig="CONFIG_BPF_SYSCALL=y\n")
    assert answer.value is not None
    assert not [finding for finding in answer.value[0].findings if finding.verdict is Verdict.UNKNOWN]


def test_types_are_cut_for_every_kernel(tree: Path) -> None:
    answers: list[Answer[bytes]] = list(cut_kernels([CORE_OBJECT], [tree], jobs=1))
    assert {answer.kernel.label: answer.value is not None for answer in answers} == {
        "6.1": True,
        "6.2": True,
        "6.3": False,
    }
    for answer in answers:
        if answer.value is not None:
            assert len(Btf.parse(answer.value)) < 10
