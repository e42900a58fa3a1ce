"""Where the kernel's file systems are."""

import pytest

from purebpf.errors import KernelError, NotSupported
from purebpf.host import mounts
from purebpf.host.mounts import Mount, find_mount, find_tracefs, parse_mounts

TEXT = """proc /proc proc rw,relatime 0 0
none /mnt/with\\040space\\011tab tracefs rw 0 0
bpf /sys/fs/bpf bpf rw,mode=700 0 0
broken
"""


def test_mounts_have_path_and_type_with_escapes_undone():
    assert parse_mounts(TEXT) == (
        Mount("/proc", "proc"),
        Mount("/mnt/with space\ttab", "tracefs"),
        Mount("/sys/fs/bpf", "bpf"),
    )


def test_a_file_system_is_found_by_type():
    assert find_mount("bpf", parse_mounts(TEXT)) == "/sys/fs/bpf"
    assert find_mount("securityfs", parse_mounts(TEXT)) is None


def test_tracefs_is_its_own_mount_or_the_one_inside_of_debugfs():
    debugfs = Mount("/sys/kernel/debug", "debugfs")
    assert find_tracefs((debugfs, Mount("/t", "tracefs"))) == "/t"
    assert find_tracefs((debugfs,)) == "/sys/kernel/debug/tracing"
    assert find_tracefs(()) is None


def test_without_tracefs_the_error_tells_the_command(monkeypatch):
    monkeypatch.setattr(mounts, "read_mounts", lambda: ())
    monkeypatch.setattr(mounts, "_kernel_knows", lambda kind: True)
    with pytest.raises(KernelError, match="mount -t tracefs none /sys/kernel/tracing"):
        mounts.require_tracefs()


def test_a_kernel_without_tracing_is_told_by_its_option(monkeypatch):
    monkeypatch.setattr(mounts, "read_mounts", lambda: ())
    monkeypatch.setattr(mounts, "_kernel_knows", lambda kind: False)
    with pytest.raises(NotSupported, match="CONFIG_TRACING"):
        mounts.require_tracefs()


def test_a_tracefs_that_may_not_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(mounts, "read_mounts", lambda: (Mount(str(tmp_path), "tracefs"),))
    with pytest.raises(KernelError, match=str(tmp_path)):
        mounts.require_tracefs()
    (tmp_path / "events").mkdir()
    assert mounts.require_tracefs() == str(tmp_path)


def test_the_running_system_has_proc_mounted():
    assert find_mount("proc") == "/proc"
