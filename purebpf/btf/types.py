"""The kinds of BTF as frozen values.

Rules: a type names others by `TypeId`, never by reference, so a type can be held without its BTF and a cyclic
BTF is no cyclic object. `match` on these classes instead of comparing kind numbers. An anonymous type has the
name "".
"""

from __future__ import annotations

from enum import IntEnum

from purebpf.frozen import frozen

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


@frozen
class Void:
    """Type 0."""

    name: str = ""


@frozen
class Int:
    """An integer of `size` bytes of which `bits` from `bit_offset` count (old-style bitfields)."""

    name: str
    size: int
    bits: int
    bit_offset: int = 0
    signed: bool = False
    char: bool = False
    boolean: bool = False


@frozen
class Pointer:
    """A pointer to `target`."""

    target: TypeId
    name: str = ""


@frozen
class Array:
    """`count` elements; `index` is the type of the index, of no consequence."""

    element: TypeId
    index: TypeId
    count: int
    name: str = ""


@frozen
class Member:
    """A member; `bitfield_size` is 0 unless the struct's kind_flag says otherwise."""

    name: str
    type: TypeId
    bit_offset: BitOffset
    bitfield_size: int = 0


@frozen
class Struct:
    """A struct; `kind_flag` tells which encoding its members' offsets have in the file."""

    name: str
    size: int
    members: tuple[Member, ...]
    kind_flag: bool = False


@frozen
class Union:
    """A union; otherwise as `Struct`."""

    name: str
    size: int
    members: tuple[Member, ...]
    kind_flag: bool = False


@frozen
class Enumerator:
    """One name and value of an enum."""

    name: str
    value: int


@frozen
class Enum:
    """ENUM and ENUM64 (`wide`); values are signed or not as `signed` says."""

    name: str
    size: int
    enumerators: tuple[Enumerator, ...]
    signed: bool = False
    wide: bool = False


@frozen
class Forward:
    """A struct or union that is declared and not defined."""

    name: str
    is_union: bool = False


@frozen
class Typedef:
    """Another name for `type`."""

    name: str
    type: TypeId


@frozen
class Volatile:
    """`volatile` before `type`."""

    type: TypeId
    name: str = ""


@frozen
class Const:
    """`const` before `type`."""

    type: TypeId
    name: str = ""


@frozen
class Restrict:
    """`restrict` behind a pointer."""

    type: TypeId
    name: str = ""


@frozen
class Function:
    """A FUNC; `type` is its FUNC_PROTO."""

    name: str
    type: TypeId
    linkage: int = Linkage.STATIC


@frozen
class Parameter:
    """A parameter; the last one of a variadic function has no name and type 0."""

    name: str
    type: TypeId


@frozen
class FunctionProto:
    return_type: TypeId
    parameters: tuple[Parameter, ...]
    name: str = ""


@frozen
class Variable:
    """A global variable."""

    name: str
    type: TypeId
    linkage: int = Linkage.STATIC


@frozen
class SectionVariable:
    """Where one VAR lies in its DATASEC."""

    type: TypeId
    offset: int
    size: int


@frozen
class DataSection:
    """An ELF section of variables; `size` is 0 where the compiler left it to the linker."""

    name: str
    size: int
    variables: tuple[SectionVariable, ...]


@frozen
class Float:
    """A floating-point number."""

    name: str
    size: int


@frozen
class DeclTag:
    """An attribute of a declaration; `component` is a member's or parameter's index, -1 the whole."""

    name: str
    type: TypeId
    component: int = -1
    kind_flag: bool = False


@frozen
class TypeTag:
    """An attribute of a type; `kind_flag` marks one that is no BTF type tag but any attribute."""

    name: str
    type: TypeId
    kind_flag: bool = False


@frozen
class Unknown:
    """A kind this library does not know, skipped with the help of the kind-layout section."""

    name: str
    kind: int
    size_or_type: int


BtfType = (
    Void | Int | Pointer | Array | Struct | Union | Enum | Forward | Typedef | Volatile | Const | Restrict
    | Function | FunctionProto | Variable | DataSection | Float | DeclTag | TypeTag | Unknown
)  # fmt: skip
