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

    What an event is, the kernel does not know; `purebpf.spec.records` finds it in the object's types. Without one,
    events are bytes.
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
        from purebpf.spec.records import named_type

        type_id = self._value_type if record is None else named_type(self._btf, record)
        codec = codec_for(self._btf, type_id) if type_id and self._btf is not None and not raw else None
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
