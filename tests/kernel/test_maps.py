"""Maps as mappings, against the kernel's own maps; every kind through the same door, `open_shape`."""

import errno
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from purebpf.btf import Btf, BtfWriter, Int, Member, Struct
from purebpf.errors import KernelError
from purebpf.live.maps import Array, FdArray, HashMap, Map, MapShape, keyed, open_shape
from purebpf.syscall import calls
from purebpf.syscall.fd import Fd
from purebpf.uapi import BPF_F_NO_PREALLOC, MapType, ProgramType
from purebpf.units import BitOffset, TypeId


def possible_cpus() -> int:
    with open("/sys/devices/system/cpu/possible", encoding="ascii") as file:
        return int(file.read().strip().rpartition("-")[2]) + 1


def types() -> tuple[Btf, TypeId, TypeId, TypeId]:
    writer = BtfWriter()
    u32 = writer.add(Int("u32", 4, 32))
    u64 = writer.add(Int("u64", 8, 64))
    members = (Member("x", u32, BitOffset(0)), Member("y", u32, BitOffset(32)))
    point = writer.add(Struct("point", 8, members))
    return Btf.parse(writer.build()), u32, u64, point


BTF, U32, U64, POINT = types()

Make = Callable[..., Any]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a map of a kind, typed or (key and value type 0) raw; closed after the test."""
    with ExitStack() as stack:

        def make(
            kind: MapType, key: int, value: int, entries: int, key_type: int = 0, value_type: int = 0, flags: int = 0
        ) -> Map:
            number = calls.map_create(
                map_type=kind, key_size=key, value_size=value, max_entries=entries, flags=flags, name=b"tested"
            )
            fd = Fd(number, "map 'tested'")
            opened = open_shape(fd, MapShape.of(fd, "tested"), BTF, key_type, value_type, cpus=possible_cpus())
            return stack.enter_context(opened)

        yield make


HASHES = [MapType.HASH, MapType.LRU_HASH]


@pytest.mark.parametrize("kind", HASHES)
class TestHash:
    @pytest.fixture
    def counts(self, make: Make, kind: MapType) -> HashMap[int, int]:
        made = make(kind, 4, 8, 64, U32, U64)
        assert isinstance(made, HashMap)
        return made

    def test_what_was_set_is_read(self, counts: HashMap[int, int]) -> None:
        counts[0xFFFFFFFF] = (1 << 64) - 1
        counts[1] = 2
        counts[1] = 3
        assert (counts[0xFFFFFFFF], counts[1]) == ((1 << 64) - 1, 3)

    def test_a_missing_key_is_a_key_error(self, counts: HashMap[int, int]) -> None:
        with pytest.raises(KeyError, match="5"):
            counts[5]
        with pytest.raises(KeyError, match="5"):
            del counts[5]
        assert counts.get(5) is None
        assert counts.get(5, 9) == 9
        assert 5 not in counts

    def test_pop_takes_the_entry_out(self, counts: HashMap[int, int]) -> None:
        counts[5] = 6
        assert counts.pop(5) == 6
        assert counts.pop(5, None) is None
        with pytest.raises(KeyError, match="5"):
            counts.pop(5)

    def test_insert_refuses_a_key_that_is_there(self, counts: HashMap[int, int]) -> None:
        counts.insert(1, 10)
        with pytest.raises(FileExistsError, match="map 'tested' already has the key 1"):
            counts.insert(1, 11)
        assert counts[1] == 10

    def test_replace_refuses_a_key_that_is_not(self, counts: HashMap[int, int]) -> None:
        with pytest.raises(KeyError, match="1"):
            counts.replace(1, 10)
        counts[1] = 10
        counts.replace(1, 11)
        assert counts[1] == 11

    def test_all_entries_are_seen_every_way(self, counts: HashMap[int, int]) -> None:
        expected = {number: number * number for number in range(40)}
        counts.update(expected)
        assert dict(counts) == dict(counts.items()) == expected
        assert sorted(counts) == sorted(counts.keys()) == list(range(40))
        assert sorted(counts.values()) == sorted(expected.values())
        assert len(counts) == 40
        assert {key[0]: int.from_bytes(value, "little") for key, value in counts.raw.items()} == expected

    def test_clear_leaves_nothing(self, counts: HashMap[int, int]) -> None:
        counts.update(dict.fromkeys(range(40), 0))
        counts.clear()
        assert len(counts) == 0
        assert not list(counts)

    def test_deleting_the_key_at_hand_does_not_disturb_the_walk(self, counts: HashMap[int, int]) -> None:
        counts.update(dict.fromkeys(range(40), 0))
        seen = []
        for key in counts:
            seen.append(key)
            del counts[key]
        assert sorted(seen) == list(range(40))

    def test_a_walk_ends_although_keys_keep_coming(self, counts: HashMap[int, int]) -> None:
        counts[0] = 0
        steps = 0
        for steps, key in enumerate(counts, start=1):  # noqa: B007
            counts[(key + 1) % 1000] = 0
            counts.pop(key, None)
        assert 1 <= steps <= counts.max_entries

    @pytest.mark.parametrize("key", [-1, 1 << 32])
    def test_a_key_out_of_range_is_a_value_error(self, counts: HashMap[int, int], key: int) -> None:
        with pytest.raises(ValueError, match="does not fit"):
            counts[key]

    @pytest.mark.parametrize("value", [-1, 1 << 64])
    def test_a_value_out_of_range_is_a_value_error(self, counts: HashMap[int, int], value: int) -> None:
        with pytest.raises(ValueError, match="does not fit"):
            counts[1] = value
        assert 1 not in counts

    @pytest.mark.parametrize("key", ["1", 1.0, b"1234", None])
    def test_a_key_of_another_type_is_a_type_error(self, counts: HashMap[int, int], key: Any) -> None:
        with pytest.raises(TypeError):
            counts[key]

    def test_structs_are_read_and_written_by_their_members(self, make: Make, kind: MapType) -> None:
        points = make(kind, 8, 8, 4, POINT, POINT)
        points[(1, 2)] = {"x": 3, "y": 4}
        assert points[{"x": 1, "y": 2}].y == 4
        assert [(key.x, value.x) for key, value in points.items()] == [(1, 3)]
        with pytest.raises(TypeError, match="value"):
            points[(1, 2)] = "no point"
        with pytest.raises(ValueError, match=r"key\.y"):
            points[(1, -2)]

    def test_raw_refuses_bytes_of_another_length(self, counts: HashMap[int, int]) -> None:
        with pytest.raises(ValueError, match="key must have 4 bytes, not 3"):
            counts.raw[b"abc"]
        with pytest.raises(ValueError, match="value must have 8 bytes, not 1"):
            counts.raw[b"abcd"] = b"x"

    def test_closing_it_closes_the_raw_view_and_the_other_way_round(self, counts: HashMap[int, int]) -> None:
        raw = counts.raw
        assert counts.raw is raw
        raw.close()
        for call in (lambda: counts[1], lambda: raw[b"1234"], lambda: list(counts), lambda: len(raw), counts.fileno):
            with pytest.raises(ValueError, match="closed"):
                call()
        assert counts.closed
        counts.close()


def test_a_full_map_names_itself_and_its_size(make: Make) -> None:
    full = make(MapType.HASH, 4, 8, 3, U32, U64)
    with pytest.raises(KernelError, match=r"map 'tested': all of its 3 entries are taken \[E2BIG\]"):
        full.update(dict.fromkeys(range(4), 0))
    assert len(full) == 3


def test_without_types_a_hash_takes_bytes_alone(make: Make) -> None:
    plain = make(MapType.HASH, 4, 2, 3)
    plain[b"abcd"] = bytearray(b"xy")
    assert dict(plain) == {b"abcd": b"xy"}
    with pytest.raises(TypeError):
        plain[5]


class TestWithoutBatches:
    """Kinds, and kernels before 5.6, that cannot move many entries a call: one after the other then."""

    def test_a_kind_that_has_none_is_read_all_the_same(self, make: Make) -> None:
        # STACK_TRACE has no batch operations on any kernel (seen: 6.18).
        stacks = make(MapType.STACK_TRACE, 4, 80, 8)
        assert (dict(stacks.items()), list(stacks.values()), len(stacks), list(stacks)) == ({}, [], 0, [])
        stacks.clear()

    @pytest.mark.parametrize("refusal", [errno.EINVAL, 524, errno.EOPNOTSUPP])
    @pytest.mark.parametrize("kind", [*HASHES, MapType.PERCPU_HASH, MapType.ARRAY])
    def test_every_entry_comes_one_after_the_other(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, kind: MapType, refusal: int
    ) -> None:
        filled = make(kind, 4, 8, 10, U32, U64)
        value = [3] * possible_cpus() if kind == MapType.PERCPU_HASH else 3
        for number in range(10):
            filled[number] = value
        monkeypatch.setattr(keyed, "map_batch", lambda *_args, **_kwargs: (0, refusal))
        assert dict(filled.items()) == dict.fromkeys(range(10), value)
        assert list(filled.values()) == [value] * 10
        assert len(filled) == 10
        if kind != MapType.ARRAY:
            filled.clear()
            assert len(filled) == 0

    def test_taking_an_entry_out_is_two_steps_where_the_kind_cannot_in_one(self, make: Make) -> None:
        # A trie cannot look up and delete in one step on any kernel (seen: 6.18).
        routes = make(MapType.LPM_TRIE, 8, 4, 8, 0, U32, flags=BPF_F_NO_PREALLOC)
        key = struct.pack("=I", 32) + bytes((10, 0, 0, 1))
        routes[key] = 5
        assert routes.pop(key) == 5
        assert routes.pop(key, None) is None
        with pytest.raises(KeyError):
            routes.pop(key)


def test_more_entries_than_one_batch_holds_come_all(make: Make) -> None:
    large = make(MapType.HASH, 4, 8, 10_000, U32, U64)
    for number in range(9_000):
        large[number] = number + 1
    assert dict(large.items()) == {number: number + 1 for number in range(9_000)}


def test_a_bucket_larger_than_the_batch_is_read_all_the_same(make: Make) -> None:
    small = make(MapType.HASH, 4, 8, 2, U32, U64)
    small.update({1: 1, 2: 2})
    assert dict(small.items()) == {1: 1, 2: 2}


def test_lpm_finds_the_longest_prefix(make: Make) -> None:
    routes = make(MapType.LPM_TRIE, 8, 4, 8, 0, U32, flags=BPF_F_NO_PREALLOC)

    def prefix(length: int, *address: int) -> bytes:
        return struct.pack("=I", length) + bytes(address)

    routes[prefix(8, 10, 0, 0, 0)] = 1
    routes[prefix(16, 10, 1, 0, 0)] = 2
    assert routes[prefix(32, 10, 1, 2, 3)] == 2
    assert routes[prefix(32, 10, 9, 2, 3)] == 1
    assert prefix(32, 11, 0, 0, 0) not in routes
    assert dict(routes.items()) == {prefix(8, 10, 0, 0, 0): 1, prefix(16, 10, 1, 0, 0): 2}


class TestArray:
    @pytest.fixture
    def squares(self, make: Make) -> Array[int]:
        made = make(MapType.ARRAY, 4, 8, 5, U32, U64)
        assert isinstance(made, Array)
        return made

    def test_every_index_has_a_value(self, squares: Array[int]) -> None:
        squares[2] = 4
        assert dict(squares) == dict(squares.items()) == {0: 0, 1: 0, 2: 4, 3: 0, 4: 0}
        assert list(squares.values()) == [0, 0, 4, 0, 0]
        assert len(squares) == 5

    @pytest.mark.parametrize("error", [KeyError, IndexError])
    def test_an_index_outside_is_a_key_error_and_an_index_error(
        self, squares: Array[int], error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="array 'tested' has the indices 0 to 4, not 5"):
            squares[5]
        with pytest.raises(error, match="not 5"):
            squares[5] = 1
        assert 5 not in squares

    def test_nothing_can_be_deleted(self, squares: Array[int]) -> None:
        for call in (lambda: squares.pop(1), squares.clear, squares.popitem, lambda: squares.insert(1, 1)):
            with pytest.raises(TypeError):
                call()
        with pytest.raises(TypeError, match="cannot be deleted"):
            del squares[1]

    def test_without_types_indices_are_still_ints(self, make: Make) -> None:
        plain = make(MapType.ARRAY, 4, 3, 2)
        plain[1] = b"abc"
        assert list(plain.values()) == [bytes(3), b"abc"]


@pytest.mark.parametrize("kind", [MapType.PERCPU_ARRAY, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH])
class TestPerCpu:
    def test_a_value_is_a_list_with_an_item_a_cpu(self, make: Make, kind: MapType) -> None:
        entries = make(kind, 4, 4, 2, U32, U32)
        values = [100 + cpu for cpu in range(possible_cpus())]
        entries[1] = values
        assert entries[1] == values
        assert dict(entries.items())[1] == values

    def test_the_raw_view_has_each_cpus_value_in_eight_bytes(self, make: Make, kind: MapType) -> None:
        entries = make(kind, 4, 4, 2, U32, U32)
        entries[1] = [7] * possible_cpus()
        assert entries.raw[struct.pack("=I", 1)] == struct.pack("=Q", 7) * possible_cpus()

    def test_another_number_of_values_is_refused(self, make: Make, kind: MapType) -> None:
        entries = make(kind, 4, 4, 2, U32, U32)
        with pytest.raises(ValueError, match=f"expected {possible_cpus()} values"):
            entries[1] = [1] * (possible_cpus() + 1)
        with pytest.raises(TypeError, match="one for each CPU"):
            entries[1] = 5


class TestProgramArray:
    @pytest.fixture
    def program(self) -> Iterator[Fd]:
        code = bytes.fromhex("b700000000000000 9500000000000000")
        number = calls.prog_load(prog_type=ProgramType.SOCKET_FILTER, insns=code, license="GPL")
        with Fd(number, "program") as fd:
            yield fd

    @pytest.fixture
    def jumps(self, make: Make) -> FdArray:
        made = make(MapType.PROG_ARRAY, 4, 4, 3)
        assert isinstance(made, FdArray)
        return made

    def test_a_program_is_set_by_object_or_fd_and_read_by_id(self, jumps: FdArray, program: Fd) -> None:
        jumps[0] = program
        jumps[2] = program.number
        assert jumps[0] == jumps[2] > 0
        assert dict(jumps.items()) == {0: jumps[0], 2: jumps[0]}
        assert (list(jumps), len(jumps)) == ([0, 2], 2)

    def test_an_empty_slot_is_a_key_error(self, jumps: FdArray, program: Fd) -> None:
        jumps[1] = program
        del jumps[1]
        for call in (lambda: jumps[1], lambda: jumps[3]):
            with pytest.raises(KeyError):
                call()
        with pytest.raises(KeyError):
            del jumps[1]
        with pytest.raises(IndexError):
            jumps[3] = program

    def test_what_is_no_program_is_refused(self, jumps: FdArray) -> None:
        with pytest.raises(TypeError, match="expected a program or an fd"):
            jumps[0] = "program"

    def test_clear_empties_every_slot(self, jumps: FdArray, program: Fd) -> None:
        jumps[0] = jumps[1] = program
        jumps.clear()
        assert len(jumps) == 0


@pytest.mark.parametrize(
    ("kind", "held"), [(MapType.PERF_EVENT_ARRAY, "perf events"), (MapType.CGROUP_ARRAY, "cgroups")]
)
@pytest.mark.parametrize("look", [len, list, lambda slots: slots[0], lambda slots: 0 in slots, dict])
def test_an_array_that_cannot_be_read_says_so_in_words(
    make: Make, kind: MapType, held: str, look: Callable[[FdArray], object]
) -> None:
    with pytest.raises(
        KernelError, match=f"cannot read map 'tested': the kernel takes {held} into a {kind}, and tells"
    ):
        look(make(kind, 4, 4, 3))


def test_a_map_tells_its_shape_and_id(make: Make) -> None:
    made = make(MapType.HASH, 4, 8, 3, U32, U64)
    assert (made.name, made.type, made.max_entries) == ("tested", MapType.HASH, 3)
    assert made.id > 0
    assert repr(made) == "<hash map 'tested': 4 -> 8 bytes, 3 entries>"


@pytest.mark.parametrize("kind", [MapType.QUEUE, MapType.STACK])
def test_a_kind_without_keys_is_a_plain_map(make: Make, kind: MapType) -> None:
    made = make(kind, 0, 8, 3)
    assert type(made) is Map
    calls.map_update(made.fileno(), None, b"12345678")
    assert calls.map_lookup_and_delete(made.fileno(), None, 8) == b"12345678"
    with pytest.raises(FileNotFoundError):
        calls.map_lookup_and_delete(made.fileno(), None, 8)
