"""One question to many kernels: does it load there, what of their types does it need.

Rules: a kernel is a file, and its answer a value that comes as soon as it is there; a file that cannot be read is an
answer like the others. Work goes to any `concurrent.futures.Executor` (processes here by default; a cluster through
Dask's `client.get_executor()`), a bounded number of files ahead, so that memory does not grow with their number.
What goes to a worker is the objects' bytes and a path: workers must see the files where the caller does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

from purebpf.elf import read_elf
from purebpf.errors import BpfError, ObjectFileError
from purebpf.host.btf_tree import KernelFile, kernel_files, read_kernel_file
from purebpf.spec.describe import describe, read_btf
from purebpf.spec.model import ObjectSpec

# What only one of the questions needs, or only many kernels, is imported where it is: half of `purebpf btf min` for
# one kernel was importing.
if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from os import PathLike

    from purebpf.plan.target import Target
    from purebpf.preflight import Report

    Path = str | PathLike[str]

_AHEAD = 4
"""Files a worker has waiting, so that it is never idle while an answer travels."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """What came of one kernel: `value`, or `error` in words."""

    kernel: KernelFile
    value: _T | None = None
    error: str = ""


def check_kernels(
    objects: Sequence["Path"],
    kernels: "Iterable[Path | KernelFile]",
    *,
    kconfig: str = "",
    release: str = "",
    executor: "Executor | None" = None,
    jobs: int | None = None,
) -> "Iterator[Answer[tuple[Report, ...]]]":
    """Whether each object will load on each kernel, answers in the order in which they are there.

    `kernels` are BTF files and folders of such. `kconfig` is the text of a .config that all of them are taken to have,
    `release` the `uname -r` of those whose file name does not tell. Without an `executor`, `jobs` processes work (one
    a CPU by default), or this one alone where there is a single file.
    """
    question = partial(_check_kernel, tuple(map(_portable, objects)), kconfig, release)
    return _ask(question, _files(kernels), executor, jobs)


def cut_kernels(
    objects: Sequence["Path"],
    kernels: "Iterable[Path | KernelFile]",
    *,
    executor: "Executor | None" = None,
    jobs: int | None = None,
) -> Iterator[Answer[bytes]]:
    """The part of each kernel's types that CO-RE needs for `objects`; otherwise as `check_kernels`."""
    question = partial(_cut_kernel, tuple(map(_portable, objects)))
    return _ask(question, _files(kernels), executor, jobs)


def _files(kernels: "Iterable[Path | KernelFile]") -> Iterator[KernelFile]:
    for kernel in kernels:
        if isinstance(kernel, KernelFile):
            yield kernel
        else:
            yield from kernel_files([kernel])


def _portable(path: "Path") -> tuple[str, bytes]:
    """What a worker needs of an object: its name and bytes. What is wrong with the file is told here, once."""
    with open(path, "rb") as file:
        data = file.read()
    _opened(str(path), data)
    return str(path), data


def _ask(
    question: Callable[[KernelFile], _T], kernels: Iterator[KernelFile], executor: "Executor | None", jobs: int | None
) -> Iterator[Answer[_T]]:
    first = list(islice(kernels, 2))
    if executor is None and (len(first) < 2 or jobs == 1):
        # Starting processes costs more than one answer.
        for kernel in chain(first, kernels):
            yield _answer(question, kernel)
        return
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait

    with ExitStack() as stack:
        if executor is None:
            executor = stack.enter_context(ProcessPoolExecutor(jobs))
        window = _AHEAD * (getattr(executor, "_max_workers", None) or jobs or 16)
        waiting: set[Future[Answer[_T]]] = set()
        coming = chain(first, kernels)
        try:
            while True:
                for kernel in islice(coming, max(0, window - len(waiting))):
                    waiting.add(executor.submit(_answer, question, kernel))
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def _answer(question: Callable[[KernelFile], _T], kernel: KernelFile) -> Answer[_T]:
    try:
        return Answer(kernel, question(kernel))
    except BpfError as error:
        return Answer(kernel, None, str(error))
    except OSError as error:
        return Answer(kernel, None, f"cannot read '{kernel.path}': {error.strerror or error}")


@lru_cache(maxsize=64)
def _opened(name: str, data: bytes) -> ObjectSpec:
    # The stages `read` and `describe` without their table: what plans a load takes 40 ms to import, and cutting needs
    # none of it.
    try:
        elf = read_elf(data, name=name)
        btf, ext = read_btf(elf)
        return describe(elf, btf, ext, name=name.rpartition("/")[2].partition(".")[0] or name)
    except ObjectFileError as error:
        error.file = name
        raise


def _target(kernel: KernelFile, kconfig: str, release: str) -> "Target":
    from purebpf.plan.target import Target
    from purebpf.preflight.abi import Abi

    btf = read_kernel_file(kernel.path)
    release = kernel.release or release
    # A release tells the features itself; without one the types show the kernel's age.
    features = None if release else Abi(btf).features()
    # A whole .config: an option that it does not name is not set, and not one that nobody knows.
    return Target.from_btf(btf, release=release, name=kernel.label, features=features, kconfig=kconfig or None)


def _check_kernel(
    objects: tuple[tuple[str, bytes], ...], kconfig: str, release: str, kernel: KernelFile
) -> "tuple[Report, ...]":
    from purebpf.preflight import check

    target = _target(kernel, kconfig, release)
    return tuple(check(_opened(name, data), target) for name, data in objects)


def _cut_kernel(objects: tuple[tuple[str, bytes], ...], kernel: KernelFile) -> bytes:
    from purebpf.gen.minimal import minimal_btf

    return minimal_btf([_opened(name, data) for name, data in objects], read_kernel_file(kernel.path))
