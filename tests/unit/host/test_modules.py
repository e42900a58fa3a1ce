"""Types of kernel modules, from a folder like /sys/kernel/btf."""

import errno
import os
from types import SimpleNamespace

import pytest

from purebpf.btf import Btf, BtfWriter, Int
from purebpf.errors import BtfError, KernelError, NotPermitted
from purebpf.host import modules as module_types
from purebpf.host.modules import modules, open_module
from purebpf.plan.target import Target
from purebpf.syscall import objects


def types(name: str, base: Btf | None = None) -> bytes:
    writer = BtfWriter(base=base)
    writer.add(Int(name, 4, 32))
    return writer.build()


BASE = Btf.parse(types("int"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """/sys/kernel/btf of a kernel with two modules; their ids are in the other order than their names."""
    (tmp_path / "vmlinux").write_bytes(types("int"))
    for name in ("alpha", "beta"):
        (tmp_path / name).write_bytes(types(f"in_{name}", BASE))
    monkeypatch.setattr(module_types, "BTF_FOLDER", str(tmp_path))
    monkeypatch.setattr(module_types, "_known", {})
    by_id = {1: ("vmlinux", 1), 3: ("beta", 1), 5: ("mine", 0), 6: ("", 0), 8: ("alpha", 1), 9: ("unlisted", 1)}
    opened: dict[int, int] = {}

    def fd_by_id(btf_id: int) -> int:
        fd = os.open(os.devnull, os.O_RDONLY)
        opened[fd] = btf_id
        return fd

    def info(fd: int):
        name, kernel = by_id[opened[fd]]
        return SimpleNamespace(kernel_btf=kernel), name, b""

    monkeypatch.setattr(objects, "ids", lambda kind: iter(by_id))
    monkeypatch.setattr(objects, "btf_fd_by_id", fd_by_id)
    monkeypatch.setattr(objects, "btf_info", info)
    return tmp_path


def open_fds() -> list[str]:
    return os.listdir("/proc/self/fd")


def test_modules_come_in_the_order_of_their_ids_and_nothing_stays_open(folder) -> None:
    before = len(open_fds())
    assert [module.name for module in modules(BASE)] == ["beta", "alpha"]
    assert len(open_fds()) == before


def test_who_may_not_see_ids_gets_them_by_name(folder, monkeypatch) -> None:
    def forbidden(_: str):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(objects, "ids", forbidden)
    assert [module.name for module in modules(BASE)] == ["alpha", "beta"]


def test_types_are_read_when_asked_for_and_kept_while_the_module_is_there(folder) -> None:
    first = modules(BASE)[0]
    assert first.btf.find_one("in_beta") == 2
    (folder / "beta").write_bytes(b"changed under us")
    assert modules(BASE)[0].btf is first.btf
    (folder / "beta").rename(folder / "gone")
    (folder / "beta").write_bytes(types("again", BASE))
    assert modules(BASE)[0].btf.find_one("again") == 2


def test_a_kernel_without_such_a_folder_has_no_module_types(folder, monkeypatch) -> None:
    monkeypatch.setattr(module_types, "BTF_FOLDER", str(folder / "nothing"))
    assert modules(BASE) == ()


def test_without_modules_no_id_is_looked_at(folder, monkeypatch) -> None:
    for name in ("alpha", "beta"):
        (folder / name).unlink()
    monkeypatch.setattr(objects, "ids", lambda kind: pytest.fail("ids were asked for"))
    assert modules(BASE) == ()


def test_a_damaged_module_is_left_out_with_a_warning(folder) -> None:
    (folder / "beta").write_bytes(b"rubbish of some length, no types")
    with pytest.raises(BtfError):
        _ = modules(BASE)[0].btf
    target = Target("t", "6.1", 0, "little", read_modules=lambda: modules(BASE))
    with pytest.warns(RuntimeWarning, match="types of kernel module 'beta' cannot be read and are left out"):
        assert [module.name for module in target.modules()] == ["alpha"]


def test_a_module_is_opened_by_name(folder) -> None:
    before = len(open_fds())
    with open_module("alpha") as fd:
        assert len(open_fds()) == before + 1
        assert fd.number > 0
    assert len(open_fds()) == before
    with pytest.raises(KernelError, match="'gamma': it is not loaded any more, or has no BTF"):
        open_module("gamma")
    assert len(open_fds()) == before


def test_a_want_of_privilege_is_said(folder, monkeypatch) -> None:
    def forbidden(_: int) -> int:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(objects, "btf_fd_by_id", forbidden)
    with pytest.raises(NotPermitted, match="open the types of kernel module 'alpha'"):
        open_module("alpha")
