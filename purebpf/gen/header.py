"""A C header of the types of a BTF: all of them (the famous vmlinux.h) or some and what they need.

The order, the forward declarations and the names of types that clash are those a BPF program's C compiler needs; the
layouts are those of the BTF. The same BTF gives the same header, byte for byte.
"""

from collections.abc import Collection, Iterable

from purebpf.btf.reader import Btf
from purebpf.btf.slots import id_slots
from purebpf.btf.types import Kind
from purebpf.errors import BtfError
from purebpf.gen.order import Order
from purebpf.gen.table import Table
from purebpf.gen.text import Text

GUARD = "__VMLINUX_H__"

_PRESERVE = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif
"""
_PRESERVE_END = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif
"""

_TYPEDEF, _FWD, _INT, _FLOAT = Kind.TYPEDEF.value, Kind.FWD.value, Kind.INT.value, Kind.FLOAT.value
_TAGGED = frozenset({Kind.STRUCT.value, Kind.UNION.value, Kind.ENUM.value, Kind.ENUM64.value})
_ENUMS = frozenset({Kind.ENUM.value, Kind.ENUM64.value})
_SHOWN = _TAGGED | {_TYPEDEF, _FWD}
_KINDS_BY_TAG: dict[str, frozenset[int]] = {
    "struct": frozenset({Kind.STRUCT}),
    "union": frozenset({Kind.UNION}),
    "enum": frozenset(_ENUMS),
    "typedef": frozenset({_TYPEDEF}),
}
_REFERRING = frozenset(
    kind.value for kind in (Kind.PTR, Kind.TYPEDEF, Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG, Kind.VAR)
)
_HOLDING = frozenset(kind.value for kind in (Kind.STRUCT, Kind.UNION, Kind.ARRAY, Kind.FUNC_PROTO))


def header(
    btf: Btf, types: Iterable[int] | None = None, *, guard: str = GUARD, preserve_access_index: bool = True
) -> str:
    """The header of the types `types` (all own types by default) and of what they need.

    `guard` is the macro that keeps it from being read twice. `preserve_access_index` makes each access to the types
    one that CO-RE adapts to the running kernel, as a header of kernel types should.
    """
    table = Table(btf)
    printer = _Header(table)
    if types is None:
        printer.add_all()
    else:
        for each in types:
            printer.add(each)
    opening, closing = (_PRESERVE + "\n", _PRESERVE_END + "\n") if preserve_access_index else ("", "")
    top = f"#ifndef {guard}\n#define {guard}\n\n{opening}"
    return "".join([top, *printer.parts, closing, f"#endif /* {guard} */\n"])


def ids_named(btf: Btf, names: Collection[str], *, everything: bool = False) -> list[int]:
    """The ids of every type of those names that a header can show; 'struct x' for that of a struct only.

    `everything` takes types of all kinds: functions, variables, integers. ValueError for a name that no type has.
    """
    return [each for name in names for each in _ids_named(btf, name, everything)]


def _ids_named(btf: Btf, name: str, everything: bool) -> list[int]:
    # Only a tag stands before a name: 'unsigned int' is the name of an integer.
    word, _, rest = name.partition(" ")
    kinds = _KINDS_BY_TAG.get(word)
    if kinds is None:
        kinds, rest = frozenset(Kind) if everything else _SHOWN - {_FWD}, name
    ids: list[int] = [each for each in btf.find(rest) if btf.kind(each) in kinds] if rest else []
    if ids:
        return ids
    from purebpf.near import near_names

    near = near_names(rest, (btf.name_of(each) for each in range(1, btf.end_id) if btf.kind(each) in kinds))
    alike = f"; alike: {', '.join(near)}" if near else ""
    raise ValueError(f"there is no type '{name}' in {btf.name or 'this BTF'}{alike}")


class _Header:
    """The parts of a header in the order in which they are printed."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.text = Text(table)
        self.parts: list[str] = []
        self._order = Order(table, self._declare, self._define)
        self._declared: set[str] = set()

    def add(self, type_id: int) -> None:
        """Have a type printed if it is one that has a place of its own in a header."""
        if not 0 < type_id < self.table.end_id:
            raise BtfError(f"there is no type {type_id}", file=self.table.btf.name, section=".BTF")
        self._order.complete(type_id)
        if self.table.kinds[type_id] in _ENUMS and not self.table.words[self.table.places[type_id]]:
            self._define(type_id)

    def add_all(self) -> None:
        """Have every own type printed; an anonymous enum where nothing that is printed holds it."""
        table, complete = self.table, self._order.complete
        held = self._held_enums()
        for type_id in range(table.first_id, table.end_id):
            kind = table.kinds[type_id]
            if kind in _SHOWN:
                if table.words[table.places[type_id]]:
                    complete(type_id)
                elif kind in _ENUMS and type_id not in held:
                    self._define(type_id)

    def _held_enums(self) -> set[int]:
        """The anonymous enums that some other type holds: those are printed in place."""
        table = self.table
        words, places = table.words, table.places
        enums = {each for each, kind in enumerate(table.kinds) if kind in _ENUMS and not words[places[each]]}
        held = set[int]()
        for kind, place in zip(table.kinds, places, strict=True):
            if kind in _REFERRING:
                if words[place + 2] in enums:
                    held.add(words[place + 2])
            elif kind in _HOLDING:
                slots = id_slots(words[place + 1], place)
                held.update(
                    words[slots.start : slots.stop : slots.step]
                    if isinstance(slots, range)
                    else map(words.__getitem__, slots)
                )
        return held & enums

    def _declare(self, type_id: int) -> None:
        line = f"{self.text.tagged(type_id)};\n\n"
        if line not in self._declared:
            self._declared.add(line)
            self.parts.append(self.text.spend(line))

    def _define(self, type_id: int) -> None:
        table, text = self.table, self.text
        kind = table.kinds[type_id]
        if kind in (_INT, _FLOAT):
            if text.is_foreign(type_id):
                self.parts.append(text.spend(f"typedef {text.stand_in(type_id)} {text.base(type_id)};\n\n"))
        elif kind == _TYPEDEF:
            declared = text.declare(table.target(type_id), text.name(type_id))
            self.parts.append(text.spend(f"typedef {declared};\n\n"))
        else:
            name = text.name(type_id) if table.words[table.places[type_id]] else ""
            self.parts.append(f"{text.body(type_id, name)};\n\n")
