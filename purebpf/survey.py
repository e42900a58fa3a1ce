"""One question to many kernels: does it load there, what of their types does it need.

Rules: a kernel is a file, and its answer a value that comes as soon as it is there; a file that cannot be read is an
answer like the others. Work goes to any `concurrent.futures.Executor` (processes here by default; a cluster through
Dask's `client.get_executor()`), a bounded number of files ahead, so that memory does not grow with their number.
What goes to a worker is the objects' bytes and a path: workers must see the files where the caller does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, islice

from purebpf.elf import read_elf
from purebpf.errors import BpfError, ObjectFileError
from purebpf.frozen import Frozen
from purebpf.host.btf_tree import KernelFile, kernel_files, read_kernel_file
from purebpf.spec.describe import describe, read_btf
from purebpf.spec.model import ObjectSpec

# What only one of the questions needs, or only many kernels, is imported where it is: half of `purebpf btf min` for
# one kernel was importing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar

    _T = TypeVar("_T")
    from concurrent.futures import Executor, Future
    from os import PathLike

    from purebpf.plan.target import Target
    from purebpf.preflight import Report

    Path = str | PathLike[str]

else:
    _T = None

    class _NoBase:
        """No base of a class, at run time: typing took a tenth of `purebpf btf min`."""

        def __getitem__(self, _):
            return self

        def __mro_entries__(self, _):
            return ()

    Generic = _NoBase()

_AHEAD = 4
"""Files a worker has waiting, so that it is never idle while an answer travels."""


class Answer(Frozen, Generic[_T]):
    """What came of one kernel: `value`, or `error` in words."""

    kernel: KernelFile
    value: _T | None = None
    error: str = ""


def check_kernels(
    objects: Sequence[Path],
    kernels: Iterable[Path | KernelFile],
    *,
    kconfig: str = "",
    release: str = "",
    executor: Executor | None = None,
    jobs: int | None = None,
) -> Iterator[Answer[tuple[Report, ...]]]:
    """Whether each object will load on each kernel, answers in the order in which they are there.

    `kernels` are BTF files and folders of such. `kconfig` is the text of a .config that all of them are taken to have,
    `release` the `uname -r` of those whose file name does not tell (else the one in the .config's first lines). Without
    an `executor`, `jobs` processes work (one a CPU by default), or this one alone where there is a single file.
    """
    question = partial(_check_kernel, tuple(map(_portable, objects)), kconfig, release)
    return _ask(question, _files(kernels), executor, jobs)


def cut_kernels(
    objects: Sequence[Path],
    kernels: Iterable[Path | KernelFile],
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
) -> Iterator[Answer[bytes]]:
    """The part of each kernel's types that CO-RE needs for `objects`; otherwise as `check_kernels`."""
    question = partial(_cut_kernel, tuple(map(_portable, objects)))
    return _ask(question, _files(kernels), executor, jobs)


def _files(kernels: Iterable[Path | KernelFile]) -> Iterator[KernelFile]:
    for kernel in kernels:
        if isinstance(kernel, KernelFile):
            yield kernel
        else:
            yield from kernel_files([kernel])


def _portable(path: Path) -> tuple[str, bytes]:
    """What a worker needs of an object: its name and bytes. What is wrong with the file is told here, once."""
    with open(path, "rb") as file:
        data = file.read()
    _opened(str(path), data)
    return str(path), data


def _ask(
    question: Callable[[KernelFile], _T], kernels: Iterator[KernelFile], executor: Executor | None, jobs: int | None
) -> Iterator[Answer[_T]]:
    first = list(islice(kernels, 2))
    if executor is None and (len(first) < 2 or jobs == 1):
        # Starting processes costs more than one answer.
        for kernel in chain(first, kernels):
            yield _answer(question, kernel)
        return
    coming = chain(first, kernels)
    if executor is not None:
        yield from _through(executor, question, coming, jobs, [])
        return
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

    while True:
        lost: list[KernelFile] = []
        with ProcessPoolExecutor(jobs) as pool:
            try:
                yield from _through(pool, question, coming, jobs, lost)
                return
            except BrokenExecutor:
                # A worker died, and nobody knows over which file: those that were on their way are asked alone.
                pass
        for kernel in lost:
            with ProcessPoolExecutor(1) as pool:
                try:
                    yield pool.submit(_answer, question, kernel).result()
                except BrokenExecutor:
                    yield Answer(kernel, None, f"cannot read '{kernel.path}': the process that read it was killed")


def _through(
    executor: Executor,
    question: Callable[[KernelFile], _T],
    kernels: Iterator[KernelFile],
    jobs: int | None,
    lost: list[KernelFile],
) -> Iterator[Answer[_T]]:
    """The answers that an executor gives; where it breaks, `lost` has the kernels that were on their way."""
    from concurrent.futures import FIRST_COMPLETED, wait

    window = _AHEAD * (getattr(executor, "_max_workers", None) or jobs or 16)
    waiting: dict[Future[Answer[_T]], KernelFile] = {}
    try:
        while True:
            for kernel in islice(kernels, max(0, window - len(waiting))):
                lost.append(kernel)
                waiting[executor.submit(_answer, question, kernel)] = kernel
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                answer = future.result()
                lost.remove(waiting.pop(future))
                yield answer
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


def _target(kernel: KernelFile, kconfig: str, release: str) -> Target:
    from purebpf.plan.target import Target
    from purebpf.preflight.abi import Abi

    btf = read_kernel_file(kernel.path)
    release = kernel.release or release or _release_of(kconfig)
    # A release tells the features itself; without one the types show the kernel's age.
    features = None if release else Abi(btf).features()
    # A whole .config: an option that it does not name is not set, and not one that nobody knows.
    return Target.from_btf(btf, release=release, name=kernel.label, features=features, kconfig=kconfig or None)


def _release_of(kconfig: str) -> str:
    """The release that the first lines of a .config tell, "" if they do not."""
    found = re.search(r"^# Linux/\S+ (\d+\.\S+) Kernel Configuration$", kconfig, re.MULTILINE)
    return found[1] if found else ""


def _check_kernel(
    objects: tuple[tuple[str, bytes], ...], kconfig: str, release: str, kernel: KernelFile
) -> tuple[Report, ...]:
    from purebpf.preflight import check

    target = _target(kernel, kconfig, release)
    return tuple(check(_opened(name, data), target) for name, data in objects)


def _cut_kernel(objects: tuple[tuple[str, bytes], ...], kernel: KernelFile) -> bytes:
    from purebpf.gen.minimal import minimal_btf

    return minimal_btf([_opened(name, data) for name, data in objects], read_kernel_file(kernel.path))
