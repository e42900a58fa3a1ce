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
_NOT_HOLDING = frozenset({Kind.FUNC.value, Kind.DECL_TAG.value})


def header(
    btf: Btf, types: Iterable[int] | None = None, *, guard: str = GUARD, preserve_access_index: bool = True
) -> str:
    """The header of the types `types` (all own types by default) and of what they need.

    `guard` is the macro that keeps it from being read twice. `preserve_access_index` makes each access to the types
    one that CO-RE adapts to the running kernel, as a header of kernel types should.
    """
    table = Table(btf)
    printer = _Header(table)
    printer.add_foreign_bases()
    if types is None:
        printer.add_all()
    else:
        for each in types:
            printer.add(each)
    opening, closing = (_PRESERVE + "\n", _PRESERVE_END + "\n") if preserve_access_index else ("", "")
    top = f"#ifndef {guard}\n#define {guard}\n\n{opening}"
    return "".join([top, *printer.parts, closing, f"#endif /* {guard} */\n"])


def ids_named(btf: Btf, names: Collection[str]) -> list[int]:
    """The ids of every type of those names that a header can show; 'struct x', 'union x', 'enum x' for only those.

    ValueError for a name that no type has.
    """
    found: list[int] = []
    for name in names:
        word, _, rest = name.rpartition(" ")
        kinds = {"struct": ("STRUCT",), "union": ("UNION",), "enum": ("ENUM", "ENUM64"), "typedef": ("TYPEDEF",)}
        if word and word not in kinds:
            raise ValueError(f"'{name}' is no name of a type: write NAME, or struct, union, enum or typedef and NAME")
        wanted = {Kind[each] for each in kinds[word]} if word else {Kind(each) for each in _SHOWN - {_FWD}}
        ids = [each for each in btf.find(rest) if btf.kind(each) in wanted]
        if not ids:
            raise ValueError(_unknown_name(btf, name, rest, wanted))
        found += ids
    return found


def _unknown_name(btf: Btf, name: str, rest: str, wanted: Collection[Kind | int]) -> str:
    from purebpf.near import near_names

    names = {btf.name_of(each) for each in range(1, btf.end_id) if btf.kind(each) in wanted}
    near = near_names(rest, names)
    return f"there is no type '{name}' in {btf.name or 'this BTF'}" + (f"; near it: {', '.join(near)}" if near else "")


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

    def add_foreign_bases(self) -> None:
        """Define the integer and floating-point types that C does not have."""
        table, text = self.table, self.text
        for type_id, kind in enumerate(table.kinds):
            if kind in (_INT, _FLOAT) and text.is_foreign(type_id):
                self.parts.append(text.spend(f"typedef {text.stand_in(type_id)} {text.base(type_id)};\n\n"))

    def _held_enums(self) -> set[int]:
        """The anonymous enums that some other type holds: those are printed in place."""
        table, held = self.table, set[int]()
        enums = {
            each for each, kind in enumerate(table.kinds) if kind in _ENUMS and not table.words[table.places[each]]
        }
        words = table.words
        for kind, place in zip(table.kinds, table.places, strict=True):
            if kind in _NOT_HOLDING:
                continue
            for slot in id_slots(words[place + 1], place):
                if words[slot] in enums:
                    held.add(words[slot])
        return held

    def _declare(self, type_id: int) -> None:
        line = f"{self.text.tagged(type_id)};\n\n"
        if line not in self._declared:
            self._declared.add(line)
            self.parts.append(self.text.spend(line))

    def _define(self, type_id: int) -> None:
        table, text = self.table, self.text
        if table.kinds[type_id] == _TYPEDEF:
            declared = text.declare(table.target(type_id), text.name(type_id))
            self.parts.append(text.spend(f"typedef {declared};\n\n"))
        else:
            name = text.name(type_id) if table.words[table.places[type_id]] else ""
            self.parts.append(f"{text.body(type_id, name)};\n\n")
