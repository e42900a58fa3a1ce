"""What a probe's outcome means, with calls that answer as other kernels do."""

import errno
import os

import pytest

from purebpf.errors import KernelError, NotPermitted
from purebpf.host import features, kallsyms
from purebpf.host.kallsyms import Kallsyms
from purebpf.plan.target import Feature
from purebpf.syscall import calls, links, objects
from purebpf.uapi import ProgramType


class FakeKernel:
    """Gives fds of /dev/null, or the errno that `refuse` has for a call."""

    def __init__(self) -> None:
        self.refuse: dict[str, int] = {}
        self.made: list[tuple[str, object]] = []
        self.symbols = b"ffffffff81000000 T __x64_sys_bpf\n"

    def call(self, name: str):
        def answer(*positional: object, **keywords: object) -> int:
            self.made.append((name, positional or keywords))
            if name in self.refuse:
                raise OSError(self.refuse[name], "as told")
            return os.open("/dev/null", os.O_RDONLY)

        return answer


@pytest.fixture
def kernel(monkeypatch):
    fake = FakeKernel()
    for name in ("prog_load", "map_create", "btf_load"):
        monkeypatch.setattr(calls, name, fake.call(name))
    for name in ("link_create_perf_event", "link_create_uprobe_multi"):
        monkeypatch.setattr(links, name, fake.call(name))
    monkeypatch.setattr(calls, "prog_bind_map", lambda **_: None)
    monkeypatch.setattr(objects, "btf_info", lambda _: None)
    monkeypatch.setattr(kallsyms, "read_kallsyms", lambda: Kallsyms(fake.symbols))
    monkeypatch.setattr(features, "_known", {})
    return fake


def open_fds():
    return set(os.listdir("/proc/self/fd"))


def test_every_feature_has_a_probe(kernel):
    fds = open_fds()
    kernel.refuse = {"link_create_perf_event": errno.EBADF, "link_create_uprobe_multi": errno.EBADF}
    for feature in Feature:
        # The kernel that takes all takes an offset beyond a value as well, which proves nothing.
        assert features.supports(feature) is (feature not in (Feature.UPROBE_MULTI_LINK, Feature.LDIMM64_OFFSET))
    assert open_fds() == fds


@pytest.mark.parametrize("code", [errno.EINVAL, errno.E2BIG])
def test_a_refused_call_means_that_the_feature_is_not_there(kernel, code):
    kernel.refuse = dict.fromkeys(("prog_load", "map_create", "btf_load"), code)
    kernel.symbols = b""
    assert not any(features.supports(feature) for feature in Feature)


def test_the_verifiers_refusal_is_a_no_where_code_is_probed_and_nowhere_else(kernel):
    kernel.refuse = {"prog_load": errno.EACCES}
    assert not features.supports(Feature.PROBE_READ_KERNEL)
    with pytest.raises(NotPermitted):
        features.supports(Feature.PROG_NAME)


def test_a_want_of_privilege_is_raised_and_asked_again(kernel):
    kernel.refuse = {"btf_load": errno.EPERM}
    for _ in range(2):
        with pytest.raises(NotPermitted, match="BTF of functions"):
            features.supports(Feature.BTF_FUNC)
    kernel.refuse = {}
    assert features.supports(Feature.BTF_FUNC)


def test_a_want_of_memory_is_no_answer_either(kernel):
    kernel.refuse = {"map_create": errno.ENOMEM}
    with pytest.raises(KernelError, match="ENOMEM"):
        features.supports(Feature.ARRAY_MMAP)


def test_an_answer_is_given_once(kernel):
    assert features.supports(Feature.BTF_FLOAT)
    assert features.supports(Feature.BTF_FLOAT)
    assert len(kernel.made) == 1


@pytest.mark.parametrize(("code", "there"), [(errno.EBADF, True), (errno.EINVAL, False)])
def test_links_to_perf_events_are_there_if_a_bad_fd_is_what_is_wrong(kernel, code, there):
    kernel.refuse = {"link_create_perf_event": code}
    assert features.supports(Feature.PERF_LINK) is there


def test_uprobe_multi_is_there_if_both_the_file_and_the_process_are_checked(kernel, monkeypatch):
    def fixed(**arguments: int) -> int:
        raise OSError(errno.EINVAL if arguments["pid"] else errno.EBADF, "")

    def early(**_: int) -> int:
        raise OSError(errno.EBADF, "")

    monkeypatch.setattr(links, "link_create_uprobe_multi", early)
    assert not features.supports(Feature.UPROBE_MULTI_LINK)
    monkeypatch.setattr(features, "_known", {})
    monkeypatch.setattr(links, "link_create_uprobe_multi", fixed)
    assert features.supports(Feature.UPROBE_MULTI_LINK)
    program = kernel.made[-1][1]
    assert program["prog_type"] is ProgramType.KPROBE


def test_a_probe_that_fails_halfway_leaves_no_fd(kernel):
    fds = open_fds()
    kernel.refuse = {"prog_load": errno.EINVAL}
    assert not features.supports(Feature.GLOBAL_DATA)
    assert not features.supports(Feature.PROG_BIND_MAP)
    assert open_fds() == fds


@pytest.mark.parametrize(
    ("said", "far"),
    [("direct value offset of 1073741824 is not allowed", False), ("invalid access to map value pointer", True)],
)
def test_the_verifier_says_whether_an_offset_may_be_far(kernel, monkeypatch, said, far):
    def refuse(*, log, **_):
        log.buffer[: len(said)] = said.encode()
        raise OSError(errno.EINVAL, "refused")

    monkeypatch.setattr(calls, "prog_load", refuse)
    assert features.supports(Feature.LDIMM64_OFFSET) is far
