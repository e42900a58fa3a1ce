"""A loaded object: its maps, programs, variables and links, owned together.

Rules: whoever loads an object closes it (it is a context manager); closing detaches its links first, then closes
programs and maps. Maps and variables are opened the first time they are asked for.
"""

from __future__ import annotations

from _warnings import warn  # warnings itself takes a millisecond to import

from purebpf.errors import AttachTargetError, BpfError
from purebpf.frozen import replace
from purebpf.logs import logger
from purebpf.spec.model import MapOrigin, ObjectSpec
from purebpf.standard import Mapping
from purebpf.syscall.fd import Fd
from purebpf.uapi import MapType
from purebpf.units import VOID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from logging import Logger
    from types import TracebackType
    from typing import Any, Self, TypeVar

    from purebpf.live.loader import Loaded
    from purebpf.plan.steps import LoadPlan, LoadProgram

    _Item = TypeVar("_Item")
    from purebpf.live.images import ArenaImage, MappedImage, SyscallImage
    from purebpf.live.links import Links
    from purebpf.live.maps import Map
    from purebpf.live.program import Program
    from purebpf.live.variables import Variables

_IMAGES = (MapOrigin.DATA, MapOrigin.KCONFIG)


class _Lazy(Mapping[str, "_Item"]):
    """A mapping whose items are made when first asked for; an unknown name tells the near ones."""

    def __init__(self, kind: str, names: Mapping[str, Any], make: Callable[[str], _Item]) -> None:
        self._kind = kind
        self._names = names
        self._make = make
        self._made: dict[str, _Item] = {}

    def __getitem__(self, name: str) -> _Item:
        item = self._made.get(name)
        if item is None:
            if name not in self._names:
                from purebpf.spec.edit import named

                try:
                    named(self._kind, name, self._names)
                except ValueError as error:
                    raise KeyError(str(error)) from None
            item = self._made[name] = self._make(name)
        return item

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def made(self) -> list[_Item]:
        """The items that exist."""
        return list(self._made.values())

    def __repr__(self) -> str:
        return f"<{self._kind}s {', '.join(self._names)}>"


class _Opener:
    """Makes the maps and programs of an object, of which it knows nothing.

    A reference back would be a cycle: the object, its plan and its file would stay in memory, closed, until the
    garbage collector comes by, which costs a load of `minimal` 20 us (of 400) and fresh memory each time.
    """

    def __init__(self, plan: LoadPlan, loaded: Loaded) -> None:
        self.plan = plan
        self.spec = plan.spec
        self._loaded = loaded
        self._steps: dict[str, LoadProgram] = {}

    def open_program(self, name: str) -> Program:
        if not self._steps:
            self._steps = {step.name: step for step in self.plan.programs()}
        from purebpf.live.program import Program

        fd, log = _fd(self._loaded.programs[name]), self._loaded.logs.get(name, "")
        return Program(fd, self.spec.programs[name], self._steps[name], log, self._logger)

    def _logger(self) -> Logger:
        # Asked each time: logging may be set up after the load.
        return self._loaded.log or logger(self.spec.name)

    def open_map(self, name: str) -> Map:
        from purebpf.host.cpus import possible_cpus
        from purebpf.live.maps import open_map

        map_spec = self.spec.maps[name]
        if name in self._loaded.ops or name in self._loaded.memory:
            return self._open_special(name)
        if map_spec.origin in _IMAGES:
            # The type of a data section is no type of a value; its variables have theirs.
            map_spec = replace(map_spec, value_type=VOID)
        elif map_spec.type == MapType.RINGBUF:
            # The map has no value type of its own: the kernel refuses one.
            from purebpf.spec.records import record_type

            map_spec = replace(map_spec, value_type=record_type(self.spec, name) or VOID)
        return open_map(_fd(self._loaded.maps[name]), map_spec, self.spec.btf, cpus=len(possible_cpus()))

    def _open_special(self, name: str) -> Map:
        """A map that is more than its fd: a struct_ops has the value that registers it, an arena its memory."""
        from purebpf.live.maps.base import MapShape

        fd = _fd(self._loaded.maps[name])
        shape = MapShape.of(fd, name)
        if name in self._loaded.ops:
            from purebpf.live.maps.struct_ops import StructOpsMap

            return StructOpsMap(fd, shape, self._loaded.ops[name])
        from purebpf.live.maps.arena import ArenaMap

        return ArenaMap(fd, shape, self._loaded.memory[name])


class BpfObject:
    """An object in the kernel. Made by `purebpf.load`."""

    def __init__(self, plan: LoadPlan, loaded: Loaded) -> None:
        self.plan = plan
        self._links: Links | None = None
        self._loaded = loaded
        self._closed = False
        self._variables: Variables | None = None
        self._images: dict[str, MappedImage | SyscallImage | ArenaImage] = {}
        # Any, not Map: what one can do with it (a mapping, a source of events) is known by its kind, at run time.
        opener = _Opener(plan, loaded)
        # A jump table is no map of the object, but its program's.
        maps = {name: handle for name, handle in loaded.maps.items() if name in plan.spec.maps}
        self.maps: Mapping[str, Any] = _Lazy("map", maps, opener.open_map)
        self.programs: Mapping[str, Program] = _Lazy("program", loaded.programs, opener.open_program)

    @property
    def spec(self) -> ObjectSpec:
        """What it was loaded from."""
        return self.plan.spec

    @property
    def name(self) -> str:
        """The object's name."""
        return self.spec.name

    @property
    def links(self) -> Links:
        """What its programs are attached by."""
        if self._links is None:
            from purebpf.live.links import Links

            self._links = Links()
        return self._links

    @property
    def variables(self) -> Variables:
        """Its global variables, live: reading and writing goes to the memory that the programs use."""
        if self._variables is None:
            from purebpf.live.images import arena_images, open_images
            from purebpf.live.variables import Variables

            data = {name: m for name, m in self.spec.maps.items() if m.origin in _IMAGES and m.type == MapType.ARRAY}
            handles = {name: _fd(self._loaded.maps[name]) for name in data if name in self._loaded.maps}
            self._images = {**open_images(data, handles), **arena_images(self.plan, self._loaded.memory)}
            self._variables = Variables(self.spec.variables, self.spec.btf, self._images)
        return self._variables

    def attach(self, *names: str, **options: Any) -> Links:
        """Attach programs by their section names; all that name a place, or those named here.

        Either all are attached or none. The links belong to the object, which detaches them when it is closed;
        the result is a context manager that detaches them earlier.
        """
        programs = [self.programs[name] for name in names] if names else self._attachable()
        if not programs:
            raise AttachTargetError(
                f"no program of '{self.name}' has a section name that says where to attach it",
                remedy="attach programs one by one: obj.programs[name].attach(...)",
            )
        from purebpf.live.links import Links

        new = Links()
        try:
            for program in programs:
                new.add(program.name, program.attach(**options))
        except BaseException:
            new.close()
            raise
        for name in list(new):
            self.links.add(name, new[name])
        return self.links

    def _attachable(self) -> list[Program]:
        definitions = ((program, program.spec.definition) for program in self.programs.values())
        return [
            program
            for program, definition in definitions
            if definition is not None and definition.auto_attach and program.spec.attach_to
        ]

    def close(self) -> None:
        """Detach its links and close everything; twice is fine."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._links is not None:
                self._links.close()
        finally:
            if self._variables is not None:
                self._variables.close()
            for image in self._images.values():
                image.close()
            for item in _made(self.maps):
                item.close()
            self._loaded.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            warn(f"object '{self.name}' was never closed", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self.maps)} maps, {len(self.programs)} programs"
        return f"<BpfObject '{self.name}': {state}>"


def _fd(handle: object) -> Fd:
    """The handle as a real fd: live objects exist only on a kernel that gives them."""
    if not isinstance(handle, Fd):
        raise BpfError(f"{handle!r} is no file descriptor: the plan was carried out on a kernel that is not real")
    return handle


def _made(mapping: Mapping[str, _Item]) -> list[_Item]:
    return mapping.made() if isinstance(mapping, _Lazy) else list(mapping.values())
