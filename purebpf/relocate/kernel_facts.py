"""What the stages `core` and `externs` ask of a target, as protocols; `purebpf.plan.target.Target` has it all."""

from __future__ import annotations

from purebpf.units import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from purebpf.btf import Btf


class ModuleTypes(Protocol):
    """A kernel module with types of its own, which continue the kernel's."""

    @property
    def name(self) -> str:
        """The module's name."""

    @property
    def btf(self) -> Btf:
        """Its types, split, with the kernel's as base."""


class KernelTypes(Protocol):
    """What CO-RE needs of a target; `purebpf.plan.target.Target` has it. The types may be slow to read, so only what
    has to be looked for asks for them.
    """

    @property
    def name(self) -> str:
        """What messages call the kernel."""

    @property
    def core_btf(self) -> Btf | None:
        """The kernel's own types, None where it has none."""

    def core_modules(self) -> Iterable[ModuleTypes]:
        """The modules that have types, in the order in which they were loaded."""


class Symbols(Protocol):
    """The kernel's symbols."""

    def addresses(self, name: str) -> tuple[int, ...]:
        """Where the symbols of that name lie; () for none."""

    def did_you_mean(self, name: str) -> list[str]:
        """A line of evidence naming symbols like `name`, or none."""


class Kconfig(Protocol):
    """The kernel's configuration."""

    @property
    def source(self) -> str:
        """Where it was read."""

    def value(self, name: str) -> str | None:
        """What it says of 'CONFIG_...', None if that is not set."""

    def did_you_mean(self, name: str) -> list[str]:
        """A line of evidence with names like `name` that are set, or none."""


class KernelFacts(Protocol):
    """What externs need of a target; `purebpf.plan.target.Target` has it. Each may be slow the first time."""

    @property
    def name(self) -> str:
        """What messages call the kernel."""

    @property
    def btf(self) -> Btf | None:
        """The kernel's own types, None where it has none."""

    def modules(self) -> Iterable[ModuleTypes]:
        """The modules that have types."""

    def configuration(self) -> Kconfig:
        """The kernel's configuration."""

    def symbols(self) -> Symbols:
        """The kernel's symbols."""

    def virtual_kconfig(self, name: str) -> int | None:
        """The value of a 'LINUX_...' that is in no .config; None for a name that nobody knows."""
