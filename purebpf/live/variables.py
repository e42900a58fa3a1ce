"""The global variables of a loaded object, read and written in place.

Programs change them at the same time, on other CPUs. A naturally aligned integer, bool, float or enumeration of 1, 2,
4 or 8 bytes is read and written by one memory access (an item of a cast memoryview, which copies with one move), so
that it is seen whole; anything larger is copied byte by byte and may be seen half changed. A value is encoded
completely before the first byte is written.

Where the kernel cannot map array maps into a process (before Linux 5.5), an image without a buffer reads and writes
through system calls, by the same interface.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from purebpf.btf import Btf
from purebpf.btf.codec import Codec, Misfit, bytes_codec, codec_for
from purebpf.btf.codec.base import ItemCodec
from purebpf.spec.data import PERCPU
from purebpf.spec.model import VariableSpec
from purebpf.units import ByteOrder

NATIVE: ByteOrder = "little" if sys.byteorder == "little" else "big"

_ONE_ACCESS = frozenset("?bBhHiIqQfd")


class DataImage(Protocol):
    """The bytes of one data map (.data, .bss, .rodata).

    `buffer` is a view of the map's memory, of single bytes and page-aligned, or None where it cannot be mapped;
    `read` and `write` are used then. `writable` is False once the map is frozen.
    """

    @property
    def buffer(self) -> memoryview | None: ...

    @property
    def writable(self) -> bool: ...

    def read(self, offset: int, size: int) -> bytes:
        """Give `size` bytes from `offset`."""

    def write(self, offset: int, data: bytes) -> None:
        """Write at `offset`."""


class VariableAddress(NamedTuple):
    """Where a variable lies: in which data map, at which byte, and how many bytes it takes."""

    map: str
    offset: int
    size: int


class Variable:
    """One variable, bound once; `.value` reads and writes it.

    For a loop: `counter = variables.handle("counter")`, then `counter.value` costs no lookup by name.
    """

    __slots__ = ("_image", "_spec", "codec")

    def __init__(self, spec: VariableSpec, codec: Codec[Any], image: DataImage) -> None:
        self._spec = spec
        self._image = image
        self.codec = codec

    @property
    def name(self) -> str:
        """The variable's name."""
        return self._spec.name

    @property
    def address(self) -> VariableAddress:
        """Where it lies."""
        return VariableAddress(self._spec.map, self._spec.offset, self._spec.size)

    @property
    def value(self) -> Any:
        """What the variable holds now."""
        return self.codec.decode(self.read())

    @value.setter
    def value(self, value: Any) -> None:
        self.write(self.encode(value))

    def read(self) -> bytes:
        """The variable's bytes."""
        offset, size = self._spec.offset, self._spec.size
        try:
            buffer = self._image.buffer
            return self._image.read(offset, size) if buffer is None else bytes(buffer[offset : offset + size])
        except ValueError:
            raise self._closed() from None

    def write(self, raw: bytes) -> None:
        """Write bytes that `encode` made; a shorter value (of a flexible array) leaves the rest as it is."""
        offset = self._spec.offset
        try:
            buffer = self._image.buffer
            if buffer is None:
                self._image.write(offset, raw)
            else:
                buffer[offset : offset + len(raw)] = raw
        except ValueError:
            raise self._closed() from None

    def encode(self, value: Any) -> bytes:
        """The bytes of `value`, if it can be written here: TypeError or ValueError if not."""
        if not self._image.writable:
            raise TypeError(
                f"variable '{self.name}' cannot be written: '{self._spec.map}' became read-only when the object was"
                f" loaded; set it before, with spec.with_values({self.name}=...)"
            )
        try:
            raw = self.codec.encode(value)
        except Misfit as misfit:
            raise misfit.within(self.name) from None
        if len(raw) > self._spec.size:
            raise ValueError(f"{self.name}: {len(raw)} bytes do not fit the variable's {self._spec.size}")
        return raw

    def release(self) -> None:
        """Let go of the image's memory; the variable cannot be used any more."""

    def _closed(self) -> ValueError:
        return ValueError(f"variable '{self.name}' belongs to an object that is closed")

    def __repr__(self) -> str:
        return f"<Variable {self.codec.type_name} {self.name} in {self._spec.map}+{self._spec.offset:#x}>"


class WholeVariable(Variable):
    """A variable that is read and written by one memory access."""

    __slots__ = ("_number", "_view")

    def __init__(self, spec: VariableSpec, codec: Codec[Any], image: DataImage, view: memoryview) -> None:
        super().__init__(spec, codec, image)
        self._view = view
        self._number = struct.Struct(f"={view.format}")

    def read(self) -> bytes:
        """The variable's bytes."""
        try:
            return self._number.pack(self._view[0])
        except ValueError:
            raise self._closed() from None

    def write(self, raw: bytes) -> None:
        """Write bytes that `encode` made."""
        (number,) = self._number.unpack(raw)
        try:
            self._view[0] = number
        except ValueError:
            raise self._closed() from None

    def release(self) -> None:
        """Let go of the image's memory; the variable cannot be used any more."""
        self._view.release()


class NumberVariable(WholeVariable):
    """A variable whose value is the very number that lies in memory, which makes reading it a third of the cost."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        """What the variable holds now."""
        try:
            return self._view[0]
        except ValueError:
            raise self._closed() from None

    @value.setter
    def value(self, value: Any) -> None:
        self.write(self.encode(value))


class Variables(Mapping[str, Any]):
    """An object's global variables by name: `variables["my_pid"]` reads, `variables["my_pid"] = 5` writes.

    Without BTF a variable is bytes of its size. `images` gives the memory of each data map by the map's name.
    """

    def __init__(self, specs: Mapping[str, VariableSpec], btf: Btf | None, images: Mapping[str, DataImage]) -> None:
        self._specs = specs
        self._btf = btf
        self._images = images
        self._handles: dict[str, Variable] = {}
        self._open = True

    def __getitem__(self, name: str) -> Any:
        handle = self._handles.get(name) or self.handle(name)
        return handle.value

    def __setitem__(self, name: str, value: Any) -> None:
        handle = self._handles.get(name) or self.handle(name)
        handle.value = value

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __repr__(self) -> str:
        return f"<Variables {', '.join(self._specs)}>"

    def handle(self, name: str) -> Variable:
        """The variable itself, to be read or written often; the same one each time."""
        handle = self._handles.get(name)
        if handle is None:
            if not self._open:
                raise ValueError(f"variable '{name}' belongs to an object that is closed")
            handle = self._handles[name] = self._bind(self._spec(name))
        return handle

    def address(self, name: str) -> VariableAddress:
        """Where a variable lies."""
        spec = self._spec(name)
        return VariableAddress(spec.map, spec.offset, spec.size)

    def update(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Write several variables: either all values fit, or none is written."""
        given = {**(values or {}), **more}
        encoded = [(self.handle(name), self.handle(name).encode(value)) for name, value in given.items()]
        for handle, raw in encoded:
            handle.write(raw)

    def close(self) -> None:
        """Let go of the memory of all images, so that it can be unmapped; handles give ValueError from then on."""
        self._open = False
        for handle in self._handles.values():
            handle.release()

    def _spec(self, name: str) -> VariableSpec:
        spec = self._specs.get(name)
        if spec is None:
            from difflib import get_close_matches  # 2 ms that only an error costs

            near = get_close_matches(name, self._specs) if isinstance(name, str) else []
            hint = f"; near: {', '.join(near)}" if near else ""
            raise KeyError(f"the object has no variable {name!r}{hint}")
        return spec

    def _bind(self, spec: VariableSpec) -> Variable:
        image = self._images.get(spec.map)
        if image is None:
            if spec.map == PERCPU or spec.map.startswith(PERCPU + "."):
                reason = f"each CPU has its own '{spec.name}': read the map, maps['{spec.map}'][0]"
            else:
                reason = f"variable '{spec.name}' lies in '{spec.map}', of which this object has no map"
            raise KeyError(reason)
        codec = self._codec(spec)
        view = _whole_view(spec, codec, image)
        if view is None:
            return Variable(spec, codec, image)
        is_number = isinstance(codec, ItemCodec) and codec.from_raw is None
        return (NumberVariable if is_number else WholeVariable)(spec, codec, image, view)

    def _codec(self, spec: VariableSpec) -> Codec[Any]:
        if self._btf is not None and spec.type:
            codec = codec_for(self._btf, spec.type)
            # A flexible array makes the variable larger than its type; any other difference of sizes means that
            # the type is not that of this symbol, whose bytes then speak for themselves.
            if codec.size == spec.size or (codec.flexible and codec.size < spec.size):
                return codec
        return bytes_codec(f"u8[{spec.size}]", spec.size, NATIVE)


def _whole_view(spec: VariableSpec, codec: Codec[Any], image: DataImage) -> memoryview | None:
    """The variable as the only item of a view, if the CPU can access it as a whole; None if it cannot."""
    buffer = image.buffer
    if buffer is None or not isinstance(codec, ItemCodec) or codec.byteorder != NATIVE:
        return None
    if codec.format not in _ONE_ACCESS or spec.offset % codec.size:
        return None
    return buffer[spec.offset : spec.offset + spec.size].cast(codec.format)  # type: ignore[call-overload, no-any-return]
