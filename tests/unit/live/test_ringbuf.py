"""The part of the ring buffer reader that needs no kernel; the rest is tests/kernel/test_ringbuf.py."""

from purebpf._fastpath import ring_into
from purebpf.live.ringbuf import RECORD_HEADER, split
from tests.unit.syscall.memory_ring import MemoryRing


def test_split_finds_every_event_that_into_moved() -> None:
    ring = MemoryRing()
    events = [b"", b"1", b"12345678", b"123456789"]
    for event in events:
        ring.put(event)
    buffer = bytearray(1024)
    count, used = ring_into(*ring.arguments, buffer, -1)
    assert [bytes(view) for view in split(buffer, used)] == events
    assert count == len(events)
    assert used == len(events) * RECORD_HEADER + 0 + 8 + 8 + 16


def test_split_of_nothing_is_nothing() -> None:
    assert list(split(bytearray(64), 0)) == []


def test_the_events_are_views_of_the_buffer() -> None:
    ring = MemoryRing()
    ring.put(b"abcd")
    buffer = bytearray(16)
    _count, used = ring_into(*ring.arguments, buffer, -1)
    (view,) = split(buffer, used)
    buffer[8:12] = b"wxyz"
    assert bytes(view) == b"wxyz"
