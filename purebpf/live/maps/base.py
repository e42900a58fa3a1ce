"""What every map has: an fd it owns, its shape, a way to close it.

Rules: a map owns its `Fd`, closing twice is fine, and a closed map answers ValueError. The caller's mistakes are
builtins (KeyError, TypeError, ValueError) and found before the kernel is asked; a refusal of the kernel is a
`KernelError` that names the map.
"""

from typing import Self

from purebpf.frozen import Frozen
from purebpf.host import kernel_error
from purebpf.syscall.fd import Fd
from purebpf.uapi import MapType


class MapShape(Frozen):
    """The kernel's figures of a map. `value_size` is that of one value, on one CPU."""

    name: str
    type: MapType | int
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0

    @classmethod
    def of(cls, fd: Fd, name: str = "") -> Self:
        """Ask the kernel; `name` where the caller knows a better one than the kernel's, which is cut to 15 bytes."""
        from purebpf.syscall.objects import map_info

        try:
            info = map_info(fd.number)
        except OSError as error:
            raise kernel_error("get info of", name or fd.what, error) from error
        known = info.type in MapType._value2member_map_
        return cls(
            name=name or info.name.rstrip(b"\0").decode(errors="replace"),
            type=MapType(info.type) if known else info.type,
            key_size=info.key_size,
            value_size=info.value_size,
            max_entries=info.max_entries,
            flags=info.map_flags,
        )

    @property
    def kind(self) -> str:
        """The type in libbpf's spelling ('lru_hash')."""
        return self.type.name.lower() if isinstance(self.type, MapType) else f"map type {self.type}"


class Map:
    """A map in the kernel. Kinds with entries are `HashMap` and `Array`; this is what the others have as well."""

    def __init__(self, fd: Fd, shape: MapShape) -> None:
        self.fd = fd
        self.shape = shape

    @property
    def name(self) -> str:
        """The name in the object file."""
        return self.shape.name

    @property
    def type(self) -> MapType | int:
        """Its kind; an int for one this library does not know."""
        return self.shape.type

    @property
    def max_entries(self) -> int:
        """The most entries it can hold."""
        return self.shape.max_entries

    def fileno(self) -> int:
        """The fd's number; ValueError once closed."""
        return self.fd.number

    @property
    def id(self) -> int:
        """The kernel's id, as bpftool shows it."""
        from purebpf.syscall.objects import map_info

        return map_info(self.fd.number).id

    def close(self) -> None:
        """Let go of the map; it lives on while programs use it or it is pinned."""
        self.fd.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.fd.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        shape = self.shape
        sizes = f"{shape.key_size} -> {shape.value_size} bytes, {shape.max_entries} entries"
        return f"<{'closed ' if self.closed else ''}{shape.kind} map '{self.name}': {sizes}>"
