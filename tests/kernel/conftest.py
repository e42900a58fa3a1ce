"""For tests on a kernel: nothing may be left behind, and the places a test may use without harming the machine.

On the machine's own kernel a test only observes itself; network programs go into the `netns` made for the test,
cgroup programs onto its `own_cgroup`. In a VM (`IN_VM`) the kernel belongs to the tests.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.leftovers import Leftovers
from tests.kernel.places import NetworkNamespace, cgroup2_root, mounted

IN_VM = os.environ.get("PUREBPF_VM") == "1"


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """After the test, its fixtures included, the process holds the fds and BPF objects it held before."""
    before = Leftovers.now(whole_kernel=IN_VM)
    yield
    left = Leftovers.now(whole_kernel=IN_VM).since(before)
    assert not left, "the test left behind:\n" + "\n".join(left)


@pytest.fixture
def netns() -> Iterator[NetworkNamespace]:
    """The test runs in a network namespace of its own, with one end of a veth pair; see `NetworkNamespace`."""
    namespace = NetworkNamespace.enter()
    try:
        yield namespace
    finally:
        namespace.leave()


@pytest.fixture(scope="session")
def tracefs() -> Path:
    """Where tracefs is mounted; it is mounted if it was not."""
    return mounted("tracefs", Path("/sys/kernel/tracing"))


@pytest.fixture
def bpffs() -> Iterator[Path]:
    """A folder of the test's own on bpffs; what is pinned in it goes away with it."""
    folder = mounted("bpf", Path("/sys/fs/bpf")) / f"purebpf-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        for pin in sorted(folder.rglob("*"), reverse=True):
            pin.rmdir() if pin.is_dir() else pin.unlink()
        folder.rmdir()


@pytest.fixture
def own_cgroup() -> Iterator[Path]:
    """A cgroup made for the test, with no process in it; processes put there are moved back at the end."""
    root = cgroup2_root()
    folder = root / f"purebpf-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        for process in (folder / "cgroup.procs").read_text().split():
            (root / "cgroup.procs").write_text(process)
        folder.rmdir()
