"""Batches: what stands in the attribute, and what is made of the kernel's answers."""

import errno
import struct
from collections.abc import Callable
from typing import Any

import pytest

from purebpf.syscall import attrs, batch
from purebpf.uapi import Command

LOOKUP, UPDATE = Command.MAP_LOOKUP_BATCH, Command.MAP_UPDATE_BATCH
Prepare = Callable[[int, int], list[tuple[Any, ...]]]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Makes bpf(2) say that it moved `moved` entries, and fail with `error` if it is not 0; gives its calls."""
    calls: list[tuple[Any, ...]] = []

    def prepare(moved: int, error: int) -> list[tuple[Any, ...]]:
        def bpf(command: int, attr: bytearray, inputs: tuple[Any, ...] = (), outputs: tuple[Any, ...] = ()) -> int:
            calls.append((command, bytes(attr), dict(inputs), dict(outputs)))
            struct.pack_into("=I", attr, attrs.MAP_BATCH_COUNT, moved)
            if error:
                raise OSError(error, "")
            return 0

        monkeypatch.setattr(batch, "bpf", bpf)
        return calls

    return prepare


def moved(command: int = LOOKUP, keys: int = 40, values: int = 80, **places: bytearray) -> tuple[int, int]:
    return batch.map_batch(
        command, 3, 10, key_size=4, value_size=8, keys=bytearray(keys), values=bytearray(values), **places
    )


@pytest.mark.parametrize(
    ("count", "error", "result"),
    [
        (10, 0, (10, 0)),
        (7, errno.ENOENT, (7, errno.ENOENT)),
        (10, errno.ENOENT, (10, errno.ENOENT)),
        (3, errno.ENOSPC, (3, errno.ENOSPC)),
        (10, errno.ENOSPC, (0, errno.ENOSPC)),
        (10, errno.EINVAL, (0, errno.EINVAL)),
        (4, errno.EFAULT, (0, errno.EFAULT)),
    ],
)
def test_a_count_is_believed_where_the_kernel_set_it(
    answer: Prepare, count: int, error: int, result: tuple[int, int]
) -> None:
    answer(count, error)
    assert moved() == result


def test_a_lookup_writes_the_entries_and_an_update_reads_them(answer: Prepare) -> None:
    calls = answer(10, 0)
    moved(LOOKUP, place=bytearray(4), next_place=bytearray(4))
    moved(UPDATE)
    (_, attr, read, written), (_, _, read_again, nothing) = calls
    assert struct.unpack_from("=II", attr, attrs.MAP_BATCH_COUNT) == (10, 3)
    assert set(read) == {attrs.MAP_BATCH_IN_BATCH}
    assert set(written) == {attrs.MAP_BATCH_OUT_BATCH, attrs.MAP_BATCH_KEYS, attrs.MAP_BATCH_VALUES}
    assert set(read_again) == {attrs.MAP_BATCH_KEYS, attrs.MAP_BATCH_VALUES}
    assert nothing == {}


@pytest.mark.parametrize(
    "short",
    [{"keys": 39}, {"values": 79}, {"place": bytearray(3)}, {"next_place": bytearray(3)}],
    ids=lambda short: next(iter(short)),
)
def test_a_buffer_that_is_too_small_is_refused_before_the_kernel_is_asked(
    answer: Prepare, short: dict[str, Any]
) -> None:
    calls = answer(10, 0)
    with pytest.raises(ValueError, match="of this batch needs"):
        moved(**short)
    assert calls == []
