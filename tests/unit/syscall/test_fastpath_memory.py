"""The rings and the BTF scan of the C extension, on memory whose every byte the test chose."""

import errno
import mmap
import struct
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purebpf import _fastpath
from purebpf._fastpath import find, perf_take, ring_each, ring_into, ring_list
from purebpf.btf.kinds import KNOWN_SIZES, scan_types
from purebpf.live.ringbuf import split
from purebpf.syscall.perf import records
from tests.unit.syscall.memory_ring import BUSY, DISCARD, PAGE, MemoryRing

EVENTS = [b"", b"a", b"12345678", b"x" * 100]


def into(ring: MemoryRing, limit: int = -1) -> list[bytes]:
    out = bytearray(1 << 16)
    count, used = ring_into(*ring.arguments, out, limit)
    events = [bytes(event) for event in split(out, used)]
    assert len(events) == count
    return events


def each(ring: MemoryRing, limit: int = -1) -> list[bytes]:
    events: list[bytes] = []
    assert ring_each(*ring.arguments, events.append, limit) == len(events)
    return events


def listed(ring: MemoryRing, limit: int = -1) -> list[bytes]:
    return ring_list(*ring.arguments, limit)


Drain = Callable[..., list[bytes]]
every_way = pytest.mark.parametrize("drain", [into, each, listed])


@every_way
class TestEveryWay:
    def test_an_empty_ring_gives_nothing(self, drain: Drain) -> None:
        ring = MemoryRing()
        assert drain(ring) == []
        assert ring.consumed == 0

    def test_events_come_whole_and_in_order(self, drain: Drain) -> None:
        ring = MemoryRing()
        for event in EVENTS:
            ring.put(event)
        assert drain(ring) == EVENTS
        assert ring.consumed == ring.produced

    def test_discarded_events_are_passed_over_and_consumed(self, drain: Drain) -> None:
        ring = MemoryRing()
        for event in (b"no", b"yes", b"no", b"no", b"also", b"no"):
            ring.put(event, DISCARD if event == b"no" else 0)
        assert drain(ring) == [b"yes", b"also"]
        assert ring.consumed == ring.produced

    def test_an_unfinished_event_holds_up_those_behind_it(self, drain: Drain) -> None:
        ring = MemoryRing()
        ring.put(b"first")
        held = ring.produced
        ring.put(b"second", BUSY)
        ring.put(b"third")
        assert drain(ring) == [b"first"]
        assert ring.consumed == held
        ring.finish(held)
        assert drain(ring) == [b"second", b"third"]

    def test_the_limit_leaves_the_rest_in_the_ring(self, drain: Drain) -> None:
        ring = MemoryRing()
        for number in range(5):
            ring.put(b"%d" % number, DISCARD if number == 1 else 0)
        assert drain(ring, 0) == []
        assert drain(ring, 2) == [b"0", b"2"]
        assert drain(ring, 2) == [b"3", b"4"]

    def test_a_record_that_wraps_around_is_whole(self, drain: Drain) -> None:
        ring = MemoryRing(position=4096 - 16)
        ring.put(b"abcdefgh" * 4)
        ring.put(b"next")
        assert drain(ring) == [b"abcdefgh" * 4, b"next"]

    def test_positions_may_wrap_around_too(self, drain: Drain) -> None:
        ring = MemoryRing(position=(1 << 64) - 24)
        for event in (b"one-----", b"two-----", b"three---"):
            ring.put(event)
        assert drain(ring) == [b"one-----", b"two-----", b"three---"]
        assert ring.consumed == 24

    def test_a_full_ring_is_read_to_its_end(self, drain: Drain) -> None:
        ring = MemoryRing(position=8)
        for _ in range(4096 // 32):
            ring.put(b"x" * 24)
        assert drain(ring) == [b"x" * 24] * 128

    @pytest.mark.parametrize("header", [4096, 0x3FFFFFFF, 40])
    def test_an_impossible_length_is_ebadmsg_and_reads_nothing(self, drain: Drain, header: int) -> None:
        ring = MemoryRing()
        ring.put_header(header, advance=16)
        with pytest.raises(OSError, match="impossible") as caught:
            drain(ring)
        assert caught.value.errno == errno.EBADMSG
        assert ring.consumed == 0

    def test_what_stands_before_an_impossible_length_is_delivered(self, drain: Drain) -> None:
        ring = MemoryRing()
        ring.put(b"good")
        good = ring.produced
        ring.put_header(0x3FFFFFFF, advance=16)
        if drain is each:
            with pytest.raises(OSError, match="impossible"):
                drain(ring)
        else:
            assert drain(ring) == [b"good"]
        assert ring.consumed == good

    @pytest.mark.parametrize(("consumed", "produced"), [(8, 0), (0, 8192), (4, 16), (0, 12)])
    def test_impossible_positions_are_ebadmsg(self, drain: Drain, consumed: int, produced: int) -> None:
        ring = MemoryRing()
        struct.pack_into("@L", ring.consumer, 0, consumed)
        struct.pack_into("@L", ring.data, 0, produced)
        with pytest.raises(OSError, match="impossible"):
            drain(ring)


@pytest.mark.parametrize("length", [PAGE, PAGE + 8, PAGE + 4096 * 3, 0])
def test_memory_of_an_impossible_size_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="power-of-two"):
        ring_list(mmap.mmap(-1, PAGE), bytearray(length), PAGE, -1)


@given(st.lists(st.tuples(st.binary(max_size=60), st.sampled_from([0, 0, DISCARD])), max_size=40), st.integers(0, 511))
@settings(max_examples=50, deadline=None)
def test_the_three_ways_give_the_same_from_any_place_in_the_ring(records: list[tuple[bytes, int]], words: int) -> None:
    results = []
    for drain in (into, each, listed):
        ring = MemoryRing(position=8 * words)
        for event, flags in records:
            if ring.produced - 8 * words <= 4096 - 80:
                ring.put(event, flags)
        results.append((drain(ring), ring.consumed))
    assert results[0] == results[1] == results[2]


class TestInto:
    def test_a_buffer_too_small_for_the_next_event_says_what_it_needs(self) -> None:
        ring = MemoryRing()
        ring.put(b"x" * 20)
        with pytest.raises(ValueError, match="16 bytes is too small: the next record takes 32"):
            ring_into(*ring.arguments, bytearray(16), -1)
        assert ring.consumed == 0

    def test_a_full_buffer_leaves_the_rest_for_the_next_call(self) -> None:
        ring = MemoryRing()
        for event in (b"a" * 8, b"b" * 8, b"c" * 8):
            ring.put(event)
        out = bytearray(39)
        assert ring_into(*ring.arguments, out, -1) == (2, 32)
        assert ring_into(*ring.arguments, out, -1) == (1, 16)
        assert out[8:16] == b"c" * 8

    def test_records_keep_their_headers(self) -> None:
        ring = MemoryRing()
        ring.put(b"abc")
        out = bytearray(16)
        ring_into(*ring.arguments, out, -1)
        assert out == struct.pack("=II", 3, 0) + b"abc".ljust(8, b"\0")

    def test_more_events_than_one_run_of_copying_come_in_order(self) -> None:
        ring = MemoryRing(size=1 << 16)
        for number in range(600):
            ring.put(struct.pack("=Q", number) * 8, DISCARD if number % 100 == 7 else 0)
        numbers = [struct.unpack_from("=Q", event)[0] for event in into(ring)]
        assert numbers == [number for number in range(600) if number % 100 != 7]

    def test_a_read_only_buffer_is_refused(self) -> None:
        with pytest.raises(TypeError):
            ring_into(*MemoryRing().arguments, bytes(16), -1)  # type: ignore[arg-type]


class TestEach:
    def test_an_exception_comes_out_and_loses_no_event(self) -> None:
        ring = MemoryRing()
        for number in range(4):
            ring.put(b"%d" % number)
        seen: list[bytes] = []

        def fail_at_the_second(event: bytes) -> None:
            seen.append(event)
            if event == b"1":
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            ring_each(*ring.arguments, fail_at_the_second, -1)
        assert ring_each(*ring.arguments, fail_at_the_second, -1) == 2
        assert seen == [b"0", b"1", b"2", b"3"]

    def test_a_callback_may_drain_the_ring_itself(self) -> None:
        ring = MemoryRing()
        for number in range(6):
            ring.put(b"%d" % number)
        seen: list[bytes] = []

        def take_one_more(event: bytes) -> None:
            seen.append(event)
            seen.extend(ring_list(*ring.arguments, 1))

        ring_each(*ring.arguments, take_one_more, -1)
        assert seen == [b"0", b"1", b"2", b"3", b"4", b"5"]

    def test_events_that_arrive_meanwhile_wait_for_the_next_call(self) -> None:
        ring = MemoryRing()
        ring.put(b"first")
        seen: list[bytes] = []

        def put_another(event: bytes) -> None:
            seen.append(event)
            ring.put(b"later")

        assert ring_each(*ring.arguments, put_another, -1) == 1
        assert listed(ring) == [b"later"]

    def test_draining_past_what_was_there_at_first_ends_the_call(self) -> None:
        ring = MemoryRing()
        ring.put(b"first")
        ring.put(b"second")
        seen: list[bytes] = []

        def overtake(event: bytes) -> None:
            seen.append(event)
            ring.put(b"third")
            seen.extend(ring_list(*ring.arguments, -1))

        assert ring_each(*ring.arguments, overtake, -1) == 1
        assert seen == [b"first", b"second", b"third"]
        assert ring.consumed == ring.produced


SAMPLE, LOST, FORK = 9, 2, 7


class PerfRing:
    """A perf ring of plain memory."""

    def __init__(self, size: int = 256, position: int = 0) -> None:
        self.memory = mmap.mmap(-1, PAGE + size)
        self.size = size
        self.head = position
        struct.pack_into("=QQ", self.memory, 1024, position, position)

    def put(self, kind: int, body: bytes, size: int | None = None) -> None:
        record = struct.pack("=IHH", kind, 0, 8 + len(body) if size is None else size) + body
        for byte in record:
            self.memory[PAGE + self.head % self.size] = byte
            self.head += 1
        struct.pack_into("=Q", self.memory, 1024, self.head)

    def sample(self, data: bytes) -> None:
        self.put(SAMPLE, struct.pack("=I", len(data)) + data)

    @property
    def tail(self) -> int:
        position: int = struct.unpack_from("=Q", self.memory, 1032)[0]
        return position

    def drain(self) -> list[bytes | int]:
        return records(perf_take(self.memory, PAGE))


class TestPerf:
    def test_samples_and_losses_come_in_their_order(self) -> None:
        ring = PerfRing()
        ring.sample(b"one!")
        ring.put(LOST, struct.pack("=QQ", 5, 42))
        ring.put(FORK, bytes(24))
        ring.sample(b"two!")
        assert ring.drain() == [b"one!", 42, b"two!"]
        assert ring.tail == ring.head

    @pytest.mark.parametrize("position", range(0, 256, 8))
    def test_a_record_that_wraps_around_is_whole(self, position: int) -> None:
        ring = PerfRing(position=position)
        ring.sample(bytes(range(100)))
        ring.put(LOST, struct.pack("=QQ", 1, 1 << 40))
        assert ring.drain() == [bytes(range(100)), 1 << 40]

    @pytest.mark.parametrize(
        ("body", "size"), [(bytes(8), 4), (bytes(8), 2000), (struct.pack("=I", 100), None), (b"", 0)]
    )
    def test_an_impossible_length_is_ebadmsg(self, body: bytes, size: int | None) -> None:
        ring = PerfRing()
        ring.put(SAMPLE, body, size)
        with pytest.raises(OSError, match="impossible") as caught:
            ring.drain()
        assert caught.value.errno == errno.EBADMSG

    @pytest.mark.parametrize(("tail", "head"), [(8, 0), (0, 257)])
    def test_an_impossible_position_is_ebadmsg_and_consumes_nothing(self, tail: int, head: int) -> None:
        ring = PerfRing()
        struct.pack_into("=QQ", ring.memory, 1024, head, tail)
        with pytest.raises(OSError, match="impossible"):
            ring.drain()
        assert ring.tail == tail

    def test_an_empty_ring_gives_nothing(self) -> None:
        assert PerfRing(position=40).drain() == []

    def test_a_full_ring_is_read_to_its_end(self) -> None:
        ring = PerfRing(position=24)
        for _ in range(8):
            ring.sample(b"x" * 20)
        assert ring.head - ring.tail == ring.size
        assert ring.drain() == [b"x" * 20] * 8

    def test_a_sample_without_data_is_passed_over(self) -> None:
        ring = PerfRing()
        ring.put(SAMPLE, b"")
        ring.sample(b"next")
        assert ring.drain() == [b"next"]

    def test_memory_of_an_impossible_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="perf ring"):
            perf_take(bytearray(PAGE + 100), PAGE)


Scan = Callable[[memoryview, bool, bytes], tuple[bytes, bytes | None, int]]


@pytest.mark.parametrize("scan", [scan_types, _fastpath.btf_scan], ids=["python", "c"])
class TestScan:
    """One contract, two implementations."""

    def walk(self, scan: Scan, words: list[int], swapped: bool = False) -> tuple[list[int], int]:
        section = array("I", words)
        if swapped:
            section.byteswap()
        offsets, _names, end = scan(memoryview(section).cast("B"), swapped, KNOWN_SIZES)
        return list(memoryview(offsets).cast("I")), end

    def test_nothing_holds_nothing(self, scan: Scan) -> None:
        assert self.walk(scan, []) == ([], 0)

    @pytest.mark.parametrize("swapped", [False, True])
    def test_records_follow_one_another(self, scan: Scan, swapped: bool) -> None:
        integer, pointer, enum = [1, 1 << 24, 4, 32], [0, 2 << 24, 1], [9, 6 << 24 | 2, 4, 1, 0, 2, 1]
        assert self.walk(scan, integer + pointer + enum + pointer, swapped) == ([0, 4, 7, 14], 17)

    def test_the_walk_ends_at_an_unknown_kind(self, scan: Scan) -> None:
        assert self.walk(scan, [0, 2 << 24, 1, 0, 77 << 24, 0, 0, 2 << 24, 1]) == ([0], 3)

    def test_the_walk_ends_at_a_record_that_does_not_fit(self, scan: Scan) -> None:
        assert self.walk(scan, [0, 2 << 24, 1, 0, 4 << 24 | 0xFFFFFF, 8]) == ([0], 3)
        assert self.walk(scan, [0, 2 << 24, 1, 5]) == ([0], 3)


@given(
    st.lists(st.integers(0, 0xFFFFFFFF) | st.integers(1, 19).map(lambda kind: kind << 24), max_size=60), st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_both_scans_agree_on_any_words(words: list[int], swapped: bool) -> None:
    section = memoryview(array("I", words)).cast("B")
    python = scan_types(section, swapped, KNOWN_SIZES)
    offsets, names, end = _fastpath.btf_scan(section, swapped, KNOWN_SIZES)
    assert (python[0], python[2]) == (offsets, end)
    assert len(names) == len(offsets)


@pytest.mark.parametrize(("section", "sizes"), [(bytes(5), KNOWN_SIZES), (bytes(12), b"short")])
def test_the_scan_refuses_what_breaks_its_contract(section: bytes, sizes: bytes) -> None:
    with pytest.raises(ValueError, match="words"):
        _fastpath.btf_scan(section, False, sizes)


class TestFind:
    @given(st.binary(max_size=40), st.binary(max_size=3), st.integers(0, 45), st.integers(0, 45))
    def test_it_finds_what_bytes_find_does(self, where: bytes, what: bytes, start: int, end: int) -> None:
        expected = where.find(what, start, end) if start <= end <= len(where) else -1
        assert find(where, what, start, end) == expected
        assert find(memoryview(bytearray(where)), what, start, end) == expected

    @pytest.mark.parametrize(("start", "end"), [(-1, 3), (0, 4), (3, 2), (0, -1)])
    def test_nothing_is_found_outside(self, start: int, end: int) -> None:
        assert find(b"aaa", b"a", start, end) == -1
