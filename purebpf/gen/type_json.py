"""One type as JSON's values: what it is, and where each part of it lies.

Rules: the keys of a kind are always all there, and only added to from version to version. `bit_offset` counts from
the beginning of the outermost type, `offset` is the byte in which that bit lies, `bits` the width of a bitfield or
null. Anonymous structs and unions show their members in place; a type with a name is named, as C writes it. All that is
listed counts towards one limit, for a damaged BTF can describe more than any memory holds.
"""

from collections.abc import Sequence
from typing import Any

from purebpf.btf.decl import type_name
from purebpf.btf.layout import align_of, bit_place, is_packed, size_of
from purebpf.btf.lookup import resolve
from purebpf.btf.reader import Btf
from purebpf.btf.types import (
    Array,
    BtfType,
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
    SectionVariable,
    Struct,
    Typedef,
    Union,
    Variable,
)
from purebpf.errors import BtfError

Json = dict[str, Any]

_MAX_NESTING = 40
_MAX_PARTS = 50_000
_MAX_TEXT = 8 << 20
"""Characters of the names of types."""


def type_json(btf: Btf, type_id: int) -> Json:
    """The type as JSON's values; BtfError where the BTF makes no sense."""
    return TypesJson(btf).shown(type_id)


class TypesJson:
    """Types of one BTF as JSON's values, as many as have 50 000 members, values, parameters and variables together."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._parts_left = _MAX_PARTS
        self._text_left = _MAX_TEXT
        self._names: dict[int, str] = {}
        self._alignments: dict[int, int] = {}

    def shown(self, type_id: int) -> Json:
        """One type; BtfError where the BTF makes no sense, or where it is too much."""
        kind = self._btf[type_id]
        word = Kind(self._btf.kind(type_id)).name.lower()
        head: Json = {"id": int(type_id), "name": kind.name, "kind": word, "c": self._c(type_id)}
        return head | self._body(type_id, kind)

    def _body(self, type_id: int, kind: BtfType) -> Json:
        match kind:
            case Struct() | Union():
                packed = is_packed(self._btf, type_id, self._alignments)
                return self._layout(type_id) | {"packed": packed, "members": self._members(type_id, kind)}
            case Enum(signed=signed, enumerators=values):
                self._spend(type_id, len(values))
                listed = [{"name": each.name, "value": each.value} for each in values]
                return self._layout(type_id) | {"signed": signed, "values": listed}
            case Int(bits=bits, signed=signed, char=char, boolean=boolean):
                return self._layout(type_id) | {"bits": bits, "signed": signed, "char": char, "bool": boolean}
            case Array(element=element, count=count):
                return self._layout(type_id) | {"element": self._named(element), "count": count}
            case Pointer(target=target):
                return self._layout(type_id) | {"target": self._named(target)}
            case Float():
                return self._layout(type_id)
            case FunctionProto() | Function():
                return self._prototype(type_id, kind)
            case DataSection(size=size, variables=variables):
                return {"size": size, "variables": self._variables(type_id, variables)}
        return self._reference(kind)

    def _reference(self, kind: BtfType) -> Json:
        match kind:
            case Variable(type=target, linkage=linkage):
                return {"type": self._named(target), "linkage": _linkage(linkage), "size": size_of(self._btf, target)}
            case Forward(is_union=is_union):
                return {"declares": "union" if is_union else "struct"}
            case DeclTag(type=target, component=component):
                return {"type": self._named(target), "component": component}
            case Typedef(type=target):
                # What someone who asks for a typedef wants to see: what is behind it, in full.
                return {"type": self._named(target), "resolved": self.shown(resolve(self._btf, target))}
        return {"type": self._named(kind.type)} if hasattr(kind, "type") else {}

    def _c(self, type_id: int) -> str:
        found = self._names.get(type_id)
        if found is None:
            found = self._names[type_id] = type_name(self._btf, type_id)
        self._spend(type_id, 1)
        self._text_left -= len(found)
        return found

    def _spend(self, type_id: int, parts: int) -> None:
        self._parts_left -= parts
        if self._parts_left < 0 or self._text_left < 0:
            reason = f"type {type_id} and what was asked for before it have too many parts: more than {_MAX_PARTS:,}"
            if self._text_left < 0:
                reason = f"type {type_id} and what was asked for before it have names of more than {_MAX_TEXT >> 20} MB"
            raise BtfError(reason, file=self._btf.name, section=".BTF")

    def _named(self, type_id: int) -> Json:
        return {"id": int(type_id), "c": self._c(type_id)}

    def _layout(self, type_id: int) -> Json:
        return {"size": size_of(self._btf, type_id), "align": align_of(self._btf, type_id, self._alignments)}

    def _prototype(self, type_id: int, kind: Function | FunctionProto) -> Json:
        linkage: Json = {}
        if isinstance(kind, Function):
            linkage = {"linkage": _linkage(kind.linkage)}
            found = self._btf[kind.type]
            if not isinstance(found, FunctionProto):
                raise BtfError(f"function '{kind.name}' has no prototype", file=self._btf.name, section=".BTF")
            kind = found
        parameters = list(kind.parameters)
        variadic = bool(parameters) and not parameters[-1].type
        if variadic:
            parameters.pop()
        self._spend(type_id, len(parameters))
        listed = [{"name": each.name, "type": self._named(each.type)} for each in parameters]
        return linkage | {"returns": self._named(kind.return_type), "parameters": listed, "variadic": variadic}

    def _variables(self, type_id: int, variables: Sequence[SectionVariable]) -> list[Json]:
        self._spend(type_id, len(variables))
        name_of = self._btf.name_of
        return [
            {"name": name_of(each.type), "id": int(each.type), "offset": each.offset, "size": each.size}
            for each in variables
        ]

    def _members(self, type_id: int, kind: Struct | Union, begin: int = 0, nesting: int = 0) -> list[Json]:
        self._spend(type_id, len(kind.members))
        if nesting > _MAX_NESTING:
            raise BtfError(f"type {type_id} is nested too deeply", file=self._btf.name, section=".BTF")
        return [self._member(member, begin, nesting) for member in kind.members]

    def _member(self, member: Member, begin: int, nesting: int) -> Json:
        btf = self._btf
        bit, width = bit_place(btf, member)
        inner_id = resolve(btf, member.type)
        place = {
            "name": member.name,
            "type": self._named(member.type),
            "offset": (begin + bit) // 8,
            "bit_offset": begin + bit,
            "bits": width or None,
            "size": size_of(btf, member.type),
        }
        inner = btf[inner_id]
        if isinstance(inner, Struct | Union) and not inner.name:
            place["kind"] = "struct" if isinstance(inner, Struct) else "union"
            place["members"] = self._members(inner_id, inner, begin + bit, nesting + 1)
        return place


def _linkage(linkage: int) -> str:
    return Linkage(linkage).name.lower() if linkage in Linkage._value2member_map_ else str(linkage)
