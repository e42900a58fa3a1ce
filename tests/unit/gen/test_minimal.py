"""The part of a kernel's BTF that CO-RE needs: enough, and no more."""

import pytest

import purebpf
from purebpf.btf import (
    Array,
    Btf,
    BtfType,
    BtfWriter,
    Const,
    CoreKind,
    Enum,
    Enumerator,
    Int,
    Member,
    Pointer,
    Struct,
    Typedef,
    Union,
)
from purebpf.errors import RelocationError
from purebpf.gen.minimal import minimal_btf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0
from purebpf.relocate.core import adapt
from purebpf.spec.model import ObjectSpec
from purebpf.units import BitOffset, TypeId
from tests.writers import TypedObjectWriter

INT = Int("int", 4, 32, signed=True)


def _member(name: str, type_id: int, byte: int = 0) -> Member:
    return Member(name, TypeId(type_id), BitOffset(8 * byte))


def _btf(*types: BtfType) -> Btf:
    """A BTF of the types, whose ids begin with 1."""
    writer = BtfWriter()
    for each in types:
        writer.add(each)
    return Btf.parse(writer.build(), name="kernel")


TASK = (
    INT,
    Struct("inner", 8, (_member("a", 1), _member("b", 1, 4))),
    Pointer(TypeId(5)),
    Array(TypeId(1), TypeId(1), 4),
    Struct("task", 48, (_member("pid", 1), _member("inner", 2, 8), _member("next", 3, 16), _member("list", 4, 24),
                        _member("", 6, 40))),
    Union("", 8, (_member("", 7), _member("alone", 1))),
    Struct("", 8, (_member("x", 1), _member("deep", 1, 4))),
)  # fmt: skip


def _kept(data: bytes) -> dict[str, BtfType]:
    btf = Btf.parse(data)
    return {f"{btf.kind(i)!s}:{btf.name_of(i)}": btf[i] for i in btf.ids()}


def _names(kind: BtfType) -> list[str]:
    assert isinstance(kind, Struct | Union)
    return [member.name for member in kind.members]


@pytest.fixture
def kernel() -> Btf:
    return _btf(*TASK)


def _asking(
    *asked: tuple[str, CoreKind], types: tuple[BtfType, ...] = TASK, root: int = 5, holding: tuple[int, ...] = ()
) -> ObjectSpec:
    """An object with `types` that asks of type `root` by each access, an instruction each."""
    # Without a license nothing is added before the test's types, so that the ids in them are right.
    file = TypedObjectWriter(license=None)
    for each in types:
        file.types.add(each)
    code = Assembler()
    for number in range(len(asked)):
        code.mov(R0, holding[number] if holding else 0)
    file.function("entry", code.exit(), section="socket")
    for number, (access, kind) in enumerate(asked):
        file.records.core("socket", 8 * number, root, access, kind)
    return purebpf.open(file.build(), name="asking")


OFFSET = CoreKind.FIELD_BYTE_OFFSET


def test_of_a_struct_only_the_members_that_are_asked_for_are_kept_in_their_places(kernel: Btf) -> None:
    kept = _kept(minimal_btf([_asking(("0:1:1", OFFSET))], kernel))
    assert set(kept) == {"1:int", "4:inner", "4:task"}
    assert kept["4:task"] == Struct("task", 48, (_member("inner", 2, 8),))
    assert kept["4:inner"] == Struct("inner", 8, (_member("b", 1, 4),))


def test_a_pointer_is_kept_without_what_it_points_to(kernel: Btf) -> None:
    data = minimal_btf([_asking(("0:2", OFFSET))], kernel)
    assert _kept(data)["2:"] in (Pointer(TypeId(0)), Pointer(TypeId(2)))
    other = (INT, Struct("elsewhere", 4, (_member("x", 1),)), Pointer(TypeId(2)), Struct("s", 8, (_member("p", 3),)))
    assert set(_kept(minimal_btf([_asking(("0:0", OFFSET), types=other, root=4)], _btf(*other)))) == {"2:", "4:s"}


def test_the_way_through_anonymous_members_is_kept(kernel: Btf) -> None:
    spec = _asking(("0:4:0:1", OFFSET))
    data = minimal_btf([spec], kernel)
    kept = Btf.parse(data)
    task = kept[kept.find_one("task") or 0]
    union = kept[task.members[0].type] if isinstance(task, Struct) else None
    inner = kept[union.members[0].type] if isinstance(union, Union) else None
    assert inner is not None
    assert (_names(task), _names(inner)) == ([""], ["deep"])


def test_an_array_is_kept_with_its_elements_type(kernel: Btf) -> None:
    kept = _kept(minimal_btf([_asking(("0:3:2", OFFSET))], kernel))
    assert set(kept) == {"1:int", "3:", "4:task"}


def test_a_type_that_is_asked_for_ends_at_the_names_of_structs(kernel: Btf) -> None:
    kept = _kept(minimal_btf([_asking(("0", CoreKind.TYPE_EXISTS), ("0", CoreKind.TYPE_SIZE))], kernel))
    assert kept == {"4:task": Struct("task", 48, ())}


def test_a_type_that_must_match_is_kept_whole(kernel: Btf) -> None:
    kept = _kept(minimal_btf([_asking(("0", CoreKind.TYPE_MATCHES))], kernel))
    assert _names(kept["4:task"]) == ["pid", "inner", "next", "list", ""]
    assert _names(kept["4:inner"]) == ["a", "b"]


def test_of_an_enum_all_is_kept_if_a_value_is_asked_for_and_nothing_but_its_size_if_not() -> None:
    color = Enum("color", 4, (Enumerator("RED", 0), Enumerator("BLUE", 7)))
    types = (color, Struct("s", 4, (_member("c", 1),)))
    asked = _asking(("1", CoreKind.ENUMVAL_VALUE), types=types, root=1)
    assert _kept(minimal_btf([asked], _btf(*types)))["6:color"] == color
    field = _asking(("0:0", OFFSET), types=types, root=2)
    assert _kept(minimal_btf([field], _btf(*types)))["6:color"] == Enum("color", 4, ())


def test_typedefs_and_qualifiers_on_the_way_are_kept() -> None:
    types = (INT, Struct("s", 4, (_member("x", 1),)), Const(TypeId(2)), Typedef("s_t", TypeId(3)))
    kept = _kept(minimal_btf([_asking(("0:0", OFFSET), types=types, root=4)], _btf(*types)))
    assert set(kept) == {"1:int", "4:s", "10:", "8:s_t"}


def test_what_is_not_in_the_kernel_adds_nothing(kernel: Btf) -> None:
    other = (INT, Struct("unheard_of", 4, (_member("x", 1),)))
    data = minimal_btf([_asking(("0:0", OFFSET), types=other, root=2)], kernel)
    assert len(Btf.parse(data)) == 1


def test_several_objects_share_what_they_need(kernel: Btf) -> None:
    one, two = _asking(("0:0", OFFSET)), _asking(("0:1:0", OFFSET), ("0:0", CoreKind.FIELD_BYTE_SIZE))
    task = _kept(minimal_btf([one, two], kernel))["4:task"]
    assert _names(task) == ["pid", "inner"]


def test_an_ambiguous_record_is_an_error_that_names_object_and_function() -> None:
    twice = _btf(INT, Struct("s", 4, (_member("x", 1),)), Struct("s", 8, (_member("x", 1, 4),)))
    spec = _asking(("0:0", OFFSET), types=(INT, Struct("s", 4, (_member("x", 1),))), root=2)
    with pytest.raises(RelocationError, match=r"(?s)ambiguous.*in function 'entry' of 'asking'"):
        minimal_btf([spec], twice)


def test_the_types_of_a_module_alone_are_refused(kernel: Btf) -> None:
    writer = BtfWriter(base=kernel)
    writer.add(Struct("m", 0, ()))
    with pytest.raises(ValueError, match="of a module"):
        minimal_btf([], Btf.parse(writer.build(), base=kernel))


def test_the_same_code_comes_of_the_cut_types(kernel: Btf) -> None:
    asked = ("0:0", OFFSET), ("0:1:1", OFFSET), ("0:4:0:1", OFFSET), ("0:3:3", OFFSET)
    spec = _asking(*asked, holding=(0, 12, 44, 36))
    whole = purebpf.Target.from_btf(kernel.raw)
    cut = purebpf.Target.from_btf(minimal_btf([spec], kernel))
    assert adapt(spec, ["entry"], cut).functions == adapt(spec, ["entry"], whole).functions
