"""Perf events and other hooks on kernels that are not at hand: older ones, refusing ones, ones without a part."""

import errno
import os
import socket
from types import SimpleNamespace

import pytest

from purebpf.errors import AttachTargetError, KernelError, NotSupported
from purebpf.host.kallsyms import Kallsyms
from purebpf.live.link import (
    attach_by_section,
    attach_kprobe,
    attach_raw_tracepoint,
    attach_socket,
    attach_uprobe,
    attach_xdp,
    events,
    kprobe,
    raw_tracepoint,
    tracefs,
    uprobe,
    xdp,
)
from purebpf.live.link.base import Link, read_link_info
from purebpf.live.link.events import attach_event
from purebpf.plan.target import Feature, encode_version
from purebpf.spec.sections import match_section
from purebpf.syscall import links, objects, perf
from purebpf.syscall.fd import Fd
from purebpf.uapi import ProgramType

PROGRAM = SimpleNamespace(fd=3, name="trace")
SYMBOLS = Kallsyms(
    b"1 T vfs_read\n2 T vfs_readv\n3 t twice\n4 t twice\t[mod]\n5 T register_kprobe\n6 T __traceiter_sched_exec\n"
)


def null() -> int:
    return os.open("/dev/null", os.O_RDWR)


def raising(code: int):
    def call(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    return call


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that says yes to everything; `log` is what was asked of an event after it was made."""
    log: list[str] = []
    monkeypatch.setattr(links, "link_create_perf_event", lambda **_: null())
    monkeypatch.setattr(perf, "enable", lambda fd: log.append("enable"))
    monkeypatch.setattr(perf, "set_bpf", lambda fd, program: log.append("set_bpf"))
    monkeypatch.setattr(events, "supports", lambda feature: feature is not Feature.PERF_LINK)
    monkeypatch.setattr(kprobe, "read_kallsyms", lambda: SYMBOLS)
    monkeypatch.setattr(raw_tracepoint, "read_kallsyms", lambda: SYMBOLS)
    monkeypatch.setattr(perf, "pmu_type", lambda name: 8)
    fds = set(os.listdir("/proc/self/fd"))
    yield SimpleNamespace(log=log, patch=monkeypatch)
    assert set(os.listdir("/proc/self/fd")) == fds


def attach(**options: object):
    return attach_event(PROGRAM, null(), "hook", "place", program_type=ProgramType.KPROBE, **options)


def test_a_link_is_made_where_there_are_links(kernel):
    with attach(cookie=1) as link:
        assert link.fd != link.event
    assert kernel.log == ["enable"]


def test_a_kernel_that_knows_no_such_link_is_asked_by_ioctl(kernel):
    kernel.patch.setattr(links, "link_create_perf_event", raising(errno.EINVAL))
    with attach() as link:
        assert link.fd == link.event
    assert kernel.log == ["set_bpf", "enable"]


def test_without_links_a_cookie_is_refused_by_name(kernel):
    kernel.patch.setattr(links, "link_create_perf_event", raising(errno.EINVAL))
    with pytest.raises(NotSupported, match=r"a cookie at a hook: needs Linux 5.15"):
        attach(cookie=1)


def test_a_refusal_by_a_kernel_with_links_is_the_error(kernel):
    kernel.patch.setattr(links, "link_create_perf_event", raising(errno.EEXIST))
    kernel.patch.setattr(events, "supports", lambda feature: True)
    with pytest.raises(KernelError, match="to hook 'place': another program is on this event already"):
        attach()
    assert kernel.log == []


@pytest.mark.parametrize("step", ["set_bpf", "enable"])
def test_a_failure_undoes_what_was_made(kernel, step):
    removed = []
    kernel.patch.setattr(perf, step, raising(errno.ENOMEM))
    with pytest.raises(OSError, match="memory"):
        attach(mode="ioctl", remove=lambda: removed.append(1))
    assert removed == [1]


def test_closing_removes_what_was_made_for_the_event_once(kernel):
    removed = []
    link = attach(mode="tracefs", remove=lambda: removed.append(1))
    link.close()
    link.close()
    link.detach()
    assert removed == [1]


def test_a_missing_kernel_function_names_near_ones(kernel):
    for code in (errno.ENOENT, errno.EINVAL):
        kernel.patch.setattr(perf, "open_kprobe", raising(code))
        with pytest.raises(AttachTargetError, match="no function 'vfs_raed'\n  did you mean 'vfs_read' or 'vfs_readv'"):
            attach_kprobe(PROGRAM, "vfs_raed")


def test_an_ambiguous_kernel_function_says_where_they_are(kernel):
    kernel.patch.setattr(perf, "open_kprobe", raising(errno.EADDRNOTAVAIL))
    with pytest.raises(AttachTargetError, match="2 functions 'twice'\n  in the kernel, mod"):
        attach_kprobe(PROGRAM, "twice")


def test_a_function_that_is_there_and_refused_is_a_kernel_error(kernel):
    kernel.patch.setattr(perf, "open_kprobe", raising(errno.EINVAL))
    with pytest.raises(KernelError, match=r"kprobe 'vfs_read': the kernel allows no probe there .* \[EINVAL\]"):
        attach_kprobe(PROGRAM, "vfs_read")


@pytest.fixture
def old_tracefs(kernel, tmp_path):
    """A kernel of before the PMUs: probes are lines in tracefs, which here gives each the number 77."""

    def open_event(number: int, **_: object) -> int:
        assert number == 77
        return null()

    for table in ("kprobe_events", "uprobe_events"):
        (tmp_path / table).touch()
    (tmp_path / "events").mkdir()

    def append(table: str, line: str) -> None:
        with (tmp_path / "log").open("a") as log:
            log.write(f"{table.removeprefix(str(tmp_path))} {line}\n")
        name = line.split()[0].partition(":")[2]
        if not line.startswith("-"):
            (tmp_path / "events" / name).mkdir(parents=True)
            (tmp_path / "events" / name / "id").write_text("77\n")

    kernel.patch.setattr(tracefs, "require_tracefs", lambda: str(tmp_path))
    kernel.patch.setattr(tracefs, "_append", append)
    kernel.patch.setattr(perf, "open_tracepoint", open_event)
    kernel.patch.setattr(perf, "pmu_type", raising(errno.ENOENT))
    return tmp_path


def lines(folder, name="log"):
    return [line.replace(f"_{os.getpid()}", "").split() for line in (folder / name).read_text().splitlines()]


def test_without_the_pmu_a_kprobe_is_a_line_in_tracefs_and_taken_out_at_the_end(old_tracefs):
    with attach_kprobe(PROGRAM, "vfs_read", offset=4):
        (added,) = lines(old_tracefs)
        assert (added[0], added[2]) == ("/kprobe_events", "vfs_read+0x4")
        assert added[1].startswith("p:purebpf/kprobe_")
    assert lines(old_tracefs)[1][1] == added[1].replace("p:", "-:")
    with attach_kprobe(PROGRAM, "vfs_read", returning=True):
        assert lines(old_tracefs)[2][1].startswith("r:purebpf/kprobe_")


def test_without_the_pmu_a_uprobe_is_a_line_in_tracefs(old_tracefs):
    file = old_tracefs / "binary"
    file.touch()
    with attach_uprobe(PROGRAM, file, offset=0x40, ref_ctr_offset=0x88):
        assert lines(old_tracefs)[0][2] == f"{file}:0x40(0x88)"
    spaced = old_tracefs / "a file"
    spaced.touch()
    with pytest.raises(AttachTargetError, match="text interface"):
        attach_uprobe(PROGRAM, spaced, offset=0x40)


def test_a_probe_whose_event_is_refused_is_taken_out_again(old_tracefs, kernel):
    kernel.patch.setattr(perf, "open_tracepoint", raising(errno.EACCES))
    with pytest.raises(PermissionError):
        attach_kprobe(PROGRAM, "vfs_read")
    assert [line[1][:1] for line in lines(old_tracefs)] == ["p", "-"]


def test_a_kernel_without_kprobes_is_told_before_tracefs_is_looked_for(old_tracefs, kernel):
    kernel.patch.setattr(kprobe, "read_kallsyms", lambda: Kallsyms(b"1 T vfs_read\n"))
    with pytest.raises(NotSupported, match="CONFIG_KPROBES"):
        attach_kprobe(PROGRAM, "vfs_read")


def test_a_tracefs_without_the_table_names_the_option(old_tracefs):
    (old_tracefs / "uprobe_events").unlink()
    (old_tracefs / "binary").touch()
    with pytest.raises(NotSupported, match="CONFIG_UPROBE_EVENTS"):
        attach_uprobe(PROGRAM, old_tracefs / "binary", offset=4)


@pytest.mark.parametrize("options", [{"ref_ctr_offset": 1 << 32}, {"ref_ctr_offset": -1}, {"offset": -1}])
def test_numbers_out_of_range_are_value_errors(tmp_path, options):
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match="offset"):
        attach_uprobe(PROGRAM, tmp_path / "x", **options)


def test_a_missing_raw_tracepoint_names_near_ones(kernel):
    kernel.patch.setattr(links, "raw_tracepoint_open", raising(errno.ENOENT))
    with pytest.raises(AttachTargetError, match="did you mean 'sched_exec'"):
        attach_raw_tracepoint(PROGRAM, "sched_exek")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.E2BIG])
def test_a_raw_tracepoints_cookie_is_refused_by_name_on_old_kernels(kernel, code):
    kernel.patch.setattr(links, "raw_tracepoint_open", raising(code))
    with pytest.raises(NotSupported, match=r"6\.10"):
        attach_raw_tracepoint(PROGRAM, "sched_exec", cookie=1)


def test_xdp_errors_tell_an_old_kernel_from_a_busy_interface(kernel):
    index = socket.if_nameindex()[0][0]
    kernel.patch.setattr(links, "link_create", raising(errno.EINVAL))
    kernel.patch.setattr(xdp, "running_version", lambda: encode_version("5.8"))
    with pytest.raises(NotSupported, match=r"links to XDP: needs Linux 5\.9"):
        attach_xdp(PROGRAM, index)
    kernel.patch.setattr(links, "link_create", raising(errno.EOPNOTSUPP))
    with pytest.raises(KernelError, match=r"no XDP in this mode \[E\w+\]\nmode='skb'"):
        attach_xdp(PROGRAM, index, mode="drv")


def test_a_refused_socket_is_given_back(kernel):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        bad = SimpleNamespace(fd=target.fileno(), name="no program")
        with pytest.raises(KernelError, match="cannot attach program 'no program' to socket"):
            attach_socket(bad, target)
        target.getsockname()


def test_a_link_type_of_a_later_kernel_is_a_number(kernel):
    kernel.patch.setattr(objects, "link_info", lambda fd: (999, 5, 6, bytes(64)))
    info = read_link_info(3)
    assert (info.type, info.id, info.prog_id, dict(info.details)) == (999, 5, 6, {})


def test_detaching_where_the_kernel_has_no_such_request_closes(kernel):
    kernel.patch.setattr(links, "link_detach", raising(errno.EOPNOTSUPP))
    link = Link(Fd(null(), "a link"), "program 'x' on y")
    link.detach()
    assert link.closed
    kernel.patch.setattr(links, "link_detach", raising(errno.EIO))
    with Link(Fd(null(), "a link"), "program 'x' on y") as other, pytest.raises(KernelError, match="cannot detach"):
        other.detach()


def test_sections_that_name_no_hook_say_so():
    with pytest.raises(AttachTargetError, match="says nothing of attaching"):
        attach_by_section(PROGRAM, None, "")
    section = match_section("cgroup/dev")
    assert section is not None
    with pytest.raises(AttachTargetError, match=r"SEC\(\"cgroup/dev\"\)"):
        attach_by_section(PROGRAM, *section)


def test_an_error_by_section_notes_the_section(kernel):
    section = match_section("kprobe")
    assert section is not None
    with pytest.raises(AttachTargetError) as caught:
        attach_by_section(PROGRAM, *section)
    assert caught.value.__notes__ == ["while attaching program 'trace' by SEC(\"kprobe\")"]


def test_an_option_that_the_hook_does_not_have_is_a_type_error(kernel):
    section = match_section("kprobe/vfs_read")
    assert section is not None
    with pytest.raises(TypeError, match="pid"):
        attach_by_section(PROGRAM, *section, pid=3)


def test_uprobes_of_a_process_that_is_gone_name_it(kernel, tmp_path):
    (tmp_path / "x").touch()
    kernel.patch.setattr(perf, "open_uprobe", raising(errno.ESRCH))
    with pytest.raises(AttachTargetError, match="no process 4711"):
        attach_uprobe(PROGRAM, tmp_path / "x", offset=4, pid=4711)
    kernel.patch.setattr(uprobe, "function_offset", raising(errno.EACCES))
    with pytest.raises(PermissionError, match="cannot read the symbols"):
        attach_uprobe(PROGRAM, tmp_path / "x", "f")
