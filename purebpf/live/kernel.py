"""The running kernel behind the seam of `purebpf.live.seam`, whose rules it keeps."""

from __future__ import annotations

import errno

from purebpf.errors import BpfError, KernelError, VerifierError
from purebpf.frozen import Frozen, Mutable, field
from purebpf.host import kernel_error
from purebpf.syscall import calls
from purebpf.syscall.fd import Fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from purebpf.live.seam import Handle, LineOf, Memory
    from purebpf.plan.steps import CreateMap, LoadBtf, LoadProgram

# libbpf starts with 16 MiB; most verdicts fit into far less, and a log that was cut is asked for again.
_LOG_START: Final = 1 << 18
# The kernel refuses smaller ones.
_LOG_LEAST: Final = 128
# The kernel takes up to UINT_MAX >> 2 since 5.2; nobody can read that much.
_LOG_LIMIT: Final = 1 << 28


class MapFacts(Frozen):
    """What an existing map says of itself, to compare it with a declaration."""

    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    map_extra: int


class LoadLog(Mutable):
    """The verifier's log of a program: how much is asked for, and what came if it was loaded.

    `level` 0 asks for none unless the program is refused. `size` is the buffer's to begin with, 0 for what fits most
    verdicts; a log that does not fit is asked for again.
    """

    level: int = 0
    size: int = 0
    text: str = field(default="", repr=False)


class RunningKernel:
    """The kernel this process runs on."""

    def load_btf(self, step: LoadBtf) -> Handle:
        try:
            return Fd(_within_memlock(lambda: calls.btf_load(step.data)), "BTF")
        except OSError as error:
            raise kernel_error("load BTF", "", error) from error

    def create_map(
        self, step: CreateMap, *, btf: Handle | None, inner: Handle | None, module: Handle | None = None
    ) -> Handle:
        try:
            number = _within_memlock(
                lambda: calls.map_create(
                    map_type=step.type,
                    key_size=step.key_size,
                    value_size=step.value_size,
                    max_entries=step.max_entries,
                    flags=step.flags,
                    name=step.kernel_name.encode(),
                    inner_map_fd=inner.number if inner is not None else 0,
                    numa_node=step.numa_node,
                    btf_fd=btf.number if btf is not None else 0,
                    btf_key_type_id=step.key_type if btf is not None else 0,
                    btf_value_type_id=step.value_type if btf is not None else 0,
                    btf_vmlinux_value_type_id=step.kernel_value_type,
                    value_type_btf_obj_fd=module.number if module is not None else 0,
                    map_extra=step.map_extra,
                )
            )
        except OSError as error:
            raise kernel_error("create map", step.name, error) from error
        return Fd(number, f"map '{step.name}'")

    def update_map(self, name: str, handle: Handle, key: bytes, value: bytes, flags: int = 0) -> None:
        try:
            calls.map_update(handle.number, key, value, flags)
        except OSError as error:
            raise kernel_error("set a value of map", name, error) from error

    def map_memory(self, name: str, handle: Handle, *, size: int, address: int) -> Memory:
        # Loaded here because few objects have an arena.
        from purebpf.live.maps.arena import ArenaMemory

        return ArenaMemory(name, handle.number, size, address)

    def freeze_map(self, name: str, handle: Handle) -> None:
        try:
            calls.map_freeze(handle.number)
        except OSError as error:
            raise kernel_error("freeze map", name, error) from error

    def open_module(self, name: str) -> Handle:
        from purebpf.host.modules import open_module

        return open_module(name)

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
        asked = log if log is not None else LoadLog()
        first: OSError | None = None
        if not asked.level:
            try:
                return self._load(step, code, btf, None, fd_array, attach_fd)
            except OSError as error:
                first = error
        # A log costs the verifier time, so it is asked for only now; the second try may succeed (memory, signals).
        attempt = calls.Log(bytearray(max(asked.size or _LOG_START, _LOG_LEAST)), asked.level or 1)
        while True:
            try:
                handle = self._load(step, code, btf, attempt, fd_array, attach_fd)
            except OSError as error:
                size = len(attempt.buffer)
                wanted = max(attempt.true_size, size * 4 if error.errno == errno.ENOSPC else 0)
                if size < wanted and size < _LOG_LIMIT:
                    attempt = calls.Log(bytearray(min(wanted + 1, _LOG_LIMIT)), attempt.level)
                    continue
                # ENOSPC is about the log; the verdict's errno is the first one.
                cause = first if first is not None and error.errno == errno.ENOSPC else error
                raise _refusal(step, cause, attempt.text, line_of) from error
            asked.text = attempt.text
            return handle

    def _load(
        self,
        step: LoadProgram,
        code: bytes,
        btf: Handle | None,
        log: calls.Log | None,
        fd_array: bytes,
        attach_fd: int,
    ) -> Handle:
        number = _within_memlock(
            lambda: calls.prog_load(
                prog_type=step.type,
                insns=code,
                license=step.license,
                name=step.kernel_name.encode(),
                flags=step.flags,
                kern_version=step.kernel_version,
                expected_attach_type=step.expected_attach_type or 0,
                btf_fd=btf.number if btf is not None else 0,
                func_info=step.func_info if btf is not None else b"",
                func_info_rec_size=step.func_info_record_size if btf is not None else 0,
                line_info=step.line_info if btf is not None else b"",
                line_info_rec_size=step.line_info_record_size if btf is not None else 0,
                attach_btf_id=step.attach.btf_id,
                attach_fd=attach_fd,
                fd_array=fd_array,
                log=log,
            )
        )
        return Fd(number, f"program '{step.name}'")

    def bind_map(self, program: Handle, handle: Handle) -> None:
        try:
            calls.prog_bind_map(prog_fd=program.number, map_fd=handle.number)
        except OSError as error:
            raise kernel_error("bind map", "", error) from error

    def open_pinned(self, path: str) -> Handle | None:
        from purebpf.syscall import objects

        try:
            found = Fd(objects.obj_get(path.encode()), f"map pinned at {path}")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise kernel_error("open pinned map", path, error) from error
        kind = _kind_of(found)
        if kind != "map":
            found.close()
            reason = f"what is pinned there is no map, but a {kind}"
            raise KernelError("open pinned map", path, errno.EINVAL, reason=reason)
        return found

    def pin(self, path: str, handle: Handle) -> None:
        from purebpf.syscall import objects

        try:
            objects.obj_pin(handle.number, path.encode())
        except OSError as error:
            raise kernel_error("pin map", path, error) from error

    def unpin(self, path: str) -> None:
        from os import unlink

        try:
            unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise kernel_error("unpin map", path, error) from error

    def map_facts(self, handle: Handle) -> MapFacts:
        from purebpf.syscall import objects

        try:
            info = objects.map_info(handle.number)
        except OSError as error:
            raise kernel_error("get info of map", "", error) from error
        return MapFacts(info.type, info.key_size, info.value_size, info.max_entries, info.map_flags, info.map_extra)


def _within_memlock(request: Callable[[], int]) -> int:
    """What `request` gives; where an old kernel lacks locked memory for it, once more with the limit raised."""
    try:
        return request()
    except PermissionError:
        # Loaded here because only a refusal needs it.
        from purebpf.host.memlock import raise_limit

        if not raise_limit():
            raise
    return request()


def _kind_of(found: Fd) -> str:
    """'map', 'prog' or 'link'; without /proc what was asked for is believed."""
    from os import readlink

    try:
        return readlink(f"/proc/self/fd/{found.number}").removeprefix("anon_inode:").strip("[]").removeprefix("bpf-")
    except OSError:
        return "map"


def _refusal(step: LoadProgram, error: OSError, log: str, line_of: LineOf) -> BpfError:
    """The error for a program that was refused: the verifier's if it said anything, else the kernel's."""
    from purebpf.live.verifier import explain, poisoned_access

    verdict = explain(log, line_of)
    if error.errno == errno.EINVAL and verdict.insn is None:
        from purebpf.live.too_new import unknown_kind

        unknown = unknown_kind(step.type, step.expected_attach_type, step.name)
        if unknown is not None:
            return unknown
    if not log.strip():
        return kernel_error("load program", step.name, error, program_type=step.type)
    from purebpf.plan.left_out import why_left_out

    poisoned = poisoned_access(verdict, step.poisoned)
    failure = poisoned.failure() if poisoned is not None else None
    if verdict.poison is not None and verdict.poison.kind == "map":
        failure = why_left_out(step.left_out, verdict.poison.index)
    return VerifierError(
        step.name,
        error.errno or 0,
        program_type=step.type.name.lower(),
        log=log,
        complaint=verdict.complaint,
        source=verdict.source,
        insn=verdict.insn,
        reason=failure.reason if failure is not None else "",
        evidence=failure.evidence if failure is not None else (),
        remedy=failure.remedy if failure is not None else "; ".join(verdict.hints),
    )
