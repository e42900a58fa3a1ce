"""Arrays: keys are the indices 0 to max_entries - 1, and every one of them always has a value."""

from collections.abc import Iterator
from typing import NoReturn, TypeVar

from purebpf.live.maps.keyed import KeyedMap

V = TypeVar("V")


class NoSuchIndex(IndexError, KeyError):
    """An index outside the array: as a sequence, an IndexError; as a mapping, a KeyError."""

    def __str__(self) -> str:
        return str(self.args[0])


class Array(KeyedMap[int, V]):
    """An array in the kernel, used as a mapping of indices; its length is fixed and nothing can be deleted.

    Iterating gives the indices, as of any mapping. Values of per-CPU arrays are lists, an item for each CPU.
    """

    def __iter__(self) -> Iterator[int]:
        self.fileno()
        return iter(range(self.max_entries))

    def __len__(self) -> int:
        return self.max_entries

    def _remove(self, key: int) -> NoReturn:
        raise TypeError(f"entries of array '{self.name}' cannot be deleted, only set")

    def pop(self, key: int, default: object = None) -> NoReturn:
        """Not of an array: TypeError."""
        raise TypeError(f"entries of array '{self.name}' cannot be taken out")

    def clear(self) -> NoReturn:
        """Not of an array: TypeError; set every entry instead."""
        raise TypeError(f"entries of array '{self.name}' cannot be deleted, only set")

    def insert(self, key: int, value: V) -> NoReturn:
        """Not of an array, where every index is taken: TypeError."""
        raise TypeError(f"every entry of array '{self.name}' is there already; set it")

    def _missing(self, key: object) -> KeyError:
        return NoSuchIndex(f"array '{self.name}' has the indices 0 to {self.max_entries - 1}, not {key!r}")

    def _full(self, key: int) -> Exception:
        return self._missing(key)
