"""Kernels that are none: one in memory, one that remembers what it was asked, one that refuses the Nth request.

Rules: `FakeKernel` refuses what the real one refuses, with the same errno; `tests/kernel_contract.py` holds both to
that. What lives in it is what an open handle or a pin reaches (through the code of a program, a slot, a binding), as
in the kernel; `alive()` is its books. Asking for something that only a broken loader asks for (a value of the wrong
size, which the real kernel would read beyond) is an AssertionError.
"""

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import unpack_from
from typing import Any, Final

from purebpf.btf import Btf, BtfError, size_of
from purebpf.errors import KernelError, NotPermitted, VerifierError
from purebpf.live.kernel import LoadLog, MapFacts
from purebpf.live.seam import Handle, Kernel, LineOf, Memory
from purebpf.plan.steps import CreateMap, LoadBtf, LoadProgram
from purebpf.uapi import BPF_F_ALL_CPUS, MapType, ProgramType

PAGE_SIZE: Final = 4096
ENOTSUPP: Final = 524
"""The kernel's own; user space has no name for it."""

_KERNEL_NAME = re.compile(r"[A-Za-z0-9_.]{0,15}")
_ARRAYS = (MapType.ARRAY, MapType.PERCPU_ARRAY)
_OF_FDS = (MapType.PROG_ARRAY, MapType.PERF_EVENT_ARRAY, MapType.CGROUP_ARRAY)
_RINGS = (MapType.RINGBUF, MapType.USER_RINGBUF)
_OF_MAPS = (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)
_KEYLESS = (MapType.QUEUE, MapType.STACK, MapType.BLOOM_FILTER)
STORAGE: Final = (
    MapType.SK_STORAGE,
    MapType.TASK_STORAGE,
    MapType.INODE_STORAGE,
    MapType.CGRP_STORAGE,
)
"""Maps that hang values on the kernel's own things; they alone must have type ids."""

_TYPED = (*STORAGE, MapType.STRUCT_OPS)
_UNTYPED = (
    MapType.PERF_EVENT_ARRAY,
    MapType.CGROUP_ARRAY,
    MapType.STACK_TRACE,
    *_OF_MAPS,
    MapType.DEVMAP,
    MapType.CPUMAP,
    MapType.XSKMAP,
    MapType.SOCKMAP,
    MapType.QUEUE,
    MapType.STACK,
)
_CGROUP_STORAGE = (MapType.CGROUP_STORAGE, MapType.PERCPU_CGROUP_STORAGE)
_INDEXED = (*_ARRAYS, *_OF_FDS, MapType.ARRAY_OF_MAPS)
_NEED_TARGET = (ProgramType.TRACING, ProgramType.LSM, ProgramType.EXT, ProgramType.STRUCT_OPS)
_ARENA_ADDRESS = 1 << 40
_NO_PREALLOC = 1
_MMAPABLE = 1 << 10
_LDIMM64 = 0x18
_CALL = 0x85
_EXITS = (0x95, 0x05, 0x06)


@dataclass(slots=True, eq=False)
class FakeMap:
    """A map in the fake kernel; `contents` hold bytes, programs or maps."""

    name: str
    kernel_name: str
    facts: MapFacts
    inner: MapFacts | None = None
    frozen: bool = False
    types: "FakeTypes | None" = None
    contents: dict[bytes, Any] = field(default_factory=dict)
    owner: ProgramType | None = None

    def holds(self) -> list[Any]:
        """What stays alive because of it."""
        return [*(item for item in self.contents.values() if not isinstance(item, bytes)), *filter(None, (self.types,))]


@dataclass(slots=True, eq=False)
class FakeProgram:
    """A program in the fake kernel, with the maps its code names and those bound to it."""

    name: str
    step: LoadProgram
    code: bytes
    maps: list[FakeMap]
    types: "FakeTypes | None"

    def holds(self) -> list[Any]:
        """What stays alive because of it."""
        return [*self.maps, *filter(None, (self.types,))]


@dataclass(slots=True, eq=False)
class FakeTypes:
    """A BTF in the fake kernel."""

    btf: Btf
    name: str = "BTF"

    def holds(self) -> list[Any]:
        """Nothing."""
        return []


Thing = FakeMap | FakeProgram | FakeTypes


class FakeMemory:
    """The memory of an arena that no kernel knows."""

    def __init__(self, memory: bytearray, address: int) -> None:
        self.view = memoryview(memory)
        self.address = address

    def close(self) -> None:
        """Let go of it."""
        self.view = memoryview(b"")


class FakeHandle:
    """A number for something in a FakeKernel."""

    def __init__(self, kernel: "FakeKernel", number: int, thing: Thing) -> None:
        self._kernel = kernel
        self._number = number
        self.thing = thing

    @property
    def number(self) -> int:
        """Its number; ValueError once closed."""
        if self._number < 0:
            raise ValueError(f"{self.thing.name} is closed")
        return self._number

    def close(self) -> None:
        """Give it back."""
        number, self._number = self._number, -1
        if number >= 0:
            del self._kernel.open[number]


class FakeKernel:
    """The `Kernel` protocol in memory."""

    def __init__(self, *, refuses_types: bool = False, privileged: bool = True) -> None:
        self.open: dict[int, Thing] = {}
        self.pins: dict[str, FakeMap] = {}
        self.refuses_types = refuses_types
        self.privileged = privileged
        self.modules: dict[str, Btf] = {}
        self._next = 3

    def alive(self) -> list[str]:
        """The names of all that an open handle or a pin keeps alive."""
        queue: list[Thing] = [*self.open.values(), *self.pins.values()]
        seen: dict[int, Thing] = {}
        while queue:
            thing = queue.pop()
            if id(thing) not in seen:
                seen[id(thing)] = thing
                queue += thing.holds()
        return sorted(thing.name for thing in seen.values())

    def map(self, handle: Handle) -> FakeMap:
        """The map behind a handle."""
        found = self.open[handle.number]
        assert isinstance(found, FakeMap)
        return found

    def _types(self, btf: Handle | None) -> FakeTypes | None:
        found = self.open[btf.number] if btf is not None else None
        assert found is None or isinstance(found, FakeTypes)
        return found

    def _give(self, thing: Thing) -> FakeHandle:
        number, self._next = self._next, self._next + 1
        self.open[number] = thing
        return FakeHandle(self, number, thing)

    def _privilege(self, operation: str, subject: str) -> None:
        if not self.privileged:
            raise NotPermitted(operation, subject, errno.EPERM, evidence=["this process lacks CAP_BPF"])

    # ------------------------------------------------------------ types and maps

    def load_btf(self, step: LoadBtf) -> Handle:
        self._privilege("load BTF", "")
        if self.refuses_types:
            raise KernelError("load BTF", "", errno.EINVAL)
        try:
            return self._give(FakeTypes(Btf.parse(step.data)))
        except BtfError as error:
            raise KernelError("load BTF", "", errno.EINVAL) from error

    def create_map(
        self, step: CreateMap, *, btf: Handle | None, inner: Handle | None, module: Handle | None = None
    ) -> Handle:
        self._privilege("create map", step.name)
        types = self._types(btf) if step.key_type or step.value_type or step.kernel_value_type else None
        template = self.map(inner).facts if inner is not None else None
        fault = _map_fault(step, template)
        if not fault:
            fault = _type_fault(step, types.btf) if types is not None else errno.EINVAL * (step.type in _TYPED)
        if fault:
            raise KernelError("create map", step.name, fault)
        facts = MapFacts(
            int(step.type), step.key_size, step.value_size, step.max_entries, step.flags, step.map_extra
        )  # fmt: skip
        made = FakeMap(step.name, step.kernel_name, facts, inner=template, types=types)
        return self._give(made)

    def update_map(self, name: str, handle: Handle, key: bytes, value: bytes, flags: int = 0) -> None:
        target = self.map(handle)
        facts = target.facts
        assert len(key) == facts.key_size, f"a key of {len(key)} bytes for map '{name}'"
        assert len(value) == facts.value_size, f"a value of {len(value)} bytes for map '{name}'"
        # Without the flag the kernel would read as many values as there are CPUs.
        assert flags == (BPF_F_ALL_CPUS if facts.type == MapType.PERCPU_ARRAY else 0)
        if target.frozen:
            raise NotPermitted("set a value of map", name, errno.EPERM)
        fault, item = self._item(target, value)
        if facts.type in _RINGS:
            fault = ENOTSUPP
        elif not _has_room(target, key):
            fault = errno.E2BIG
        if fault:
            raise KernelError("set a value of map", name, fault)
        target.contents[key] = item

    def _item(self, target: FakeMap, value: bytes) -> tuple[int, Any]:
        """(errno or 0, what to store) of a value, which for maps of fds is what the fd names."""
        wanted = {MapType.PROG_ARRAY: FakeProgram, **dict.fromkeys(_OF_MAPS, FakeMap)}.get(MapType(target.facts.type))
        if wanted is None:
            return 0, bytes(value)
        found = self.open.get(int.from_bytes(value, "little"))
        if found is None:
            return errno.EBADF, None
        if not isinstance(found, wanted):
            return errno.EINVAL, None
        if isinstance(found, FakeMap):
            return 0 if _same_shape(found.facts, target.inner) else errno.EINVAL, found
        assert isinstance(found, FakeProgram)
        if target.owner is not None and target.owner != found.step.type:
            return errno.EINVAL, None
        target.owner = found.step.type
        return 0, found

    def map_memory(self, name: str, handle: Handle, *, size: int, address: int) -> Memory:
        facts = self.map(handle).facts
        if facts.type != MapType.ARENA or size != facts.max_entries * PAGE_SIZE or facts.map_extra != address:
            raise KernelError("map the memory of arena", name, errno.EINVAL)
        return FakeMemory(bytearray(size), address or _ARENA_ADDRESS)

    def freeze_map(self, name: str, handle: Handle) -> None:
        target = self.map(handle)
        if target.frozen:
            raise NotPermitted("freeze map", name, errno.EPERM)
        target.frozen = True

    def map_facts(self, handle: Handle) -> MapFacts:
        return self.map(handle).facts

    # ------------------------------------------------------------ programs

    def open_module(self, name: str) -> Handle:
        self._privilege("open the types of kernel module", name)
        found = self.modules.get(name)
        if found is None:
            raise KernelError("open the types of kernel module", name, errno.ENOENT)
        return self._give(FakeTypes(found, name))

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
        self._privilege("load program", step.name)
        if not _KERNEL_NAME.fullmatch(step.kernel_name):
            raise KernelError("load program", step.name, errno.EINVAL)
        if not code:
            raise KernelError("load program", step.name, errno.E2BIG)
        types = self._types(btf)
        maps: list[FakeMap] = []
        refusal = self._verify(step, code, types is not None, maps)
        if refusal is not None:
            code_of_error, insn, complaint = refusal
            raise VerifierError(
                step.name,
                code_of_error,
                program_type=step.type.name.lower(),
                log=f"{complaint}\nprocessed 0 insns (limit 1000000)\n",
                complaint=complaint,
                insn=insn,
                source=line_of(insn) if insn is not None else None,
            )
        for used in maps:
            if used.facts.type == MapType.PROG_ARRAY:
                used.owner = step.type
        if log is not None and log.level:
            log.text = "processed 1 insns (limit 1000000)\n"
        return self._give(FakeProgram(step.name, step, code, maps, types))

    def _verify(
        self, step: LoadProgram, code: bytes, typed: bool, maps: list[FakeMap]
    ) -> tuple[int, int | None, str] | None:
        """(errno, instruction, complaint) of the few checks that a loader can get wrong; fills in `maps`."""
        if (step.type in _NEED_TARGET) != bool(step.attach.btf_id):
            return errno.EINVAL, None, "Tracing programs must provide btf_id"
        functions = {0}
        at = 0
        while at < len(code):
            opcode, registers, _, immediate = unpack_from("<BBhi", code, at)
            insn, source = at // 8, registers >> 4
            if opcode == _LDIMM64:
                if at + 16 > len(code) or code[at + 8]:
                    return errno.EINVAL, insn, "invalid bpf_ld_imm64 insn"
                fault = self._map_reference(insn, source, immediate, unpack_from("<i", code, at + 12)[0], maps)
                if fault is not None:
                    return fault
                at += 8
            if (opcode, source) in ((_CALL, 1), (_LDIMM64, 4)):
                target = insn + immediate + 1
                if not 0 <= target < len(code) // 8:
                    return errno.EINVAL, insn, f"call to invalid destination: insn {target}"
                functions.add(target)
            at += 8
        last = len(code) // 8 - 1
        if code[-8] not in _EXITS:
            return errno.EINVAL, None, f"last insn is not an exit or jmp at insn {last}"
        if typed and step.func_info:
            starts = [unpack_from("<I", step.func_info, at)[0] for at in _records(step)]
            if starts != sorted(functions):
                return errno.EINVAL, None, f"func_info says functions at {starts}, the code at {sorted(functions)}"
        return None

    def _map_reference(
        self, insn: int, source: int, number: int, offset: int, maps: list[FakeMap]
    ) -> tuple[int, int | None, str] | None:
        if source not in (1, 2):
            return None
        found = self.open.get(number)
        if not isinstance(found, FakeMap):
            return errno.EBADF if found is None else errno.EINVAL, insn, f"fd {number} is not pointing to valid bpf_map"
        facts = found.facts
        size = facts.max_entries * PAGE_SIZE if facts.type == MapType.ARENA else facts.value_size
        if source == 2 and not 0 <= offset < size:
            complaint = f"invalid access to map value pointer, value_size={size} off={offset}"
            return errno.EINVAL, insn, complaint
        maps.append(found)
        return None

    def bind_map(self, program: Handle, handle: Handle) -> None:
        found = self.open[program.number]
        assert isinstance(found, FakeProgram)
        found.maps.append(self.map(handle))

    # ------------------------------------------------------------ pins

    def open_pinned(self, path: str) -> Handle | None:
        found = self.pins.get(path)
        return self._give(found) if found is not None else None

    def pin(self, path: str, handle: Handle) -> None:
        if path in self.pins:
            raise KernelError("pin map", path, errno.EEXIST)
        self.pins[path] = self.map(handle)

    def unpin(self, path: str) -> None:
        self.pins.pop(path, None)


def _has_room(target: FakeMap, key: bytes) -> bool:
    if target.facts.type in _INDEXED:
        return int.from_bytes(key, "little") < target.facts.max_entries
    return key in target.contents or len(target.contents) < target.facts.max_entries


def _records(step: LoadProgram) -> range:
    return range(0, len(step.func_info), step.func_info_record_size)


def _map_fault(step: CreateMap, template: MapFacts | None) -> int:
    """The errno the kernel gives for a map of these sizes, 0 if it makes it."""
    kind, key, value, entries = step.type, step.key_size, step.value_size, step.max_entries
    if not isinstance(kind, MapType) or kind is MapType.UNSPEC or not _KERNEL_NAME.fullmatch(step.kernel_name):
        return errno.EINVAL
    if kind in _RINGS:
        sound = not key and not value and entries >= PAGE_SIZE and not entries & (entries - 1)
    elif kind in _KEYLESS:
        sound = not key and bool(value) and bool(entries)
    elif kind in STORAGE:
        sound = key == 4 and bool(value) and not entries and bool(step.flags & _NO_PREALLOC)
    elif kind in _CGROUP_STORAGE:
        sound = key in (8, 16) and bool(value) and not entries
    elif kind is MapType.LPM_TRIE:
        sound = key > 4 and bool(value) and bool(entries) and bool(step.flags & _NO_PREALLOC)
    elif kind in (*_ARRAYS, MapType.STACK_TRACE):
        sound = key == 4 and bool(value) and bool(entries)
    elif kind in _OF_FDS or kind is MapType.ARRAY_OF_MAPS:
        sound = key == 4 and value == 4 and bool(entries)
    elif kind is MapType.HASH_OF_MAPS:
        sound = bool(key) and value == 4 and bool(entries)
    elif kind is MapType.ARENA:
        sound = not key and not value and bool(entries) and bool(step.flags & _MMAPABLE)
    elif kind is MapType.INSN_ARRAY:
        sound = key == 4 and value == 16 and bool(entries)
    elif kind is MapType.STRUCT_OPS:
        sound = key == 4 and entries == 1 and bool(step.kernel_value_type)
    else:
        sound = bool(key) and bool(value) and bool(entries)
    if kind in _OF_MAPS and template is None:
        sound = False
    if step.flags & _MMAPABLE and kind not in (MapType.ARRAY, MapType.ARENA):
        sound = False
    return 0 if sound else errno.EINVAL


def _type_fault(step: CreateMap, btf: Btf) -> int:
    """The errno for the type ids of a map."""
    if step.kernel_value_type:
        return errno.EINVAL if step.value_type or step.key_type else 0
    try:
        sizes_agree = size_of(btf, step.value_type) == step.value_size and (
            not step.key_type or size_of(btf, step.key_type) == step.key_size
        )
    except BtfError:
        return errno.EINVAL
    if not sizes_agree:
        return errno.EINVAL
    return ENOTSUPP if step.type in _UNTYPED else 0


def _same_shape(facts: MapFacts, template: MapFacts | None) -> bool:
    """Whether a map may stand in a map of maps: since 5.10 only arrays need the same max_entries."""
    if template is None:
        return False
    same = (facts.type, facts.key_size, facts.value_size, facts.flags) == (
        template.type,
        template.key_size,
        template.value_size,
        template.flags,
    )
    return same and (facts.type not in _ARRAYS or facts.max_entries == template.max_entries)


# ------------------------------------------------------------------ recording and failing


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the method's name and what it was about."""

    name: str
    subject: str


class _Passing:
    """Passes every request on; `_before` sees it first."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def _before(self, name: str, subject: str) -> None:
        raise NotImplementedError

    def load_btf(self, step: LoadBtf) -> Handle:
        self._before("load_btf", "")
        return self.kernel.load_btf(step)

    def create_map(
        self, step: CreateMap, *, btf: Handle | None, inner: Handle | None, module: Handle | None = None
    ) -> Handle:
        self._before("create_map", step.name)
        return self.kernel.create_map(step, btf=btf, inner=inner, module=module)

    def update_map(self, name: str, handle: Handle, key: bytes, value: bytes, flags: int = 0) -> None:
        self._before("update_map", name)
        self.kernel.update_map(name, handle, key, value, flags)

    def map_memory(self, name: str, handle: Handle, *, size: int, address: int) -> Memory:
        self._before("map_memory", name)
        return self.kernel.map_memory(name, handle, size=size, address=address)

    def freeze_map(self, name: str, handle: Handle) -> None:
        self._before("freeze_map", name)
        self.kernel.freeze_map(name, handle)

    def open_module(self, name: str) -> Handle:
        self._before("open_module", name)
        return self.kernel.open_module(name)

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
        self._before("load_program", step.name)
        return self.kernel.load_program(
            step, code, btf=btf, line_of=line_of, fd_array=fd_array, attach_fd=attach_fd, log=log
        )

    def bind_map(self, program: Handle, handle: Handle) -> None:
        self._before("bind_map", "")
        self.kernel.bind_map(program, handle)

    def open_pinned(self, path: str) -> Handle | None:
        self._before("open_pinned", path)
        return self.kernel.open_pinned(path)

    def pin(self, path: str, handle: Handle) -> None:
        self._before("pin", path)
        self.kernel.pin(path, handle)

    def unpin(self, path: str) -> None:
        self.kernel.unpin(path)

    def map_facts(self, handle: Handle) -> MapFacts:
        self._before("map_facts", "")
        return self.kernel.map_facts(handle)


class RecordingKernel(_Passing):
    """Remembers every request in `requests`, unpinning left out: it is only ever asked for to clean up."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.requests: list[Request] = []

    def _before(self, name: str, subject: str) -> None:
        self.requests.append(Request(name, subject))


class FailingKernel(_Passing):
    """Raises what `error` makes instead of passing on request number `step` (from 0)."""

    def __init__(self, kernel: Kernel, step: int, error: Callable[[str, str], BaseException]) -> None:
        super().__init__(kernel)
        self.step = step
        self.count = 0
        self._error = error

    def _before(self, name: str, subject: str) -> None:
        self.count += 1
        if self.count - 1 == self.step:
            raise self._error(name, subject)


def refused(name: str, subject: str) -> KernelError:
    """What a kernel without memory says."""
    return KernelError(name, subject, errno.ENOMEM)


def not_permitted(name: str, subject: str) -> KernelError:
    """What a kernel says to a process without privileges."""
    return NotPermitted(name, subject, errno.EPERM)


def interrupted(name: str, subject: str) -> BaseException:
    """A person at the keyboard, in the middle of it."""
    return KeyboardInterrupt(name)
