"""What the C extension checks before it asks a kernel; no test here reaches one with anything it would accept."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from purebpf._fastpath import Entries, bpf, map_file, perf_event_open

NO_COMMAND = 99_999
LOOKUP, UPDATE, DELETE, NEXT_KEY, LOOKUP_AND_DELETE = 1, 2, 3, 4, 21


class TestBpf:
    def test_a_refused_command_is_a_bare_oserror(self) -> None:
        with pytest.raises(OSError, match="Errno") as caught:
            bpf(NO_COMMAND, bytearray(8))
        assert caught.value.errno in (errno.EINVAL, errno.EPERM, errno.ENOSYS)

    def test_addresses_are_gone_from_attribute_and_buffers_afterwards(self) -> None:
        attr, table = bytearray(24), bytearray(16)
        with pytest.raises(OSError, match="Errno"):
            bpf(NO_COMMAND, attr, ((0, b"in"), (8, table, ((0, b"a"), (8, b"b")))), ((16, bytearray(4)),))
        assert not any(attr)
        assert not any(table)

    @pytest.mark.parametrize("offset", [-1, 1, 8, 1 << 62])
    def test_a_pointer_outside_its_attribute_is_refused(self, offset: int) -> None:
        with pytest.raises(ValueError, match=r"outside its 8 bytes"):
            bpf(NO_COMMAND, bytearray(8), ((offset, b""),))

    def test_a_pointer_into_a_tiny_attribute_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"outside its 4 bytes"):
            bpf(NO_COMMAND, bytearray(4), ((0, b""),))

    def test_what_the_kernel_may_write_to_must_be_writable(self) -> None:
        with pytest.raises((TypeError, BufferError)):
            bpf(NO_COMMAND, bytearray(8), (), ((0, b"immutable"),))

    def test_a_buffer_that_holds_addresses_must_be_writable(self) -> None:
        with pytest.raises((TypeError, BufferError)):
            bpf(NO_COMMAND, bytearray(8), ((0, bytes(8), ((0, b"x"),)),))

    def test_pointers_nest_once(self) -> None:
        with pytest.raises(TypeError):
            bpf(NO_COMMAND, bytearray(8), ((0, bytearray(8), ((0, bytearray(8), ()),)),))  # type: ignore[arg-type]

    def test_an_attribute_larger_than_any_kernels_is_refused(self) -> None:
        with pytest.raises(ValueError, match="513 bytes"):
            bpf(NO_COMMAND, bytearray(513))

    def test_an_immutable_attribute_is_refused(self) -> None:
        with pytest.raises(TypeError):
            bpf(NO_COMMAND, bytes(8))

    @pytest.mark.parametrize("pointers", [(5,), ((0,),), (("a", b""),), ((0, 5),), [(0, b"")]])
    def test_pointers_of_another_shape_are_a_type_error(self, pointers: object) -> None:
        with pytest.raises(TypeError):
            bpf(NO_COMMAND, bytearray(8), pointers)  # type: ignore[arg-type]

    def test_the_buffers_are_free_again_after_a_failure(self) -> None:
        attr, buffer = bytearray(8), bytearray(8)
        with pytest.raises(ValueError, match="outside"):
            bpf(NO_COMMAND, attr, ((0, buffer), (9, b"")))
        attr.extend(b"x")
        buffer.extend(b"x")


class TestMapFile:
    def test_it_is_the_file_and_needs_no_fd(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"abc" * 5000)
        before = len(os.listdir("/proc/self/fd"))
        with open(tmp_path / "file", "rb") as file:
            memory = map_file(file.fileno(), 15000)
        assert bytes(memory) == b"abc" * 5000
        assert memory.readonly
        assert len(os.listdir("/proc/self/fd")) == before

    @pytest.mark.parametrize("size", [0, -1])
    def test_a_size_that_is_none_is_refused(self, tmp_path: Path, size: int) -> None:
        (tmp_path / "file").write_bytes(b"abc")
        with open(tmp_path / "file", "rb") as file, pytest.raises(OSError, match="Errno"):
            map_file(file.fileno(), size)

    def test_what_cannot_be_mapped_is_refused(self) -> None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            map_file(-1, 4096)


def test_perf_event_open_checks_its_attribute_as_bpf_does() -> None:
    with pytest.raises(ValueError, match="outside"):
        perf_event_open(bytearray(8), -1, 0, -1, 0, ((4, b""),))


class TestEntries:
    NO_FD = 2**31 - 1

    def test_a_missing_map_is_ebadf(self) -> None:
        with pytest.raises(OSError, match="Errno") as caught:
            Entries(self.NO_FD, 4, 4)._operate(LOOKUP, bytes(4))
        assert caught.value.errno in (errno.EBADF, errno.EPERM, errno.ENOSYS)

    def test_a_closed_map_is_a_value_error(self) -> None:
        entries = Entries(self.NO_FD, 4, 4)
        entries._fd = -1
        for command in (LOOKUP, UPDATE, DELETE, NEXT_KEY, LOOKUP_AND_DELETE):
            with pytest.raises(ValueError, match="closed"):
                entries._operate(command, bytes(4), bytes(4))

    @pytest.mark.parametrize("key", [b"", b"123", bytearray(5), memoryview(b"12345678")])
    def test_a_key_of_another_length_is_a_value_error(self, key: bytes) -> None:
        with pytest.raises(ValueError, match="key must have 4 bytes"):
            Entries(self.NO_FD, 4, 4)._operate(LOOKUP, key)

    @pytest.mark.parametrize("key", ["1234", 5, None, 1.5])
    def test_a_key_that_is_no_bytes_is_a_type_error(self, key: object) -> None:
        with pytest.raises(TypeError):
            Entries(self.NO_FD, 4, 4)._operate(LOOKUP, key)  # type: ignore[arg-type]

    def test_a_value_of_another_length_is_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="value must have 8 bytes, not 4"):
            Entries(self.NO_FD, 4, 8)._operate(UPDATE, bytes(4), bytes(4))

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
    @pytest.mark.parametrize("kind", [1, 2])
    def test_an_integer_fits_exactly_its_range(self, size: int, kind: int) -> None:
        low, high = (0, 1 << 8 * size) if kind == 1 else (-(1 << 8 * size - 1), 1 << 8 * size - 1)
        entries = Entries(self.NO_FD, size, 0, key_kind=kind)
        for number in (low, high - 1):
            with pytest.raises(OSError, match="Errno"):
                entries._operate(LOOKUP, number)
        for number in (low - 1, high, 1 << 70, -(1 << 70)):
            with pytest.raises(ValueError, match="does not fit"):
                entries._operate(LOOKUP, number)

    @pytest.mark.parametrize("key", ["1", 1.0, None, b"1234"])
    def test_an_integer_key_must_be_an_integer(self, key: object) -> None:
        with pytest.raises(TypeError):
            Entries(self.NO_FD, 4, 4, key_kind=1)._operate(LOOKUP, key)  # type: ignore[arg-type]

    def test_anything_with_an_index_is_an_integer(self) -> None:
        class Index:
            def __index__(self) -> int:
                return 3

        with pytest.raises(OSError, match="Errno"):
            Entries(self.NO_FD, 4, 4, key_kind=1)._operate(LOOKUP, Index())  # type: ignore[arg-type]

    @pytest.mark.parametrize("arguments", [(-1, 4), (4, -1), (1 << 31, 4)])
    def test_impossible_sizes_are_refused(self, arguments: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match=r"0 to 2\*\*31 - 1 bytes"):
            Entries(3, *arguments)

    @pytest.mark.parametrize("size", [0, 9, 16])
    def test_there_is_no_integer_of_other_sizes(self, size: int) -> None:
        for sizes, kinds in (((size, 4), {"key_kind": 1}), ((4, size), {"value_kind": 2})):
            with pytest.raises(ValueError, match="1 to 8 bytes"):
                Entries(3, *sizes, **kinds)

    @pytest.mark.parametrize("arguments", [(LOOKUP,), (LOOKUP, b"", b"", 0, 0)])
    def test_an_operation_has_a_command_and_a_key(self, arguments: tuple[Any, ...]) -> None:
        with pytest.raises(TypeError, match="2 to 4 arguments"):
            Entries(self.NO_FD, 4, 4)._operate(*arguments)

    @pytest.mark.parametrize("command", [0, 5, 22, -1, 1 << 40])
    def test_a_command_that_is_not_on_one_entry_is_refused(self, command: int) -> None:
        with pytest.raises(ValueError, match="no command on one entry"):
            Entries(self.NO_FD, 4, 4)._operate(command, bytes(4))

    @pytest.mark.parametrize("flags", [-1, 1 << 64, "1"])
    def test_flags_are_64_unsigned_bits(self, flags: Any) -> None:
        with pytest.raises((OverflowError, TypeError)):
            Entries(self.NO_FD, 4, 4)._operate(LOOKUP, bytes(4), None, flags)

    def test_the_buffers_of_a_failed_operation_are_free_again(self) -> None:
        key, value = bytearray(4), bytearray(3)
        with pytest.raises(ValueError, match="value must have 4 bytes"):
            Entries(self.NO_FD, 4, 4)._operate(UPDATE, key, value)
        key.extend(b"x")
        value.extend(b"x")


class Spelled(Entries):
    """A mapping as `KeyedMap` is one: what C leaves to it is written down."""

    def __init__(self, fd: int, *, direct: bool) -> None:
        super().__init__(fd, 4, 4, key_kind=1, value_kind=1, direct=direct)
        self.said: list[tuple[Any, ...]] = []

    def _get(self, key: object) -> str:
        self.said.append(("get", key))
        return "found"

    def _set(self, key: object, value: object) -> None:
        self.said.append(("set", key, value))

    def _remove(self, key: object) -> None:
        self.said.append(("remove", key))


class TestSubscripts:
    @pytest.mark.parametrize(("fd", "direct"), [(TestEntries.NO_FD, True), (-1, True), (TestEntries.NO_FD, False)])
    def test_what_c_cannot_do_python_does(self, fd: int, direct: bool) -> None:
        mapping = Spelled(fd, direct=direct)
        assert mapping[1] == "found"
        mapping[2] = 3
        del mapping[4]
        assert mapping.said == [("get", 1), ("set", 2, 3), ("remove", 4)]

    def test_a_wrong_key_or_value_is_refused_at_once(self) -> None:
        mapping = Spelled(TestEntries.NO_FD, direct=True)
        with pytest.raises(TypeError):
            mapping["1"]
        with pytest.raises(ValueError, match="does not fit"):
            mapping[1] = -1
        with pytest.raises(ValueError, match="does not fit"):
            del mapping[1 << 32]
        assert mapping.said == []

    def test_what_python_raises_comes_out(self) -> None:
        class Silent(Spelled):
            def _get(self, key: object) -> str:
                raise KeyError(key)

        with pytest.raises(KeyError, match="7"):
            Silent(TestEntries.NO_FD, direct=True)[7]

    def test_one_that_was_never_initialised_reaches_no_map(self) -> None:
        with pytest.raises(OSError, match="Errno"):
            Entries.__new__(Entries)._operate(LOOKUP, None)
