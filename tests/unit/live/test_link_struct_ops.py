"""Registering struct_ops: which requests are made, and what refusals mean."""

import errno
import os
from collections.abc import Iterator

import pytest

from purebpf.errors import KernelError
from purebpf.live.link.struct_ops import Registration, StructOpsLink, attach_struct_ops
from purebpf.syscall import calls, links


class Table:
    """A struct_ops map whose fd is that of a pipe."""

    def __init__(self, fd: int, *, by_link: bool) -> None:
        self.name, self.value, self.by_link = "table", b"value", by_link
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


class Asked:
    """The requests made, and which of them fail with which errno."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fails: dict[str, int] = {}

    def answer(self, name: str) -> None:
        self.names.append(name)
        if name in self.fails:
            raise OSError(self.fails[name], os.strerror(self.fails[name]))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()

    def create(**_: object) -> int:
        found.answer("link_create")
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    monkeypatch.setattr(calls, "map_update", lambda *_: found.answer("map_update"))
    monkeypatch.setattr(calls, "map_delete", lambda *_: found.answer("map_delete"))
    monkeypatch.setattr(links, "link_update", lambda **_: found.answer("link_update"))
    monkeypatch.setattr(links, "link_create", create)
    return found


@pytest.fixture
def fd() -> Iterator[int]:
    number = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    yield number
    os.close(number)


def test_a_table_without_a_link_is_registered_by_its_value_and_deleted_at_the_end(asked: Asked, fd: int) -> None:
    registered = attach_struct_ops(Table(fd, by_link=False))
    assert isinstance(registered, Registration)
    assert asked.names == ["map_update"]
    assert registered.fd != fd
    assert registered.info().type is None
    registered.detach()
    registered.close()
    assert asked.names == ["map_update", "map_delete"]
    os.fstat(fd)


def test_a_link_registers_and_may_be_given_another_table(asked: Asked, fd: int) -> None:
    with attach_struct_ops(Table(fd, by_link=True)) as link:
        assert isinstance(link, StructOpsLink)
        link.update(Table(fd, by_link=True))
    assert asked.names == ["map_update", "link_create", "map_update", "link_update"]


def test_the_value_of_a_table_for_links_may_be_there_already(asked: Asked, fd: int) -> None:
    asked.fails["map_update"] = errno.EBUSY
    attach_struct_ops(Table(fd, by_link=True)).close()
    with pytest.raises(KernelError, match="cannot register struct_ops map 'table': it is registered already"):
        attach_struct_ops(Table(fd, by_link=False))


@pytest.mark.parametrize(
    ("code", "text"),
    [(errno.EEXIST, "one of that name is registered already"), (524, "does not take this combination of members")],
)
def test_a_refusal_says_what_it_means(asked: Asked, fd: int, code: int, text: str) -> None:
    asked.fails["link_create"] = code
    with pytest.raises(KernelError, match=f"cannot attach struct_ops map 'table': .*{text}"):
        attach_struct_ops(Table(fd, by_link=True))
    del asked.fails["link_create"]
    asked.fails["link_update"] = code
    with attach_struct_ops(Table(fd, by_link=True)) as link:
        assert isinstance(link, StructOpsLink)
        with pytest.raises(KernelError, match="cannot update the link"):
            link.update(Table(fd, by_link=True))


def test_who_deleted_it_first_does_not_matter_but_another_refusal_does(asked: Asked, fd: int) -> None:
    asked.fails["map_delete"] = errno.ENOENT
    attach_struct_ops(Table(fd, by_link=False)).close()
    asked.fails["map_delete"] = errno.EINVAL
    registered = attach_struct_ops(Table(fd, by_link=False))
    with pytest.raises(KernelError, match="cannot unregister"):
        registered.close()
    assert registered.closed
