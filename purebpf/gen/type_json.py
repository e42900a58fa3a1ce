"""One type as JSON's values: what it is, and where each part of it lies.

Rules: the keys of a kind are always all there, and only added to from version to version. `bit_offset` counts from
the beginning of the outermost type, `offset` is the byte in which that bit lies, `bits` the width of a bitfield or
null. Anonymous structs and unions show their members in place; a type with a name is named, as C writes it.
"""

from typing import Any

from purebpf.btf.decl import type_name
from purebpf.btf.layout import align_of, bit_place, is_packed, size_of
from purebpf.btf.lookup import resolve
from purebpf.btf.reader import Btf
from purebpf.btf.types import (
    Array,
    DataSection,
    DeclTag,
    Enum,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Kind,
    Linkage,
    Member,
    Pointer,
    Struct,
    Typedef,
    Union,
    Variable,
)
from purebpf.errors import BtfError

Json = dict[str, Any]

_MAX_NESTING = 40
_MAX_MEMBERS = 100_000


def type_json(btf: Btf, type_id: int) -> Json:
    """The type as JSON's values; BtfError where the BTF makes no sense."""
    kind = btf[type_id]
    head: Json = {
        "id": int(type_id),
        "name": kind.name,
        "kind": Kind(btf.kind(type_id)).name.lower(),
        "c": type_name(btf, type_id),
    }
    match kind:
        case Struct() | Union():
            members = _Members(btf).listed(type_id, kind)
            return head | _layout(btf, type_id) | {"packed": is_packed(btf, type_id), "members": members}
        case Enum(signed=signed, enumerators=values):
            listed = [{"name": each.name, "value": each.value} for each in values]
            return head | _layout(btf, type_id) | {"signed": signed, "values": listed}
        case Int(bits=bits, signed=signed, char=char, boolean=boolean):
            encoding = {"bits": bits, "signed": signed, "char": char, "bool": boolean}
            return head | _layout(btf, type_id) | encoding
        case Array(element=element, count=count):
            return head | _layout(btf, type_id) | {"element": _named(btf, element), "count": count}
        case Pointer(target=target):
            return head | _layout(btf, type_id) | {"target": _named(btf, target)}
        case Float():
            return head | _layout(btf, type_id)
        case FunctionProto() | Function():
            return head | _prototype(btf, kind)
        case Variable(type=target, linkage=linkage):
            return head | {"type": _named(btf, target), "linkage": _linkage(linkage), "size": size_of(btf, target)}
        case DataSection(size=size, variables=variables):
            placed = [
                {"name": btf.name_of(each.type), "id": int(each.type), "offset": each.offset, "size": each.size}
                for each in variables
            ]
            return head | {"size": size, "variables": placed}
        case Forward(is_union=is_union):
            return head | {"declares": "union" if is_union else "struct"}
        case DeclTag(type=target, component=component):
            return head | {"type": _named(btf, target), "component": component}
        case Typedef(type=target):
            return head | {"type": _named(btf, target), "resolved": _resolved(btf, target)}
    return head | ({"type": _named(btf, kind.type)} if hasattr(kind, "type") else {})


def _resolved(btf: Btf, type_id: int) -> Json:
    """The type behind typedefs and qualifiers, in full: what someone who asks for a typedef wants to see."""
    return type_json(btf, resolve(btf, type_id))


def _named(btf: Btf, type_id: int) -> Json:
    return {"id": int(type_id), "c": type_name(btf, type_id)}


def _layout(btf: Btf, type_id: int) -> Json:
    return {"size": size_of(btf, type_id), "align": align_of(btf, type_id)}


def _linkage(linkage: int) -> str:
    return Linkage(linkage).name.lower() if linkage in Linkage._value2member_map_ else str(linkage)


def _prototype(btf: Btf, kind: Function | FunctionProto) -> Json:
    linkage: Json = {}
    if isinstance(kind, Function):
        linkage = {"linkage": _linkage(kind.linkage)}
        found = btf[kind.type]
        if not isinstance(found, FunctionProto):
            raise BtfError(f"function '{kind.name}' has no prototype", file=btf.name, section=".BTF")
        kind = found
    parameters = list(kind.parameters)
    variadic = bool(parameters) and not parameters[-1].type
    listed = [{"name": each.name, "type": _named(btf, each.type)} for each in parameters[: len(parameters) - variadic]]
    return linkage | {"returns": _named(btf, kind.return_type), "parameters": listed, "variadic": variadic}


class _Members:
    """Lists the members of one type, counting them."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._count = 0

    def listed(self, type_id: int, kind: Struct | Union, begin: int = 0, nesting: int = 0) -> list[Json]:
        self._count += len(kind.members)
        if nesting > _MAX_NESTING or self._count > _MAX_MEMBERS:
            what = "is nested too deeply" if nesting > _MAX_NESTING else "has too many members"
            raise BtfError(f"type {type_id} {what}", file=self._btf.name, section=".BTF")
        return [self._member(member, begin, nesting) for member in kind.members]

    def _member(self, member: Member, begin: int, nesting: int) -> Json:
        btf = self._btf
        bit, width = bit_place(btf, member)
        inner_id = resolve(btf, member.type)
        place = {
            "name": member.name,
            "type": _named(btf, member.type),
            "offset": (begin + bit) // 8,
            "bit_offset": begin + bit,
            "bits": width or None,
            "size": size_of(btf, member.type),
        }
        inner = btf[inner_id]
        if isinstance(inner, Struct | Union) and not inner.name:
            place["kind"] = "struct" if isinstance(inner, Struct) else "union"
            place["members"] = self.listed(inner_id, inner, begin + bit, nesting + 1)
        return place
