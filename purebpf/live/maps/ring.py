"""Ring buffer maps: the map's side of `purebpf.live.ringbuf`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from purebpf.live.maps.base import Map, MapShape
from purebpf.syscall.fd import Fd

if TYPE_CHECKING:
    from purebpf.btf import Btf
    from purebpf.live.ringbuf import RingBuffer
    from purebpf.units import TypeId


class RingBufMap(Map):
    """A ring buffer. Iterating gives its events for ever; `reader()` has the other ways to read.

    What an event is, the kernel does not know. It is the type that the map declares with __type(value, ...) or,
    since libbpf's users rarely do, the one that a global variable `<map>_record` points to; else events are bytes.
    """

    def __init__(self, fd: Fd, shape: MapShape, btf: "Btf | None", value_type: "TypeId | int") -> None:
        super().__init__(fd, shape)
        self._btf = btf
        self._value_type = value_type
        self._reader: RingBuffer | None = None

    def reader(self, *, record: str | None = None, raw: bool = False) -> "RingBuffer":
        """A new reader, which the caller closes. `record` names a struct of the object, `raw` gives bytes."""
        from purebpf.btf import codec_for
        from purebpf.live.ringbuf import RingBuffer

        type_id = 0 if raw else self._record_type(record)
        codec = codec_for(self._btf, type_id) if type_id and self._btf is not None else None
        return RingBuffer(self, codec, name=self.name)

    def __iter__(self) -> Iterator[Any]:
        if self._reader is None or self._reader.closed:
            self._reader = self.reader()
        return iter(self._reader)

    def close(self) -> None:
        """Let go of the map; a loop over it ends."""
        if self._reader is not None:
            self._reader.close()
        super().close()

    def _record_type(self, name: str | None) -> "TypeId | int":
        if self._btf is None:
            if name is not None:
                raise ValueError(f"there is no type '{name}': the object has no BTF")
            return 0
        if name is not None:
            return _named(self._btf, name)
        return self._value_type or _pointed_to(self._btf, f"{self.name}_record")


def _named(btf: "Btf", name: str) -> "TypeId":
    from purebpf.btf import Kind

    for kind in (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF, Kind.ENUM, Kind.INT):
        found = btf.find_one(name, kind)
        if found is not None:
            return found
    raise ValueError(f"the object's BTF has no type '{name}'")


def _pointed_to(btf: "Btf", variable: str) -> "TypeId | int":
    from purebpf.btf import Kind, Pointer, Variable, resolve

    found = btf.find_one(variable, Kind.VAR)
    declared = btf[found] if found is not None else None
    if not isinstance(declared, Variable):
        return 0
    pointer = btf[resolve(btf, declared.type)]
    return pointer.target if isinstance(pointer, Pointer) else 0
