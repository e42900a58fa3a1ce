"""struct_ops maps: a table of programs that the kernel calls once the map is attached.

A loaded map is not registered yet. `value` is what registers it, with the fds of the programs in place: the kernel
takes its references when it gets the value, so it is of use only as long as the programs are open.
"""

from typing import TYPE_CHECKING, Final

from purebpf.live.maps.base import Map, MapShape
from purebpf.syscall.fd import Fd

if TYPE_CHECKING:
    from purebpf.live.link.struct_ops import Registration, StructOpsLink

_F_LINK: Final = 1 << 13


class StructOpsMap(Map):
    """A struct_ops; `attach()` has the kernel use it."""

    def __init__(self, fd: Fd, shape: MapShape, value: bytes) -> None:
        super().__init__(fd, shape)
        self.value = value

    @property
    def by_link(self) -> bool:
        """Whether it is registered by a link (section `.struct_ops.link`) and not by its value alone."""
        return bool(self.shape.flags & _F_LINK)

    def attach(self) -> "StructOpsLink | Registration":
        """Register the table; closing what this gives takes it out of use again, the map stays."""
        from purebpf.live.link.struct_ops import attach_struct_ops

        return attach_struct_ops(self)
