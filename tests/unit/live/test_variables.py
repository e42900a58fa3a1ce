import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from purebpf.btf import Btf, BtfWriter, Enum, Enumerator, Int, Member, Struct
from purebpf.btf.types import Array, Const, Volatile
from purebpf.live.variables import NATIVE, NumberVariable, VariableAddress, Variables, WholeVariable
from purebpf.spec.model import VariableSpec
from purebpf.units import BitOffset


@dataclass
class MappedImage:
    """A data map's memory, as mmap gives it."""

    buffer: memoryview | None
    writable: bool = True

    def read(self, offset: int, size: int) -> bytes:
        raise AssertionError("a mapped image needs no system call")

    def write(self, offset: int, data: bytes) -> None:
        raise AssertionError("a mapped image needs no system call")


@dataclass
class CalledImage:
    """A data map that cannot be mapped: read and written whole by system calls."""

    contents: bytearray
    writable: bool = True
    buffer: memoryview | None = None
    writes: list[int] = field(default_factory=list)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.contents[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self.writes.append(offset)
        self.contents[offset : offset + len(data)] = data


def object_types() -> tuple[Btf, dict[str, VariableSpec]]:
    writer = BtfWriter(byteorder=NATIVE)
    u32 = writer.add(Int("unsigned int", 4, 32))
    s64 = writer.add(Int("long", 8, 64, signed=True))
    flag = writer.add(Int("_Bool", 1, 8, boolean=True))
    char = writer.add(Int("char", 1, 8, signed=True))
    comm = writer.add(Array(char, u32, 16))
    state = writer.add(Enum("state", 4, (Enumerator("IDLE", 0), Enumerator("BUSY", 7))))
    pair = writer.add(Struct("pair", 16, (Member("a", u32, BitOffset(0)), Member("b", s64, BitOffset(64)))))
    tail = writer.add(Array(u32, u32, 0))
    flexible = writer.add(Struct("flexible", 4, (Member("n", u32, BitOffset(0)), Member("items", tail, BitOffset(32)))))
    specs = [
        VariableSpec("my_pid", ".bss", 0, 4, writer.add(Volatile(u32))),
        VariableSpec("total", ".bss", 8, 8, s64),
        VariableSpec("enabled", ".bss", 16, 1, flag),
        VariableSpec("state", ".bss", 20, 4, state),
        VariableSpec("comm", ".bss", 24, 16, comm),
        VariableSpec("pair", ".bss", 40, 16, pair),
        VariableSpec("skewed", ".bss", 57, 4, u32),
        VariableSpec("flexible", ".bss", 64, 12, flexible),
        VariableSpec("mistyped", ".bss", 76, 2, u32),
        VariableSpec("untyped", ".bss", 80, 4),
        VariableSpec("limit", ".rodata", 0, 4, writer.add(Const(u32))),
    ]
    return Btf.parse(writer.build()), {spec.name: spec for spec in specs}


@pytest.fixture
def memory() -> Iterator[mmap.mmap]:
    with mmap.mmap(-1, 4096) as mapped:
        yield mapped


@pytest.fixture(params=["mapped", "called"])
def variables(request: pytest.FixtureRequest, memory: mmap.mmap) -> Iterator[Variables]:
    btf, specs = object_types()
    image: Any = CalledImage(bytearray(4096))
    frozen: Any = CalledImage(bytearray(b"\x05" + bytes(15)), writable=False)
    if request.param == "mapped":
        with memoryview(memory) as buffer:
            made = Variables(specs, btf, {".bss": MappedImage(buffer), ".rodata": frozen})
            yield made
            made.close()
    else:
        yield Variables(specs, btf, MappingProxyType({".bss": image, ".rodata": frozen}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("my_pid", 4_000_000_000), ("total", -5), ("enabled", True), ("state", 7), ("state", 99), ("comm", "bash"),
        ("pair", (1, -2)), ("skewed", 77), ("flexible", (2, [5, 6])), ("mistyped", b"ab"), ("untyped", b"abcd"),
    ],
)  # fmt: skip
def test_what_is_written_is_read_back(variables: Variables, name: str, value: object) -> None:
    variables[name] = value
    assert variables[name] == value
    assert variables.handle(name).value == value
    variables.handle(name).value = value
    assert variables[name] == value


def test_values_have_the_types_that_btf_says(variables: Variables) -> None:
    variables["state"] = "BUSY"
    assert variables["state"].name == "BUSY"
    variables["pair"] = {"a": 1, "b": 2}
    assert variables["pair"].b == 2
    assert variables["enabled"] is False
    assert variables["flexible"] == (0, [0, 0])


def test_a_write_touches_its_own_bytes_only(memory: mmap.mmap) -> None:
    btf, specs = object_types()
    memory[:] = b"\xee" * 4096
    with memoryview(memory) as buffer:
        variables = Variables(specs, btf, {".bss": MappedImage(buffer)})
        for name, value in (("my_pid", 0), ("state", 0), ("comm", "x"), ("skewed", 0)):
            variables[name] = value
        variables.close()
    expected = bytearray(b"\xee" * 4096)
    for start, end in ((0, 4), (20, 24), (25, 40), (57, 61)):
        expected[start:end] = bytes(end - start)
    expected[24] = ord("x")
    assert memory[:] == expected


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("my_pid", 1 << 32, ValueError, r"^my_pid: 4294967296 does not fit unsigned int"),
        ("my_pid", -1, ValueError, r"^my_pid: -1 does not fit"),
        ("my_pid", 1.0, TypeError, r"^my_pid: expected unsigned int \(int\), got float"),
        ("my_pid", b"\1\0\0\0", TypeError, r"^my_pid: expected unsigned int"),
        ("enabled", 2, ValueError, r"^enabled: 2 does not fit _Bool"),
        ("comm", "x" * 17, ValueError, r"^comm: 17 bytes do not fit char\[16\]"),
        ("pair", (1, 2.5), TypeError, r"^pair\.b: expected long"),
        ("flexible", (3, [1, 2, 3]), ValueError, r"^flexible: 16 bytes do not fit the variable's 12"),
        ("untyped", b"abc", ValueError, r"^untyped: 3 bytes do not fit"),
        ("limit", 1, TypeError, r"'limit' cannot be written: '.rodata' became read-only .*with_values\(limit=\.\.\.\)"),
    ],
)
def test_a_value_that_does_not_fit_changes_nothing(
    variables: Variables, name: str, value: object, error: type[Exception], text: str
) -> None:
    before = variables[name]
    with pytest.raises(error, match=text):
        variables[name] = value
    assert variables[name] == before


def test_several_are_written_together_or_not_at_all(variables: Variables) -> None:
    variables.update({"my_pid": 1}, total=2)
    with pytest.raises(ValueError, match=r"^comm: "):
        variables.update(my_pid=5, total=6, comm="x" * 20)
    with pytest.raises(KeyError, match="tota"):
        variables.update(my_pid=5, tota=6)
    assert (variables["my_pid"], variables["total"]) == (1, 2)


def test_frozen_variables_are_read(variables: Variables) -> None:
    assert variables["limit"] == 5


def test_an_unknown_name_is_a_key_error_with_near_names(variables: Variables) -> None:
    for attempt in (
        lambda: variables["my_pdi"],
        lambda: variables.handle("my_pdi"),
        lambda: variables.address("my_pdi"),
    ):
        with pytest.raises(KeyError, match="no variable 'my_pdi'; near: my_pid"):
            attempt()
    with pytest.raises(KeyError, match="no variable 'zzzz'"):
        variables["zzzz"] = 1
    assert "my_pid" in variables
    assert "my_pdi" not in variables
    assert variables.get("my_pdi") is None


def test_it_is_a_mapping_of_all_variables(variables: Variables) -> None:
    _, specs = object_types()
    assert list(variables) == list(specs)
    assert len(variables) == len(specs)
    assert dict(variables)["limit"] == 5
    assert variables.address("pair") == VariableAddress(".bss", 40, 16)
    assert variables.handle("pair") is variables.handle("pair")


def test_a_variable_of_a_map_that_was_not_made_is_an_error() -> None:
    btf, specs = object_types()
    with pytest.raises(KeyError, match=r"'my_pid' lies in '\.bss', of which this object has no map"):
        Variables(specs, btf, {})["my_pid"]


def test_a_variable_of_each_cpu_is_read_from_its_map() -> None:
    specs = {"hits": VariableSpec("hits", ".percpu", 0, 8)}
    with pytest.raises(KeyError, match=r"each CPU has its own 'hits': read the map, maps\['\.percpu'\]\[0\]"):
        Variables(specs, None, {})["hits"]


def test_without_btf_a_variable_is_its_bytes() -> None:
    _, specs = object_types()
    image = CalledImage(bytearray(b"\1\2\3\4" + bytes(92)))
    variables = Variables(specs, None, {".bss": image})
    assert variables["my_pid"] == b"\1\2\3\4"
    variables["my_pid"] = b"abcd"
    assert image.contents[:4] == b"abcd"
    assert image.writes == [0]


def test_aligned_scalars_are_one_item_of_memory_and_others_are_not(memory: mmap.mmap) -> None:
    btf, specs = object_types()
    with memoryview(memory) as buffer:
        variables = Variables(specs, btf, {".bss": MappedImage(buffer)})
        kinds = {name: type(variables.handle(name)) for name in specs if name != "limit"}
        variables.close()
    assert {name for name, kind in kinds.items() if kind is NumberVariable} == {"my_pid", "total", "enabled"}
    assert {name for name, kind in kinds.items() if kind is WholeVariable} == {"state"}


def test_after_closing_the_memory_can_be_unmapped_and_handles_say_so(memory: mmap.mmap) -> None:
    btf, specs = object_types()
    buffer = memoryview(memory)
    variables = Variables(specs, btf, {".bss": MappedImage(buffer)})
    number, state, text = (variables.handle(name) for name in ("my_pid", "state", "comm"))
    variables.close()
    buffer.release()
    memory.close()
    for handle in (number, state, text):
        with pytest.raises(ValueError, match=f"'{handle.name}' belongs to an object that is closed"):
            handle.value  # noqa: B018
        with pytest.raises(ValueError, match="closed"):
            handle.value = handle.codec.decode(bytes(16))
    with pytest.raises(ValueError, match="'pair' belongs to an object that is closed"):
        variables["pair"]
    variables.close()


def test_handles_and_variables_show_what_they_are(variables: Variables) -> None:
    assert repr(variables.handle("total")) == "<Variable long total in .bss+0x8>"
    assert repr(variables).startswith("<Variables my_pid, total, ")
