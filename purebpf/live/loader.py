"""The stage `execute`: a plan is carried out on a kernel.

Rules: either every step succeeds, or nothing that a step made is left: every handle is closed and every pin that
was made here is removed, in reverse order, whatever failed. Handles of a finished load belong to the caller.

Two refusals are no failures, as with libbpf: a kernel that does not take the object's types gets programs and
maps without them, and a map whose type ids are refused is created once more without them.
"""

from __future__ import annotations

import errno

from purebpf.btf import Btf, InfoSection, line_infos
from purebpf.errors import KernelError, NotPermitted
from purebpf.frozen import Mutable, field, replace
from purebpf.live.kernel import LoadLog, MapFacts
from purebpf.logs import DEBUG, logger
from purebpf.plan.steps import (
    NOWHERE,
    AttachPoint,
    BindMap,
    CreateMap,
    FillStructOps,
    FreezeMap,
    LoadBtf,
    LoadPlan,
    LoadProgram,
    MapMemory,
    SetInnerMap,
    SetProgram,
    SetValue,
    Step,
)
from purebpf.spec.data import F_RDONLY_PROG
from purebpf.uapi import BPF_F_ALL_CPUS, MapType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from logging import Logger
    from typing import Final

    from purebpf.live.seam import Handle, Kernel, Memory

# The kernel adds BPF_F_RDONLY_PROG to these: it says nothing of the declaration.
_READ_ONLY_BY_KIND: Final = (MapType.DEVMAP, MapType.DEVMAP_HASH)


class Loaded(Mutable):
    """What a plan made: one handle each, closed by the caller; `logs` has the logs that were asked for, by program.

    `ops` are the values of the struct_ops maps, fds of programs in place: given to the kernel, they register the map.
    `memory` is that of arenas.
    """

    btf: Handle | None = None
    maps: dict[str, Handle] = field(default_factory=dict)
    programs: dict[str, Handle] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    log: Logger | None = None
    ops: dict[str, bytes] = field(default_factory=dict)
    memory: dict[str, Memory] = field(default_factory=dict)

    def close(self) -> None:
        """Close every handle, and let go of the memory of arenas."""
        for memory in self.memory.values():
            memory.close()
        for handle in (*self.programs.values(), *self.maps.values(), self.btf):
            if handle is not None:
                handle.close()


def execute(
    plan: LoadPlan, kernel: Kernel, *, log: Logger | None = None, log_level: int = 0, log_size: int = 0
) -> Loaded:
    """Carry `plan` out. Either every step succeeds, or nothing it made is left.

    `log_level` is what the verifier is asked to tell of every program that has no level of its own, `log_size` the
    buffer for it.
    """
    loading = _Loading(plan, kernel, log)
    loading.log_level, loading.log_size = log_level, log_size
    try:
        for step in plan.steps:
            loading.perform(step)
    except BaseException:
        # The stack is made only now: each callback that it takes costs as much as a step.
        from contextlib import ExitStack

        with ExitStack() as stack:
            for undo in loading.undo:
                stack.callback(undo)
            raise
    finally:
        loading.finish()
    return loading.loaded


class _Loading:
    """One load while it lasts."""

    def __init__(self, plan: LoadPlan, kernel: Kernel, log: Logger | None) -> None:
        self.kernel = kernel
        self.loaded = Loaded(log=log)
        self.undo: list[Callable[[], None]] = []
        self.log_level = self.log_size = 0
        self._modules: dict[str, Handle] = {}
        self._reused: set[str] = set()
        self._btf = plan.spec.btf
        self._byteorder = plan.spec.byteorder
        self._log = log or logger(plan.spec.name)
        self._chatty = self._log.isEnabledFor(DEBUG)

    def perform(self, step: Step) -> None:
        match step:
            case LoadBtf():
                self._load_btf(step)
            case CreateMap():
                self.loaded.maps[step.name] = handle = self._open_or_create(step)
                if self._chatty:
                    self._log.debug("map '%s': fd %d", step.name, handle.number)
            case SetValue():
                self._set_value(step)
            case MapMemory():
                self._map_memory(step)
            case SetInnerMap():
                if step.map not in self._reused:
                    inner = self.loaded.maps[step.inner]
                    self._set_slot(step.map, step.index, f"map '{step.inner}'", inner, step.key_size)
            case FreezeMap():
                self.kernel.freeze_map(step.map, self.loaded.maps[step.map])
            case LoadProgram():
                self.loaded.programs[step.name] = handle = self._load_program(step)
                if self._chatty:
                    self._log.debug("program '%s': fd %d", step.name, handle.number)
            case BindMap():
                self.kernel.bind_map(self.loaded.programs[step.program], self.loaded.maps[step.map])
            case SetProgram():
                program = self.loaded.programs[step.program]
                self._set_slot(step.map, step.index, f"program '{step.program}'", program)
            case FillStructOps():
                self.loaded.ops[step.map] = self._filled(step)

    def _set_value(self, step: SetValue) -> None:
        flags = BPF_F_ALL_CPUS if step.all_cpus else 0
        self.kernel.update_map(step.map, self.loaded.maps[step.map], step.key, step.value, flags)

    def _keep(self, handle: Handle) -> Handle:
        self.undo.append(handle.close)
        return handle

    def _load_btf(self, step: LoadBtf) -> None:
        try:
            self.loaded.btf = handle = self._keep(self.kernel.load_btf(step))
            if self._chatty:
                self._log.debug("BTF: fd %d", handle.number)
        except NotPermitted:
            raise
        except KernelError as error:
            self._log.info("%s; going on without type information", error)

    def _open_or_create(self, step: CreateMap) -> Handle:
        path = step.pin_path
        if path is None:
            return self._keep(self._create_map(step))
        found = self.kernel.open_pinned(path)
        if found is not None:
            return self._checked(step, self._keep(found))
        handle = self._keep(self._create_map(step))
        try:
            self.kernel.pin(path, handle)
        except KernelError as error:
            if error.errno != errno.EEXIST:
                raise
            # Another process was quicker: its map is the one to share.
            found = self.kernel.open_pinned(path)
            if found is None:
                raise
            handle.close()
            return self._checked(step, self._keep(found))
        self.undo.append(lambda: self.kernel.unpin(path))
        return handle

    def _checked(self, step: CreateMap, found: Handle) -> Handle:
        """The pinned map, if it is like the declared one."""
        actual = self.kernel.map_facts(found)
        if step.type in _READ_ONLY_BY_KIND:
            actual = replace(actual, flags=actual.flags & ~F_RDONLY_PROG | step.flags & F_RDONLY_PROG)
        declared = MapFacts(
            int(step.type), step.key_size, step.value_size, step.max_entries, step.flags, step.map_extra
        )
        differing = [
            f"{name}: pinned {getattr(actual, name)}, declared {getattr(declared, name)}"
            for name in MapFacts.__dataclass_fields__
            if getattr(actual, name) != getattr(declared, name)
        ]
        if differing:
            raise KernelError(
                "reuse pinned map",
                step.name,
                errno.EINVAL,
                reason=f"the map at {step.pin_path} is not like the declared one",
                evidence=differing,
                remedy=f"remove it (rm {step.pin_path}), or change the declaration",
            )
        self._reused.add(step.name)
        return found

    def _create_map(self, step: CreateMap) -> Handle:
        if step.inner is None:
            return self._try_create(step, None)
        inner = self._try_create(step.inner, None)
        try:
            return self._try_create(step, inner)
        finally:
            # The kernel has copied what it needs of the template.
            inner.close()

    def _try_create(self, step: CreateMap, inner: Handle | None) -> Handle:
        # For a struct_ops the kernel wants the object's types as well, although it looks at none of them.
        typed = bool(step.key_type or step.value_type or step.kernel_value_type)
        btf = self.loaded.btf if typed else None
        module = self.module(step.module) if step.module is not None else None
        try:
            return self.kernel.create_map(step, btf=btf, inner=inner, module=module)
        except NotPermitted:
            raise
        except KernelError as error:
            if btf is None or step.kernel_value_type:
                raise _with_advice(error, step) from error.__cause__
            self._log.info("%s; trying without its type ids", error)
        try:
            return self.kernel.create_map(step, btf=None, inner=inner)
        except KernelError as error:
            raise _with_advice(error, step) from error.__cause__

    def _set_slot(self, name: str, index: int, what: str, item: Handle, key_size: int = 4) -> None:
        key, value = index.to_bytes(key_size, self._byteorder), item.number.to_bytes(4, self._byteorder)
        try:
            self.kernel.update_map(name, self.loaded.maps[name], key, value)
        except KernelError as error:
            error.evidence = (f"slot {index} was to hold {what}", *error.evidence)
            raise

    def _map_memory(self, step: MapMemory) -> None:
        handle = self.loaded.maps[step.map]
        memory = self.kernel.map_memory(step.map, handle, size=step.size, address=step.address)
        self.undo.append(memory.close)
        self.loaded.memory[step.map] = memory
        if step.contents and step.map not in self._reused:
            memory.view[step.offset : step.offset + len(step.contents)] = step.contents

    def _filled(self, step: FillStructOps) -> bytes:
        value = bytearray(step.image)
        for offset, name in step.programs:
            # The kernel reads the fd as a whole pointer.
            value[offset : offset + 8] = self.loaded.programs[name].number.to_bytes(8, self._byteorder)
        return bytes(value)

    def _load_program(self, step: LoadProgram) -> Handle:
        code = bytearray(step.code)
        for slot in step.slots:
            at = slot.insn * 8 + 4
            code[at : at + 4] = self.loaded.maps[slot.map].number.to_bytes(4, self._byteorder)
        for module_slot in step.btf_slots:
            at = module_slot.insn * 8 + 12
            code[at : at + 4] = self.module(module_slot.module).number.to_bytes(4, self._byteorder)
        numbers = [self.module(name).number if name else 0 for name in step.fd_array]
        log = LoadLog(step.log_level or self.log_level, self.log_size)
        handle = self._keep(
            self.kernel.load_program(
                step,
                bytes(code),
                btf=self.loaded.btf,
                line_of=_SourceLines(step, self._btf),
                fd_array=b"".join(number.to_bytes(4, self._byteorder) for number in numbers),
                attach_fd=self._attach_fd(step.attach) if step.attach is not NOWHERE else 0,
                log=log,
            )
        )
        if log.level:
            self.loaded.logs[step.name] = log.text
        return handle

    def _attach_fd(self, point: AttachPoint) -> int:
        if point.program is not None:
            return point.program.fd
        return self.module(point.module).number if point.module is not None else 0

    def module(self, name: str) -> Handle:
        """The types of a kernel module, opened once a load; `finish` closes them."""
        found = self._modules.get(name)
        if found is None:
            found = self._modules[name] = self.kernel.open_module(name)
        return found

    def finish(self) -> None:
        """Give back what only the load needed: a loaded program holds its modules itself."""
        for handle in self._modules.values():
            handle.close()


def _with_advice(error: KernelError, step: CreateMap) -> KernelError:
    """The error with the commonest mistake of a map's declaration, where the errno fits."""
    if error.errno == errno.EINVAL and not error.evidence:
        kind = step.type.name.lower() if isinstance(step.type, MapType) else f"type {step.type}"
        error.evidence = (
            f"{kind}: key {step.key_size} bytes, value {step.value_size} bytes, max_entries {step.max_entries}, "
            f"flags {step.flags:#x}, map_extra {step.map_extra:#x}",
        )
        if not isinstance(step.type, MapType):
            error.remedy = "this kernel may not know the map type"
        elif not step.max_entries:
            sizes = "max_entries=..." if step.value_size else "max_entries=..., value_size=..."
            call = f"spec.with_map('{step.name}', {sizes})"
            error.remedy = f"set max_entries, which most map types need: {call}"
    elif error.errno == errno.E2BIG:
        error.remedy = error.remedy or "the kernel limits max_entries and the size of keys and values"
    return error


class _SourceLines:
    """The C source line at an instruction of a program; nothing is unpacked before the first question."""

    def __init__(self, step: LoadProgram, btf: Btf | None) -> None:
        self._step = step
        self._btf = btf
        self._lines: Mapping[int, str] | None = None

    def __call__(self, insn: int) -> str | None:
        """'file:line  text' of the line to which the instruction belongs, None where the file does not tell."""
        if self._lines is None:
            self._lines = self._unpack()
        begin = max((start for start in self._lines if start <= insn), default=None)
        return self._lines[begin] if begin is not None else None

    def _unpack(self) -> dict[int, str]:
        if self._btf is None or not self._step.line_info:
            return {}
        infos = line_infos(InfoSection(self._step.line_info_record_size, self._step.line_info), self._btf)
        return {info.insn_offset: str(info) for info in infos}
