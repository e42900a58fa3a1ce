"""What the C extension checks before it asks a kernel; no test here reaches one with anything it would accept."""

import errno

import pytest

from purebpf._fastpath import Entries, bpf, perf_event_open

NO_COMMAND = 99_999


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


def test_perf_event_open_checks_its_attribute_as_bpf_does() -> None:
    with pytest.raises(ValueError, match="outside"):
        perf_event_open(bytearray(8), -1, 0, -1, 0, ((4, b""),))


class TestEntries:
    NO_FD = 2**31 - 1

    def test_a_missing_map_is_ebadf(self) -> None:
        with pytest.raises(OSError, match="Errno") as caught:
            Entries(self.NO_FD, 4, 4).lookup(bytes(4))
        assert caught.value.errno in (errno.EBADF, errno.EPERM, errno.ENOSYS)

    def test_a_closed_map_is_a_value_error(self) -> None:
        entries = Entries(self.NO_FD, 4, 4)
        entries.fd = -1
        for call in (
            lambda: entries.lookup(bytes(4)),
            lambda: entries.update(bytes(4), bytes(4)),
            lambda: entries.delete(bytes(4)),
            lambda: entries.next_key(None),
            lambda: entries.lookup_and_delete(bytes(4)),
            lambda: entries.batch(24, None, bytearray(4), bytearray(4), bytearray(4), 1),
        ):
            with pytest.raises(ValueError, match="closed"):
                call()

    @pytest.mark.parametrize("key", [b"", b"123", bytearray(5), memoryview(b"12345678")])
    def test_a_key_of_another_length_is_a_value_error(self, key: bytes) -> None:
        with pytest.raises(ValueError, match="key must have 4 bytes"):
            Entries(self.NO_FD, 4, 4).lookup(key)

    @pytest.mark.parametrize("key", ["1234", 5, None, 1.5])
    def test_a_key_that_is_no_bytes_is_a_type_error(self, key: object) -> None:
        with pytest.raises(TypeError):
            Entries(self.NO_FD, 4, 4).lookup(key)  # type: ignore[arg-type]

    def test_a_value_of_another_length_is_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="value must have 8 bytes, not 4"):
            Entries(self.NO_FD, 4, 8).update(bytes(4), bytes(4))

    @pytest.mark.parametrize("size", [1, 2, 4, 8])
    @pytest.mark.parametrize("kind", [1, 2])
    def test_an_integer_fits_exactly_its_range(self, size: int, kind: int) -> None:
        low, high = (0, 1 << 8 * size) if kind == 1 else (-(1 << 8 * size - 1), 1 << 8 * size - 1)
        entries = Entries(self.NO_FD, size, 0, key_kind=kind)
        for number in (low, high - 1):
            with pytest.raises(OSError, match="Errno"):
                entries.lookup(number)
        for number in (low - 1, high, 1 << 70, -(1 << 70)):
            with pytest.raises(ValueError, match="does not fit"):
                entries.lookup(number)

    @pytest.mark.parametrize("key", ["1", 1.0, None, b"1234"])
    def test_an_integer_key_must_be_an_integer(self, key: object) -> None:
        with pytest.raises(TypeError):
            Entries(self.NO_FD, 4, 4, key_kind=1).lookup(key)  # type: ignore[arg-type]

    def test_anything_with_an_index_is_an_integer(self) -> None:
        class Index:
            def __index__(self) -> int:
                return 3

        with pytest.raises(OSError, match="Errno"):
            Entries(self.NO_FD, 4, 4, key_kind=1).lookup(Index())  # type: ignore[arg-type]

    @pytest.mark.parametrize("arguments", [(-1, 4), (4, -1), (1 << 31, 4)])
    def test_impossible_sizes_are_refused(self, arguments: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="sizes"):
            Entries(3, *arguments)

    def test_there_is_no_integer_of_three_bytes(self) -> None:
        with pytest.raises(ValueError, match="no integer of 3 bytes for the key"):
            Entries(3, 3, 4, key_kind=1)

    @pytest.mark.parametrize(
        ("place", "ahead", "keys", "values"),
        [(None, 3, 40, 80), (3, 4, 40, 80), (None, 4, 39, 80), (None, 4, 40, 79)],
    )
    def test_a_batch_buffer_that_is_too_small_is_refused(
        self, place: int | None, ahead: int, keys: int, values: int
    ) -> None:
        entries = Entries(self.NO_FD, 4, 8)
        with pytest.raises(ValueError, match="of this batch needs"):
            entries.batch(
                24,
                None if place is None else bytearray(place),
                bytearray(ahead),
                bytearray(keys),
                bytearray(values),
                10,
            )

    def test_a_lookup_batch_writes_only_to_writable_buffers(self) -> None:
        with pytest.raises((TypeError, BufferError)):
            Entries(self.NO_FD, 4, 8).batch(24, None, bytearray(4), bytes(4), bytearray(8), 1)
