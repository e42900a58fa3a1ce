"""Maps and rings in the hands of many threads, and closed under them.

Each test does as much as a second or so allows; what counts is that nothing is lost, invented, or left hanging.
"""

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from purebpf.btf.codec.scalars import int_codec
from purebpf.live.maps import HashMap, MapShape
from purebpf.live.ringbuf import RingBuffer, split
from purebpf.syscall import calls
from purebpf.syscall.fd import Fd
from purebpf.uapi import MapType
from tests.kernel.emitter import Emitter

U64 = int_codec("u64", 8, False, "little")
THREADS, KEYS, ROUNDS, LONG = 6, 50, 20, 60.0


def run_together(*works: Callable[[], object]) -> list[BaseException]:
    """Run each in a thread of its own until all have ended; what they raised."""
    raised: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=[work], daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive(), "a thread hangs"
    return raised


@pytest.fixture
def squares() -> Iterator[HashMap[int, int]]:
    number = calls.map_create(map_type=MapType.HASH, key_size=8, value_size=8, max_entries=4096, name=b"squares")
    fd = Fd(number, "map 'squares'")
    with HashMap[int, int](fd, MapShape.of(fd, "squares"), U64, U64) as opened:
        yield opened


def test_threads_see_only_what_was_written(squares: HashMap[int, int]) -> None:
    def own_keys(thread: int) -> None:
        for _ in range(ROUNDS):
            for key in range(thread * KEYS, (thread + 1) * KEYS):
                squares[key] = key * key
                assert squares[key] == key * key
                assert squares.pop(key) == key * key
                assert key not in squares
                squares[key] = key * key

    def everything() -> None:
        for _ in range(ROUNDS):
            assert all(value == key * key for key, value in squares.items())
            assert all(key < THREADS * KEYS for key in squares)

    writers = [lambda thread=thread: own_keys(thread) for thread in range(THREADS)]
    assert run_together(*writers, everything, everything) == []
    assert dict(squares.items()) == {key: key * key for key in range(THREADS * KEYS)}


def test_a_map_closed_under_its_users_is_a_value_error_for_each(squares: HashMap[int, int]) -> None:
    others: list[Fd] = []

    def until_closed(use: Callable[[], object]) -> Callable[[], None]:
        def work() -> None:
            with pytest.raises(ValueError, match="closed"):
                for_ever(use)

        return work

    def close() -> None:
        for key in range(2000):
            squares[key] = key
        squares.close()
        # The number is soon another map's, with larger values: nobody may reach it.
        for _ in range(20):
            number = calls.map_create(map_type=MapType.HASH, key_size=8, value_size=4096, max_entries=8, name=b"other")
            others.append(Fd(number, "another map"))
            calls.map_update(number, struct.pack("=Q", 1), b"x" * 4096)

    uses: list[Callable[[], Any]] = [
        lambda: squares.get(1),
        lambda: squares.insert(5000, 1) or squares.pop(5000),
        lambda: list(squares.items()),
        lambda: list(squares),
        lambda: len(squares.raw),
    ]
    try:
        assert run_together(*[until_closed(use) for use in uses], close) == []
        for other in others:
            assert calls.map_lookup(other.number, struct.pack("=Q", 1), 4096) == b"x" * 4096
    finally:
        for other in others:
            other.close()


def for_ever(use: Callable[[], object]) -> None:
    while True:
        use()


def by_batch(ring: RingBuffer, seen: list[int]) -> None:
    while events := ring.batch(LONG):
        seen += events


def by_loop(ring: RingBuffer, seen: list[int]) -> None:
    seen.extend(ring)


def by_callback(ring: RingBuffer, seen: list[int]) -> None:
    while ring.poll(LONG):
        ring.consume(seen.append)


def by_buffer(ring: RingBuffer, seen: list[int]) -> None:
    buffer = bytearray(1024)
    while ring.poll(LONG):
        _count, used = ring.into(buffer)
        seen += [struct.unpack("=Q", event)[0] for event in split(buffer, used)]


@contextmanager
def closing_is_no_failure() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if "is closed" not in str(error):
            raise


READERS = (by_batch, by_loop, by_callback, by_buffer)


def test_readers_of_every_kind_share_a_ring_and_each_event_is_read_once() -> None:
    total = 5000
    with Emitter(size=1 << 20) as emitter, RingBuffer(emitter.map, U64) as ring:
        seen: list[list[int]] = [[] for _ in READERS]

        def produce() -> None:
            for number in range(total):
                emitter.emit(number)
            while ring.available:
                os.sched_yield()
            ring.close()

        def reader(read: Callable[[RingBuffer, list[int]], None], found: list[int]) -> Callable[[], None]:
            def work() -> None:
                with closing_is_no_failure():
                    read(ring, found)

            return work

        raised = run_together(*map(reader, READERS, seen), produce)
    assert raised == []
    assert sorted(number for found in seen for number in found) == list(range(total))


def test_a_ring_closed_again_and_again_under_its_readers_leaves_none_waiting() -> None:
    with Emitter(size=1 << 16) as emitter:
        for _ in range(ROUNDS):
            ring = RingBuffer(emitter.map, U64)

            def read(read: Callable[[RingBuffer, list[int]], None], ring: RingBuffer = ring) -> None:
                with closing_is_no_failure():
                    read(ring, [])

            def close(ring: RingBuffer = ring) -> None:
                emitter.emit(1, times=20)
                ring.close()

            works = [lambda kind=kind, read=read: read(kind) for kind in READERS]
            assert run_together(*works, close) == []
            assert ring.closed
