"""CO-RE for any types and records: on the object's own types nothing changes; damage ends in an error, soon."""

import tracemalloc
import weakref
from collections.abc import Callable
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from purebpf.btf import (
    Array,
    Btf,
    BtfExtWriter,
    BtfType,
    BtfWriter,
    CoreKind,
    CoreRelocation,
    Enum,
    Enumerator,
    FunctionProto,
    Int,
    Member,
    Parameter,
    Pointer,
    Struct,
    Typedef,
    Union,
)
from purebpf.errors import BpfError, RelocationError
from purebpf.plan.stages import open_object
from purebpf.plan.target import Target
from purebpf.relocate.access import FIELD_KINDS
from purebpf.relocate.core import adapt
from purebpf.relocate.resolve import Resolver
from purebpf.testing import btf_contents, btf_files
from purebpf.units import BitOffset, ByteOffset, ByteOrder, TypeId
from tests.property.bounded import bounded
from tests.writers import ObjectWriter

SECONDS = 1
MEGABYTES = 200
EXIT = {"little": b"\x95" + bytes(7), "big": b"\x95" + bytes(7)}
# The forms of instruction that a record may stand at: 8 bytes each, but for the last.
FORMS = ("mov", "load", "store", "ldimm64", "exit")
KINDS = st.sampled_from(list(CoreKind))


def instruction(form: str, value: int, size: int, byteorder: ByteOrder) -> bytes:
    """An instruction that holds `value`; a load or store moves `size` bytes."""
    order = "<" if byteorder == "little" else ">"
    bits = {4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18}[size]
    low = (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    high = (value >> 32 & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    offset = min(value, 0x7FFF)
    match form:
        case "mov":
            return pack(f"{order}BBhi", 0xB7, 0, 0, low)
        case "load":
            return pack(f"{order}BBhi", 0x61 | bits, 0, offset, 0)
        case "store":
            return pack(f"{order}BBhi", 0x63 | bits, 0, offset, 0)
        case "ldimm64":
            return pack(f"{order}BBhiBBhi", 0x18, 0, 0, low, 0, 0, 0, high)
    return EXIT[byteorder]


def target(data: bytes, byteorder: ByteOrder = "little") -> Target:
    types = Btf.parse(data, name="target")
    return Target("test", "", 0, byteorder, read_btf=lambda: types)


def object_file(
    types: tuple[BtfType, ...], records: list[tuple[int, str, CoreKind, bytes]], byteorder: ByteOrder
) -> bytes:
    """An object with one program, of the instructions that the records stand at."""
    writer = BtfWriter(byteorder=byteorder)
    for each in types:
        writer.add(each)
    ext = BtfExtWriter(writer)
    code = b""
    for type_id, access, kind, text in records:
        ext.core("socket", len(code), type_id, access, kind)
        code += text
    file = ObjectWriter(byteorder=byteorder).function("program", code + EXIT[byteorder], section="socket")
    if records:
        file.section(".BTF.ext", ext.build())
    return file.section(".BTF", writer.build()).build()


# ------------------------------------------------------------------ identity


@st.composite
def sound_types(draw: DrawFn) -> tuple[tuple[BtfType, ...], list[tuple[int, str]]]:
    """Types as a compiler lays them out, no two of one name, and the path of every member of every struct."""
    types: list[BtfType] = [Int("int", 4, 32, signed=True), Int("long", 8, 64), Int("char", 1, 8), Pointer(TypeId(1))]
    sizes = {1: 4, 2: 8, 3: 1, 4: 8}
    paths: list[tuple[int, str]] = []
    for number in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            element, count = draw(st.sampled_from(sorted(sizes))), draw(st.integers(1, 4))
            types.append(Array(TypeId(element), TypeId(1), count))
            sizes[len(types)] = sizes[element] * count
        members, bit = [], 0
        compound = draw(st.sampled_from((Struct, Union)))
        for index in range(draw(st.integers(1, 4))):
            member = draw(st.sampled_from(sorted(sizes)))
            bits = draw(st.sampled_from((0, 0, 3))) if member == 1 else 0
            place = BitOffset(0 if compound is Union else bit)
            members.append(Member(f"m{number}_{index}", TypeId(member), place, bits))
            bit += 64 * (-(-sizes[member] // 8))
        size = max(sizes[m.type] for m in members) if compound is Union else bit // 8
        named = f"s{number}"
        types.append(
            Union(named, size, tuple(members), True) if compound is Union else Struct(named, size, tuple(members), True)
        )
        sizes[len(types)] = size
        paths += [(len(types), f"0:{index}") for index in range(len(members))]
        for index, each in enumerate(members):
            inner = types[each.type - 1]
            if isinstance(inner, Array):
                paths.append((len(types), f"0:{index}:{inner.count - 1}"))
    return tuple(types), paths


@given(sound_types(), st.sampled_from(("little", "big")))
def test_on_its_own_types_every_field_is_where_it_was(
    sound: tuple[tuple[BtfType, ...], list[tuple[int, str]]], byteorder: ByteOrder
) -> None:
    types, paths = sound
    writer = BtfWriter(byteorder=byteorder)
    for each in types:
        writer.add(each)
    data = writer.build()
    resolver = Resolver(Btf.parse(data), target(data, byteorder), byteorder)
    records = []
    for type_id, access in paths:
        for kind in FIELD_KINDS:
            try:
                decision = resolver.decide(CoreRelocation(ByteOffset(0), TypeId(type_id), access, kind))
            except RelocationError as error:
                assert "of an array's element" in str(error)  # noqa: PT017
                continue
            assert decision.target is not None
            assert decision.target.number == decision.local.number
            assert decision.resizable
            if decision.local.number > 0x7FFFFFFF:
                continue  # The shift of what is larger than a register: no instruction can hold it.
            form = "load" if kind is CoreKind.FIELD_BYTE_OFFSET and decision.local.size in (1, 2, 4, 8) else "mov"
            size = decision.local.size if form == "load" else 8
            records.append((type_id, access, kind, instruction(form, decision.local.number, size, byteorder)))
    spec = open_object(object_file(types, records, byteorder), name="any")
    adapted = adapt(spec, ["program"], target(data, byteorder))
    assert adapted.functions["program"].code == spec.functions["program"].code
    assert len(adapted.fixups["program"]) == len(records)
    assert not any(fixup.poisoned for fixup in adapted.fixups["program"])


# ------------------------------------------------------------------ damage


@st.composite
def objects(draw: DrawFn) -> bytes:
    """Types and records that make sense only by chance."""
    contents = draw(btf_contents())
    indices = st.integers(0, 3).map(str) | st.sampled_from(
        ("0", "2147483647", "4294967296", "-1", "", "x", "99999999999")
    )
    paths = st.lists(indices, min_size=1, max_size=6).map(":".join) | st.text(max_size=5) | st.just("0:" * 80 + "0")
    records = []
    for _ in range(draw(st.integers(1, 4))):
        form = draw(st.sampled_from(FORMS))
        text = instruction(
            form, draw(st.integers(0, 2**64 - 1)), draw(st.sampled_from((1, 2, 4, 8))), contents.byteorder
        )
        access = draw(paths).replace("\0", "").encode("utf-8", "replace").decode()
        records.append((draw(st.integers(0, len(contents.types))), access, draw(KINDS), text))
    return object_file(contents.types, records, contents.byteorder)


def attempt(data: bytes, types: bytes) -> str:
    with bounded(SECONDS * 5):
        try:
            spec = open_object(data, name="any")
            adapted = adapt(spec, list(spec.programs), target(types, spec.byteorder))
        except BpfError as error:
            assert str(error)  # noqa: PT017
            return "refused"
    code = adapted.functions["program"].code
    assert len(code) == len(spec.functions["program"].code)
    for fixup in adapted.fixups.get("program", ()):
        assert fixup.decision.question
        if fixup.poisoned:
            assert code[8 * fixup.insn] == 0x85
    return "adapted"


@given(objects(), btf_files())
def test_records_that_make_no_sense_are_carried_out_or_refused(data: bytes, types: bytes) -> None:
    attempt(data, types)


@given(objects())
def test_an_object_stands_its_own_types_as_the_targets(data: bytes) -> None:
    section = open_section(data)
    if section is not None:
        attempt(data, section)


def open_section(data: bytes) -> bytes | None:
    try:
        spec = open_object(data, name="any")
    except BpfError:
        return None
    return spec.btf.raw if spec.btf is not None else None


# ------------------------------------------------------------------ deep, cyclic, huge

INT = Int("int", 4, 32)
DEPTH = 100_000


def _member(name: str, type_id: int, place: int = 0) -> Member:
    return Member(name, TypeId(type_id), BitOffset(place))


def deep_typedefs() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    chain: list[BtfType] = [INT, *(Typedef(f"t{n}", TypeId(n + 1)) for n in range(DEPTH))]
    return chain, [(len(chain), "0", CoreKind.TYPE_SIZE), (len(chain), "0:0", CoreKind.FIELD_EXISTS)]


def deep_pointers() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    chain: list[BtfType] = [INT, *(Pointer(TypeId(n + 1)) for n in range(DEPTH))]
    chain.append(Typedef("deep", TypeId(len(chain))))
    return chain, [(len(chain), "0", CoreKind.TYPE_EXISTS), (len(chain), "0", CoreKind.TYPE_MATCHES)]


def deep_anonymous_structs() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    nested: list[BtfType] = [INT, Struct("s0", 4, (_member("x", 1),))]
    nested += [Struct("" if n < DEPTH - 1 else "outer", 4, (_member("", n + 2),)) for n in range(DEPTH)]
    return nested, [
        (len(nested), "0:0:0", CoreKind.FIELD_EXISTS),
        (len(nested), "0" + ":0" * 70, CoreKind.FIELD_EXISTS),
    ]


def deep_structs() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    nested: list[BtfType] = [INT, *(Struct(f"s{n}", 4, (_member("m", n + 1),)) for n in range(DEPTH))]
    return nested, [(len(nested), "0", CoreKind.TYPE_MATCHES), (len(nested), "0:0:0:0", CoreKind.FIELD_BYTE_OFFSET)]


def deep_functions() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    nested: list[BtfType] = [INT]
    for n in range(DEPTH // 10):
        twice = Parameter("", TypeId(n + 1))
        nested.append(FunctionProto(TypeId(1), (twice, twice)))
    nested.append(Typedef("deep", TypeId(len(nested))))
    return nested, [(len(nested), "0", CoreKind.TYPE_EXISTS), (len(nested), "0", CoreKind.TYPE_MATCHES)]


def cycles() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    types: list[BtfType] = [
        Struct("self", 4, (_member("", 1), _member("m", 1))),
        Typedef("endless", TypeId(2)),
        Array(TypeId(3), TypeId(1), 2),
        Struct("arrays", 4, (_member("a", 3),)),
        Struct("one", 4, (_member("a", 6), _member("b", 6), _member("c", 6))),
        Struct("two", 4, (_member("a", 5), _member("b", 5), _member("c", 5))),
    ]
    whole = [(n, "0", kind) for n in (1, 2, 4, 5) for kind in (CoreKind.TYPE_MATCHES, CoreKind.TYPE_SIZE)]
    return types, [*whole, (1, "0:0:0:1", CoreKind.FIELD_BYTE_SIZE), (2, "0:1", CoreKind.FIELD_EXISTS),
                   (4, "0:0:1", CoreKind.FIELD_BYTE_OFFSET)]  # fmt: skip


def huge_structs() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    wide = Struct("wide", 4 * 65535, tuple(_member(f"m{n}", 1, 32 * n) for n in range(65535)))
    return [INT, wide], [(2, "0", CoreKind.TYPE_MATCHES), (2, "0:65534", CoreKind.FIELD_BYTE_OFFSET)]


def one_name_all_over() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    # Each local member is compared with each of the target's; the last of the target alone matches.
    others = tuple(_member("m", 2) for _ in range(4000))
    types: list[BtfType] = [INT, Int("char", 1, 8), Struct("same", 4, (*others, _member("m", 1)))]
    return types, [(3, "0", CoreKind.TYPE_MATCHES)]


def huge_enums() -> tuple[list[BtfType], list[tuple[int, str, CoreKind]]]:
    enum = Enum("wide", 4, tuple(Enumerator(f"e{n}", n) for n in range(65535)))
    return [enum], [(1, str(n), CoreKind.ENUMVAL_EXISTS) for n in range(0, 65535, 64)]


MOST_TIMED = 4
SHAPES = (deep_typedefs, deep_pointers, deep_anonymous_structs, deep_structs, deep_functions, cycles, huge_structs,
          one_name_all_over, huge_enums)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_deep_cyclic_and_huge_types_end_soon_and_in_little_memory(
    shape: Callable[[], tuple[list[BtfType], list[tuple[int, str, CoreKind]]]],
) -> None:
    types, records = shape()
    writer = BtfWriter()
    for each in types:
        writer.add(each)
    data = writer.build()
    # A shape asks several things; each of them has to end soon, on types that nobody has looked at before.
    answers = []
    for record in records[:MOST_TIMED]:
        with bounded(SECONDS):
            answers += asked(data, [record])
    assert all(len(answer) < 2000 for answer in answers)
    tracemalloc.start()
    try:
        asked(data, records)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEGABYTES << 20


def asked(data: bytes, records: list[tuple[int, str, CoreKind]]) -> list[str]:
    """What comes of each record, on the object's own types."""
    resolver, answers = Resolver(Btf.parse(data), target(data), "little"), []
    for type_id, access, kind in records:
        try:
            answers.append(resolver.decide(CoreRelocation(ByteOffset(0), TypeId(type_id), access, kind)).question)
        except BpfError as error:
            answers.append(str(error))
    return answers


def test_what_was_found_out_goes_with_the_types() -> None:
    writer = BtfWriter()
    writer.add(INT)
    writer.add(Struct("s", 4, (_member("m", 1),)))
    data = writer.build()
    local, kernel = Btf.parse(data), target(data)
    record = CoreRelocation(ByteOffset(0), TypeId(2), "0:0", CoreKind.FIELD_BYTE_OFFSET)
    assert Resolver(local, kernel, "little").decide(record).target is not None
    assert kernel.btf is not None
    objects_types, kernels_types = weakref.ref(local), weakref.ref(kernel.btf)
    del local
    assert objects_types() is None
    del kernel
    assert kernels_types() is None
