"""The stage `sanitize`: the object's types as this kernel can take them.

Rules: type ids never change, because maps and records refer to them; a kind that the kernel does not know
becomes one that it knows, of the same size where a size matters. Without anything to change the bytes are the
file's.
"""

from collections.abc import Callable
from typing import Final

from purebpf.btf import (
    Btf,
    BtfType,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Function,
    FunctionProto,
    Int,
    Kind,
    Linkage,
    Member,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
)
from purebpf.plan.target import Feature, Target
from purebpf.units import BitOffset, TypeId

# On Python 3.11 a member looked up on its enum class costs 0.5 us.
_BTF: Final = Feature.BTF

_Replacement = Callable[[Btf, BtfType], BtfType]


def sanitize(btf: Btf, target: Target) -> bytes | None:
    """The bytes to hand to the kernel; None if it takes no BTF at all."""
    if not target.supports(_BTF):
        return None
    # As in libbpf every feature is asked for once: on a kernel that has them all no type is looked at.
    lacking = [row for row in _REPLACEMENTS if not target.supports(row[0])]
    kinds = btf.kinds() if lacking else set()
    missing = [replacement for _, needed_by, replacement in lacking if needed_by(btf, kinds)]
    drop_layout = btf.kind_layout is not None and not target.supports(Feature.BTF_LAYOUT)
    if not missing and not drop_layout:
        return btf.raw
    # Loaded here because few objects on few kernels need it.
    from purebpf.btf import rewrite

    def replace(_: TypeId, found: BtfType) -> BtfType:
        for replacement in missing:
            found = replacement(btf, found)
        return found

    return rewrite(btf, replace, kind_layout=not drop_layout)


def _function_to_typedef(_: Btf, found: BtfType) -> BtfType:
    match found:
        case Function(name=name, type=proto):
            return Typedef(name, proto)
        case FunctionProto():
            return Enum("", 4, ())
    return found


def _data_to_struct(btf: Btf, found: BtfType) -> BtfType:
    match found:
        case Variable():
            # What matters is only that the type exists: one byte fits into any section.
            return Int(found.name, 1, 8)
        case DataSection(name=name, size=size, variables=variables):
            members = tuple(
                Member(btf.name_of(entry.type), entry.type, BitOffset(entry.offset * 8)) for entry in variables
            )
            return Struct(name.replace(".", "_").replace("?", "_"), size, members)
    return found


def _function_to_static(_: Btf, found: BtfType) -> BtfType:
    return Function(found.name, found.type, Linkage.STATIC) if isinstance(found, Function) else found


def _float_to_struct(_: Btf, found: BtfType) -> BtfType:
    return Struct("", found.size, ()) if isinstance(found, Float) else found


def _decl_tag_to_int(_: Btf, found: BtfType) -> BtfType:
    return Int(found.name, 1, 8) if isinstance(found, DeclTag) else found


def _type_tag_to_const(_: Btf, found: BtfType) -> BtfType:
    return Const(found.type) if isinstance(found, TypeTag) else found


def _wide_enum_to_union(_: Btf, found: BtfType) -> BtfType:
    match found:
        case Enum(wide=True, name=name, size=size):
            # Nothing refers to the values of an enumeration, so a type of the same size is enough.
            return Union(name, size, ())
        case Enum(signed=True):
            # The same 32 bits: before 6.0 nothing said how they are meant.
            same_bits = tuple(Enumerator(item.name, item.value & 0xFFFF_FFFF) for item in found.enumerators)
            return Enum(found.name, found.size, same_bits)
    return found


def _without_question_mark(_: Btf, found: BtfType) -> BtfType:
    if isinstance(found, DataSection) and found.name.startswith("?"):
        return DataSection("_" + found.name[1:], found.size, found.variables)
    return found


def _has(*wanted: Kind) -> Callable[[Btf, set[int]], bool]:
    return lambda _, kinds: not kinds.isdisjoint(wanted)


def _has_global_function(btf: Btf, kinds: set[int]) -> bool:
    return Kind.FUNC in kinds and any(
        isinstance(found, Function) and found.linkage == Linkage.GLOBAL
        for found in (btf[type_id] for type_id in btf.ids() if btf.kind(type_id) == Kind.FUNC)
    )


def _has_question_mark(btf: Btf, kinds: set[int]) -> bool:
    return Kind.DATASEC in kinds and any(
        btf.name_of(type_id).startswith("?") for type_id in btf.ids() if btf.kind(type_id) == Kind.DATASEC
    )


def _has_signed_or_wide_enum(btf: Btf, kinds: set[int]) -> bool:
    return Kind.ENUM64 in kinds or (
        Kind.ENUM in kinds
        and any(
            isinstance(found, Enum) and found.signed
            for found in (btf[type_id] for type_id in btf.ids() if btf.kind(type_id) == Kind.ENUM)
        )
    )


_REPLACEMENTS: Final[tuple[tuple[Feature, Callable[[Btf, set[int]], bool], _Replacement], ...]] = (
    (Feature.BTF_FUNC, _has(Kind.FUNC, Kind.FUNC_PROTO), _function_to_typedef),
    (Feature.BTF_GLOBAL_FUNC, _has_global_function, _function_to_static),
    (Feature.BTF_DATASEC, _has(Kind.VAR, Kind.DATASEC), _data_to_struct),
    (Feature.BTF_QMARK_DATASEC, _has_question_mark, _without_question_mark),
    (Feature.BTF_FLOAT, _has(Kind.FLOAT), _float_to_struct),
    (Feature.BTF_DECL_TAG, _has(Kind.DECL_TAG), _decl_tag_to_int),
    (Feature.BTF_TYPE_TAG, _has(Kind.TYPE_TAG), _type_tag_to_const),
    (Feature.BTF_ENUM64, _has_signed_or_wide_enum, _wide_enum_to_union),
)
