"""The kinds of BTF as frozen values.

Rules: a type names others by `TypeId`, never by reference, so a type can be held without its BTF and a cyclic
BTF is no cyclic object. `match` on these classes instead of comparing kind numbers. An anonymous type has the
name "".
"""

from __future__ import annotations

from purebpf.enums import IntEnum
from purebpf.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.units import BitOffset, TypeId


class Kind(IntEnum):
    """BTF_KIND_* of uapi/linux/btf.h."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


class Linkage(IntEnum):
    """Of functions and variables."""

    STATIC = 0
    GLOBAL = 1
    EXTERN = 2


class Void(Frozen):
    """Type 0."""

    name: str = ""


class Int(Frozen):
    """An integer of `size` bytes of which `bits` from `bit_offset` count (old-style bitfields)."""

    name: str
    size: int
    bits: int
    bit_offset: int = 0
    signed: bool = False
    char: bool = False
    boolean: bool = False


class Pointer(Frozen):
    """A pointer to `target`."""

    target: TypeId
    name: str = ""


class Array(Frozen):
    """`count` elements; `index` is the type of the index, of no consequence."""

    element: TypeId
    index: TypeId
    count: int
    name: str = ""


class Member(Frozen):
    """A member; `bitfield_size` is 0 unless the struct's kind_flag says otherwise."""

    name: str
    type: TypeId
    bit_offset: BitOffset
    bitfield_size: int = 0


class Struct(Frozen):
    """A struct; `kind_flag` tells which encoding its members' offsets have in the file."""

    name: str
    size: int
    members: tuple[Member, ...]
    kind_flag: bool = False


class Union(Frozen):
    """A union; otherwise as `Struct`."""

    name: str
    size: int
    members: tuple[Member, ...]
    kind_flag: bool = False


class Enumerator(Frozen):
    """One name and value of an enum."""

    name: str
    value: int


class Enum(Frozen):
    """ENUM and ENUM64 (`wide`); values are signed or not as `signed` says."""

    name: str
    size: int
    enumerators: tuple[Enumerator, ...]
    signed: bool = False
    wide: bool = False


class Forward(Frozen):
    """A struct or union that is declared and not defined."""

    name: str
    is_union: bool = False


class Typedef(Frozen):
    """Another name for `type`."""

    name: str
    type: TypeId


class Volatile(Frozen):
    """`volatile` before `type`."""

    type: TypeId
    name: str = ""


class Const(Frozen):
    """`const` before `type`."""

    type: TypeId
    name: str = ""


class Restrict(Frozen):
    """`restrict` behind a pointer."""

    type: TypeId
    name: str = ""


class Function(Frozen):
    """A FUNC; `type` is its FUNC_PROTO."""

    name: str
    type: TypeId
    linkage: int = Linkage.STATIC


class Parameter(Frozen):
    """A parameter; the last one of a variadic function has no name and type 0."""

    name: str
    type: TypeId


class FunctionProto(Frozen):
    return_type: TypeId
    parameters: tuple[Parameter, ...]
    name: str = ""


class Variable(Frozen):
    """A global variable."""

    name: str
    type: TypeId
    linkage: int = Linkage.STATIC


class SectionVariable(Frozen):
    """Where one VAR lies in its DATASEC."""

    type: TypeId
    offset: int
    size: int


class DataSection(Frozen):
    """An ELF section of variables; `size` is 0 where the compiler left it to the linker."""

    name: str
    size: int
    variables: tuple[SectionVariable, ...]


class Float(Frozen):
    """A floating-point number."""

    name: str
    size: int


class DeclTag(Frozen):
    """An attribute of a declaration; `component` is a member's or parameter's index, -1 the whole."""

    name: str
    type: TypeId
    component: int = -1
    kind_flag: bool = False


class TypeTag(Frozen):
    """An attribute of a type; `kind_flag` marks one that is no BTF type tag but any attribute."""

    name: str
    type: TypeId
    kind_flag: bool = False


class Unknown(Frozen):
    """A kind this library does not know, skipped with the help of the kind-layout section."""

    name: str
    kind: int
    size_or_type: int


BtfType = (
    Void | Int | Pointer | Array | Struct | Union | Enum | Forward | Typedef | Volatile | Const | Restrict
    | Function | FunctionProto | Variable | DataSection | Float | DeclTag | TypeTag | Unknown
)  # fmt: skip
