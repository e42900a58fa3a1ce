"""The ring buffer reader, with events that BPF_PROG_TEST_RUN makes in the kernel."""

import os
import select
import signal
import struct
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from purebpf.btf.codec.scalars import int_codec
from purebpf.live.ringbuf import RingBuffer, split
from tests.kernel.emitter import FORCE_WAKEUP, NO_WAKEUP, Emitter

U64 = int_codec("u64", 8, False, "little")
SOON, LONG = 0.02, 30.0


@pytest.fixture
def emitter() -> Iterator[Emitter]:
    with Emitter() as emitter:
        yield emitter


@pytest.fixture
def ring(emitter: Emitter) -> Iterator[RingBuffer]:
    with RingBuffer(emitter.map, U64) as ring:
        yield ring


def once_used(ring: RingBuffer, act: Callable[[], None]) -> None:
    """Do `act` in another thread as soon as somebody is reading `ring`."""

    def wait() -> None:
        deadline = monotonic() + LONG
        while not ring._users and monotonic() < deadline:
            os.sched_yield()
        act()

    threading.Thread(target=wait).start()


def emit_many(emitter: Emitter, count: int) -> None:
    for number in range(count):
        emitter.emit(number)


def test_read_gives_the_next_event(emitter: Emitter, ring: RingBuffer) -> None:
    emitter.emit(7)
    emitter.emit(8)
    assert (ring.read(LONG), ring.read(LONG)) == (7, 8)


def test_read_gives_none_when_the_time_is_up(ring: RingBuffer) -> None:
    began = monotonic()
    assert ring.read(SOON) is None
    assert monotonic() - began >= SOON


def test_a_batch_has_everything_that_is_there(emitter: Emitter, ring: RingBuffer) -> None:
    emit_many(emitter, 5)
    assert ring.batch(LONG) == [0, 1, 2, 3, 4]
    assert ring.batch(0) == []


def test_a_batch_keeps_to_its_limit(emitter: Emitter, ring: RingBuffer) -> None:
    emit_many(emitter, 5)
    assert ring.batch(LONG, limit=2) == [0, 1]
    assert ring.batch(LONG) == [2, 3, 4]


def test_without_a_codec_events_are_bytes(emitter: Emitter) -> None:
    emitter.emit(1)
    with emitter.map.reader() as ring:
        assert ring.read(LONG) == struct.pack("=Q", 1)


def test_an_event_shorter_than_its_type_comes_as_bytes(emitter: Emitter) -> None:
    emitter.emit(1)
    with RingBuffer(emitter.map, int_codec("u128", 16, False, "little")) as ring:
        assert ring.read(LONG) == struct.pack("=Q", 1)


def test_a_broken_off_loop_leaves_the_rest_for_the_next_reader(emitter: Emitter, ring: RingBuffer) -> None:
    emit_many(emitter, 6)
    for event in ring:
        if event == 2:
            break
    assert ring.read(LONG) == 3
    assert ring.batch(LONG, limit=1) == [4]
    assert list(ring.events(timeout=SOON)) == [5]


@pytest.mark.parametrize("limit", [-1, 2])
def test_events_left_by_a_loop_reach_the_callback_too(emitter: Emitter, ring: RingBuffer, limit: int) -> None:
    emit_many(emitter, 4)
    assert next(iter(ring)) == 0
    emitter.emit(4)
    seen: list[int] = []
    while ring.consume(seen.append, limit):
        pass
    assert seen == [1, 2, 3, 4]


def test_events_left_by_a_loop_reach_the_buffer_too(emitter: Emitter, ring: RingBuffer) -> None:
    emit_many(emitter, 3)
    assert next(iter(ring)) == 0
    with pytest.raises(ValueError, match="too small"):
        ring.into(bytearray(15))
    buffer, seen = bytearray(16), []
    while (moved := ring.into(buffer))[0]:
        seen += [bytes(event) for event in split(buffer, moved[1])]
    assert seen == [struct.pack("=Q", 1), struct.pack("=Q", 2)]


def test_an_exception_of_the_callback_loses_no_event(emitter: Emitter, ring: RingBuffer) -> None:
    emit_many(emitter, 4)
    seen: list[int] = []

    def callback(event: int) -> None:
        seen.append(event)
        if event == 1:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        ring.consume(callback)
    assert ring.consume(callback) == 2
    assert seen == [0, 1, 2, 3]


def test_the_ring_is_free_again_as_soon_as_events_were_taken(emitter: Emitter, ring: RingBuffer) -> None:
    assert ring.size == 4096
    for number in range(1000):
        emitter.emit(number)
        assert ring.available == 16
        assert ring.read(LONG) == number
    assert ring.available == 0


def test_a_full_ring_takes_no_more_and_loses_the_new_ones(emitter: Emitter, ring: RingBuffer) -> None:
    emit_many(emitter, 400)
    events = ring.batch(LONG)
    assert events == list(range(len(events)))
    assert 4096 // 16 - 1 <= len(events) <= 4096 // 16


def test_poll_tells_whether_there_is_something(emitter: Emitter, ring: RingBuffer) -> None:
    assert not ring.poll(0)
    emitter.emit(1)
    assert ring.poll(LONG)


def test_its_fileno_is_readable_for_an_event_loop(emitter: Emitter, ring: RingBuffer) -> None:
    assert select.select([ring], [], [], 0)[0] == []
    emitter.emit(1)
    assert select.select([ring], [], [], LONG)[0] == [ring]


def test_a_waiting_reader_wakes_up_for_an_event(emitter: Emitter, ring: RingBuffer) -> None:
    threading.Timer(SOON, emitter.emit, [9]).start()
    assert ring.read(LONG) == 9


@pytest.mark.parametrize("flags", [NO_WAKEUP, FORCE_WAKEUP])
def test_events_are_found_whatever_the_program_says_of_waking(flags: int) -> None:
    with Emitter(flags=flags) as emitter, RingBuffer(emitter.map, U64) as ring:
        emitter.emit(3)
        assert ring.batch(LONG) == [3]


class TestClosing:
    @pytest.mark.parametrize(
        "wait", [lambda ring: ring.read(), lambda ring: ring.batch() or None, lambda ring: ring.poll() or None,
                 lambda ring: list(ring) or None]
    )  # fmt: skip
    def test_another_thread_ends_a_reader_that_waits(self, ring: RingBuffer, wait: object) -> None:
        once_used(ring, ring.close)
        assert wait(ring) is None  # type: ignore[operator]
        assert ring.closed

    def test_a_closed_ring_is_a_value_error(self, ring: RingBuffer) -> None:
        ring.close()
        ring.close()
        for call in (
            ring.read,
            ring.batch,
            ring.poll,
            ring.fileno,
            lambda: ring.consume(print),
            lambda: ring.available,
        ):
            with pytest.raises(ValueError, match="ring buffer 'ring' is closed"):
                call()

    def test_the_callback_may_close_the_ring(self, emitter: Emitter, ring: RingBuffer) -> None:
        emitter.emit(1)
        assert ring.consume(lambda _event: ring.close()) == 1
        assert ring.closed

    def test_a_loop_ends_when_the_ring_is_closed_inside_it(self, emitter: Emitter, ring: RingBuffer) -> None:
        emit_many(emitter, 3)
        seen = []
        for event in ring:
            seen.append(event)
            if event == 2:
                ring.close()
        assert seen == [0, 1, 2]

    def test_closing_the_map_ends_a_loop_over_it(self, emitter: Emitter) -> None:
        emitter.emit(5)
        events = iter(emitter.map)
        assert next(events) == struct.pack("=Q", 5)
        emitter.map.close()
        assert list(events) == []


def test_ctrl_c_gets_through_to_a_waiting_reader(ring: RingBuffer) -> None:
    def read() -> None:
        once_used(ring, lambda: os.kill(os.getpid(), signal.SIGINT))
        ring.read(LONG)

    with pytest.raises(KeyboardInterrupt):
        read()


def test_a_fast_producer_in_another_thread_loses_nothing_to_the_reader() -> None:
    total = 20_000
    with Emitter(size=1 << 20) as emitter, RingBuffer(emitter.map, U64) as ring:
        producer = threading.Thread(target=lambda: [emitter.emit(number) for number in range(total)])
        producer.start()
        seen: list[int] = []
        while len(seen) < total:
            batch = ring.batch(LONG)
            assert batch
            seen += batch
        producer.join()
    assert seen == list(range(total))


def test_a_map_of_another_kind_is_refused() -> None:
    from purebpf.syscall import calls
    from purebpf.syscall.fd import Fd
    from purebpf.uapi import MapType

    with (
        Fd(calls.map_create(map_type=MapType.ARRAY, key_size=4, value_size=4, max_entries=1), "map") as fd,
        pytest.raises(TypeError, match="array map, not a ring buffer"),
    ):
        RingBuffer(fd)
