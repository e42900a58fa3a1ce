"""The seam between a plan and whoever carries it out: the `Kernel` protocol.

Rules: a method is one request and decides nothing (fallbacks are the loader's); what it makes is a `Handle` that
its caller closes; a refusal is a `KernelError` that names the thing. Behind it stands the running kernel, or one that
records, is faked, or fails at step N. Here are types for annotations only, so that no load imports them.
"""

from __future__ import annotations

from collections.abc import Callable

from purebpf.units import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.live.kernel import LoadLog, MapFacts
    from purebpf.plan.steps import CreateMap, LoadBtf, LoadProgram

LineOf = Callable[[int], str | None]
"""The C source line of an instruction of the program, None where the file does not tell."""


class Handle(Protocol):
    """Something open in a kernel: a real fd, or a fake's number."""

    @property
    def number(self) -> int:
        """What other requests name it by; ValueError once closed."""

    def close(self) -> None:
        """Give it back; twice is fine."""


class Memory(Protocol):
    """The memory of an arena in this process; closed with the object."""

    @property
    def view(self) -> memoryview:
        """All of it, in single bytes."""

    @property
    def address(self) -> int:
        """Where it lies, as pointers of programs into it say."""

    def close(self) -> None:
        """Give it back; twice is fine."""


class Kernel(Protocol):
    """What a load asks of a kernel."""

    def load_btf(self, step: LoadBtf) -> Handle:
        """Take an object's types."""

    def create_map(
        self, step: CreateMap, *, btf: Handle | None, inner: Handle | None, module: Handle | None = None
    ) -> Handle:
        """Make a map; `btf` gives meaning to its type ids, `inner` is the template of a map of maps, `module` the
        types of the module whose struct a struct_ops implements.
        """

    def update_map(self, name: str, handle: Handle, key: bytes, value: bytes, flags: int = 0) -> None:
        """Set an element."""

    def map_memory(self, name: str, handle: Handle, *, size: int, address: int) -> Memory:
        """Map all of an arena into this process, at `address` if that is not 0."""

    def freeze_map(self, name: str, handle: Handle) -> None:
        """Make a map read-only for user space."""

    def open_module(self, name: str) -> Handle:
        """The types of a kernel module, for programs that name something in it."""

    def load_program(
        self,
        step: LoadProgram,
        code: bytes,
        *,
        btf: Handle | None,
        line_of: LineOf,
        fd_array: bytes = b"",
        attach_fd: int = 0,
        log: LoadLog | None = None,
    ) -> Handle:
        """Verify and load a program; `code` and `fd_array` have the fds of its maps and modules in place.

        `attach_fd` is whose type `step.attach` names: a module's, a program's, or 0 for the kernel's.
        """

    def bind_map(self, program: Handle, handle: Handle) -> None:
        """Tie a map's life to a program's."""

    def open_pinned(self, path: str) -> Handle | None:
        """The map pinned at `path`, None if nothing is there."""

    def pin(self, path: str, handle: Handle) -> None:
        """Pin a map; errno EEXIST if something is there."""

    def unpin(self, path: str) -> None:
        """Remove a pin; it may be gone already."""

    def map_facts(self, handle: Handle) -> MapFacts:
        """What an existing map is."""
