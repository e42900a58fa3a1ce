"""The ids that a type refers to, and a type with other ones: what merging, cutting and sorting types need."""

from collections.abc import Callable, Iterator

from purebpf.btf.types import (
    Array,
    BtfType,
    Const,
    DataSection,
    DeclTag,
    Function,
    FunctionProto,
    Member,
    Parameter,
    Pointer,
    Restrict,
    SectionVariable,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
    Volatile,
)
from purebpf.units import TypeId


def references(kind: BtfType) -> Iterator[TypeId]:
    """The ids that a type refers to, in the order of its record; void is among them as 0."""
    match kind:
        case Pointer(target=target):
            yield target
        case Array(element=element, index=index):
            yield element
            yield index
        case Struct(members=members) | Union(members=members):
            yield from [member.type for member in members]
        case FunctionProto(return_type=result, parameters=parameters):
            yield result
            yield from [parameter.type for parameter in parameters]
        case DataSection(variables=variables):
            yield from [variable.type for variable in variables]
        case Typedef() | Volatile() | Const() | Restrict() | Function() | Variable() | DeclTag() | TypeTag():
            yield kind.type


def with_references(kind: BtfType, new: Callable[[TypeId], TypeId]) -> BtfType:
    """The same type with each id that it refers to replaced by what `new` gives for it."""
    match kind:
        case Pointer(target=target):
            return Pointer(new(target))
        case Array(element=element, index=index, count=count):
            return Array(new(element), new(index), count)
        case Struct(name=name, size=size, members=members, kind_flag=flag):
            return Struct(name, size, _members(members, new), flag)
        case Union(name=name, size=size, members=members, kind_flag=flag):
            return Union(name, size, _members(members, new), flag)
        case FunctionProto(return_type=result, parameters=parameters):
            return FunctionProto(new(result), tuple([Parameter(each.name, new(each.type)) for each in parameters]))
        case DataSection(name=name, size=size, variables=variables):
            placed = [SectionVariable(new(each.type), each.offset, each.size) for each in variables]
            return DataSection(name, size, tuple(placed))
    return _with_one_reference(kind, new)


def _with_one_reference(kind: BtfType, new: Callable[[TypeId], TypeId]) -> BtfType:
    match kind:
        case Typedef(name=name, type=target):
            return Typedef(name, new(target))
        case Volatile(type=target):
            return Volatile(new(target))
        case Const(type=target):
            return Const(new(target))
        case Restrict(type=target):
            return Restrict(new(target))
        case Function(name=name, type=target, linkage=linkage):
            return Function(name, new(target), linkage)
        case Variable(name=name, type=target, linkage=linkage):
            return Variable(name, new(target), linkage)
        case DeclTag(name=name, type=target, component=component, kind_flag=flag):
            return DeclTag(name, new(target), component, flag)
        case TypeTag(name=name, type=target, kind_flag=flag):
            return TypeTag(name, new(target), flag)
    return kind


def _members(members: tuple[Member, ...], new: Callable[[TypeId], TypeId]) -> tuple[Member, ...]:
    return tuple([Member(each.name, new(each.type), each.bit_offset, each.bitfield_size) for each in members])
