"""Arrays whose values are kernel objects, set by their fds: programs (for tail calls), perf events, cgroups.

Writing takes an object with `fileno()` or an fd; the kernel keeps a reference of its own, so the fd may be closed
afterwards. Reading a program array gives the program's id (4.15); of the others nothing can be read back.
"""

import errno
from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any, Protocol, cast

from purebpf.errors import KernelError
from purebpf.live.maps.array import NoSuchIndex
from purebpf.live.maps.keyed import ENOTSUPP, KeyedMap
from purebpf.uapi import MapType

_SECRET: dict[int, str] = {MapType.PERF_EVENT_ARRAY: "perf events", MapType.CGROUP_ARRAY: "cgroups"}


class HasFileno(Protocol):
    """Something open in the kernel."""

    def fileno(self) -> int: ...


class FdArray(KeyedMap[int, Any]):
    """An array of kernel objects: `m[3] = program`, `del m[3]`, `m[3]` is the program's id."""

    _converts_nothing = False

    def _set(self, key: int, value: Any) -> None:
        super()._set(key, _number(value))

    def _store(self, key: int, value: Any, flags: int) -> None:
        super()._store(key, _number(value), flags)

    def __iter__(self) -> Iterator[int]:
        """Indices that are set."""
        for index in range(self.max_entries):
            if index in self:
                yield index

    def items(self) -> ItemsView[int, int]:
        """Indices that are set with the ids of what is there."""
        return ItemsView(self)

    def values(self) -> ValuesView[int]:
        """Ids of what is there."""
        return ValuesView(self)

    def __len__(self) -> int:
        """How many indices are set."""
        return sum(1 for _index in self)

    def clear(self) -> None:
        """Empty every slot."""
        for index in range(self.max_entries):
            try:
                del self[index]
            except KeyError:
                continue

    def pop(self, key: int, default: Any = None) -> Any:
        """Empty a slot and give the id that was there; two steps."""
        value = self.get(key)
        if value is None:
            return default
        del self[key]
        return value

    def _missing(self, key: object) -> KeyError:
        if isinstance(key, int) and 0 <= key < self.max_entries:
            return KeyError(key)
        return NoSuchIndex(f"array '{self.name}' has the indices 0 to {self.max_entries - 1}, not {key!r}")

    def _refused(self, operation: str, error: OSError) -> KernelError:
        held = _SECRET.get(self.shape.type)
        if operation != "read" or held is None or error.errno not in (ENOTSUPP, errno.EOPNOTSUPP):
            return super()._refused(operation, error)
        return KernelError(
            "read map",
            self.name,
            error.errno or 0,
            reason=f"the kernel takes {held} into a {self.shape.type}, and tells nobody what is in it",
            remedy=f"remember what was put into which of its {self.max_entries} slots; setting and deleting work",
        )

    def _not_stored(self, key: int, error: OSError) -> Exception:
        if error.errno == errno.E2BIG:
            return self._missing(key)
        return super()._not_stored(key, error)


def _number(value: int | HasFileno) -> int:
    if isinstance(value, int):
        return value
    fileno = getattr(value, "fileno", None)
    if fileno is None:
        raise TypeError(f"expected a program or an fd, got {type(value).__name__} {value!r}")
    return cast(int, fileno())
