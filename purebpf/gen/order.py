"""In which order types are printed so that C has seen what it needs: depth first, along members.

Rules: what a type holds by value is defined before it; of a struct or union behind a pointer it is enough that it
was declared, so a `struct x;` goes before. A typedef must be there whatever it is used for. C needs the element of
an array complete even behind a pointer. No recursion: the kernel's structs hold one another 20 deep, a damaged
file's may do so 100 000 deep.
"""

from collections.abc import Callable

from purebpf.btf.types import Kind
from purebpf.gen.table import Table

_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM = 1, 2, 3, 4, 5, 6
_FWD, _TYPEDEF, _FUNC_PROTO, _FLOAT, _ENUM64 = 7, 8, 13, 16, 19
_MODIFIERS = frozenset({Kind.VOLATILE.value, Kind.CONST.value, Kind.RESTRICT.value, Kind.TYPE_TAG.value})

_COMPLETE, _NAMED, _PRINT, _PRINT_NAME, _CLOSE = range(5)
"""What is to be done with a type: have it complete, have its name, print it, print a typedef, note the end."""

_NEW, _OPEN, _DONE = range(3)


class Order:
    """Calls `declare` for structs and unions that need it, `define` for numbers and types with names; once each."""

    def __init__(self, table: Table, declare: Callable[[int], None], define: Callable[[int], None]) -> None:
        self._table = table
        self._declare = declare
        self._define = define
        self._named = bytearray(table.end_id)
        self._state = bytearray(table.end_id)
        self._todo: list[tuple[int, int]] = []

    def complete(self, type_id: int) -> None:
        """Print the type, and before it whatever it needs."""
        self._work((_COMPLETE, type_id))

    def name(self, type_id: int) -> None:
        """Print what C must have seen to name the type, in a prototype say."""
        self._work((_NAMED, type_id))

    def _work(self, first: tuple[int, int]) -> None:
        todo, state = self._todo, self._state
        todo.append(first)
        while todo:
            task, each = todo.pop()
            if task == _COMPLETE:
                if state[each] != _DONE:
                    self._complete(each)
            elif task == _NAMED:
                if not self._named[each]:
                    self._name(each)
            elif task == _PRINT:
                state[each] = _DONE
                self._named[each] = 1
                self._define(each)
            elif task == _PRINT_NAME:
                self._define(each)
            else:
                state[each] = _DONE

    def _complete(self, type_id: int) -> None:
        kind = self._table.kinds[type_id]
        if kind in (_STRUCT, _UNION):
            self._enter_compound(type_id)
        elif kind == _TYPEDEF:
            self._enter(type_id)
            self._todo.append((_CLOSE, type_id))
            # The typedef may have been needed by name before; what it stands for is needed whole now.
            if not self._named[type_id]:
                self._todo.append((_NAMED, type_id))
            self._todo.append((_COMPLETE, self._table.target(type_id)))
        elif kind == _ARRAY:
            self._enter(type_id)
            self._todo += ((_CLOSE, type_id), (_COMPLETE, self._table.element(type_id)[0]))
        elif kind in _MODIFIERS:
            self._enter(type_id)
            self._todo += ((_CLOSE, type_id), (_COMPLETE, self._table.target(type_id)))
        else:
            self._state[type_id] = _DONE
            if not self._named[type_id]:
                self._name(type_id)

    def _enter(self, type_id: int) -> None:
        if self._state[type_id] == _OPEN:
            raise self._table.fault(type_id, "contains itself")
        self._state[type_id] = _OPEN

    def _enter_compound(self, type_id: int) -> None:
        self._enter(type_id)
        table, state = self._table, self._state
        has_name = table.words[table.places[type_id]]
        self._todo.append((_PRINT if has_name else _CLOSE, type_id))
        types = table.checked(type_id, table.columns(type_id, 3)[1])
        self._todo += [(_COMPLETE, each) for each in reversed(types) if state[each] != _DONE]

    def _name(self, type_id: int) -> None:
        """See to it that C can name the type, which is not marked as named yet."""
        table, named = self._table, self._named
        kind = table.kinds[type_id]
        if kind in (_STRUCT, _UNION):
            if not table.words[table.places[type_id]]:
                # Printed in place wherever it is used, so all that it holds is needed there.
                if self._state[type_id] != _DONE:
                    self._todo.append((_COMPLETE, type_id))
                return
            named[type_id] = 1
            self._declare(type_id)
            return
        named[type_id] = 1
        if kind in (_ENUM, _ENUM64):
            if table.words[table.places[type_id]]:
                self._define(type_id)
        elif kind == _FWD:
            self._declare(type_id)
        elif kind in (_INT, _FLOAT):
            self._define(type_id)
        elif kind == _TYPEDEF:
            self._todo.append((_PRINT_NAME, type_id))
            self._need_name(type_id, table.target(type_id))
        elif kind == _ARRAY:
            self._todo.append((_COMPLETE, table.element(type_id)[0]))
        elif kind == _FUNC_PROTO:
            types = table.checked(type_id, table.columns(type_id, 2)[1])
            self._todo += [(_NAMED, each) for each in reversed(types) if not named[each]]
            self._need_name(type_id, table.target(type_id))
        elif kind == _PTR or kind in _MODIFIERS:
            self._need_name(type_id, table.target(type_id))

    def _need_name(self, type_id: int, target: int) -> None:
        if not self._named[target]:
            self._todo.append((_NAMED, target))
