"""What the running kernel can do, found out by trying.

One table: for each `Feature` the smallest bpf(2) call that works with it and fails without it, and the errnos that
mean "without". Versions are not compared: distributions carry features back, and builds leave them out.

An answer is remembered for the life of the process. Any other errno answers nothing (EPERM says what this process
may do, ENOMEM what the machine had left): it is raised and never remembered. Nothing stays behind: every fd that a
probe gets is closed before the next.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

from purebpf.frozen import Frozen
from purebpf.host import kernel_error
from purebpf.plan.target import Feature
from purebpf.syscall import calls
from purebpf.uapi import AttachType, MapType, ProgramType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LITTLE = sys.byteorder == "little"
_R0, _R1, _R2, _R3, _R10 = 0, 1, 2, 3, 10
_MAP_VALUE = 2
_NO_FD = _NO_PROCESS = 0xFFFFFFFF
_BPF_F_MMAPABLE = 1 << 10
_PROBE_READ_KERNEL, _KTIME_GET_COARSE_NS, _GET_ATTACH_COOKIE = 113, 160, 174

# Machines whose system calls have wrappers, by the prefix of their names.
_WRAPPERS = ("x64", "ia32", "arm64", "arm", "s390x", "s390", "riscv", "powerpc")

_REFUSED = frozenset({errno.EINVAL, errno.E2BIG})
_REFUSED_CODE = _REFUSED | {errno.EACCES}
"""For a program's code: the verifier's own refusals are EINVAL or EACCES; a want of privilege is EPERM."""


def _insn(opcode: int, dst: int = 0, src: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    registers = dst | src << 4 if _LITTLE else dst << 4 | src
    return struct.pack("=BBhi", opcode, registers, offset, immediate)


_RETURN_0 = _insn(0xB7, _R0) + _insn(0x95)


def _call(helper: int) -> bytes:
    return _insn(0x85, immediate=helper)


# ---------------------------------------------------------------- type information

_INT, _PTR, _FUNC, _FUNC_PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64 = (
    1,
    2,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
)
_STRINGS = b"\0x\0.data\0?.data\0arg:ctx\0"
_X, _DOT_DATA, _QMARK_DATA, _ARG_CTX = 1, 3, 9, 16


def _type(kind: int, name: int, size_or_type: int, *more: int, count: int = 0) -> bytes:
    return struct.pack(f"={3 + len(more)}I", name, kind << 24 | count, size_or_type, *more)


_INT32 = _type(_INT, _X, 4, 1 << 24 | 32)
"""Type 1 of every probe: `int`, signed, 32 bits."""


def _btf(*types: bytes, layout: bytes = b"") -> bytes:
    body = _INT32 + b"".join(types)
    size = 32 if layout else 24
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, size, 0, len(body), len(body), len(_STRINGS))
    if layout:
        padding = bytes(-len(_STRINGS) % 4)
        header += struct.pack("=II", len(body) + len(_STRINGS) + len(padding), len(layout))
        return header + body + _STRINGS + padding + layout
    return header + body + _STRINGS


def _data_section(name: int) -> bytes:
    return _btf(_type(_VAR, _X, 1, 0), _type(_DATASEC, name, 4, 2, 0, 4, count=1))


_ENTRY, _TAKES_CONTEXT = 5, 6
_TAGGED_FUNCTIONS = _btf(
    _type(_PTR, 0, 0),
    _type(_FUNC_PROTO, 0, 1),
    _type(_FUNC_PROTO, 0, 1, _X, 2, count=1),
    _type(_FUNC, _X, 3, count=1),
    _type(_FUNC, _X, 4, count=1),
    _type(_DECL_TAG, _ARG_CTX, _TAKES_CONTEXT, 0),
)
"""Two global functions: an entry, and one that takes a `void *` with the tag of a context."""

_PROTOTYPE = _type(_FUNC_PROTO, 0, 0, _X, 1, count=1)
_TYPES = {
    Feature.BTF: _btf(),
    Feature.BTF_FUNC: _btf(_PROTOTYPE, _type(_FUNC, _X, 2)),
    Feature.BTF_DATASEC: _data_section(_DOT_DATA),
    Feature.BTF_GLOBAL_FUNC: _btf(_PROTOTYPE, _type(_FUNC, _X, 2, count=1)),
    Feature.BTF_FLOAT: _btf(_type(_FLOAT, _X, 4)),
    Feature.BTF_DECL_TAG: _btf(_type(_VAR, _X, 1, 0), _type(_DECL_TAG, _X, 2, 0xFFFFFFFF)),
    Feature.BTF_TYPE_TAG: _btf(_type(_TYPE_TAG, _X, 1), _type(_PTR, 0, 2)),
    Feature.BTF_ENUM64: _btf(_type(_ENUM64, _X, 8, _X, 0, 0, count=1)),
    Feature.BTF_QMARK_DATASEC: _data_section(_QMARK_DATA),
    Feature.BTF_LAYOUT: _btf(layout=struct.pack("=BBHBBH", 0, 0, 0, 4, 0, 0)),
}


# ---------------------------------------------------------------- probes


class _open:  # noqa: N801 (used as a function)
    """An fd for the length of a block; contextlib costs as much as three of our modules."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _program(program_type: ProgramType, code: bytes = _RETURN_0, *, name: bytes = b"", attach_type: int = 0) -> int:
    return calls.prog_load(
        prog_type=program_type, insns=code, license="GPL", name=name, expected_attach_type=attach_type
    )


def _array(flags: int = 0) -> int:
    return calls.map_create(map_type=MapType.ARRAY, key_size=4, value_size=32, max_entries=1, flags=flags)


def _load_code(program_type: ProgramType, code: bytes) -> Callable[[], None]:
    return lambda: os.close(_program(program_type, code))


def _load_types(types: bytes) -> Callable[[], None]:
    return lambda: os.close(calls.btf_load(types))


def _name() -> None:
    os.close(_program(ProgramType.SOCKET_FILTER, name=b"probe"))


def _global_data() -> None:
    with _open(_array()) as array:
        address = _insn(0x18, _R1, _MAP_VALUE, 0, array) + _insn(0, immediate=0)
        os.close(_program(ProgramType.SOCKET_FILTER, address + _insn(0x7A, _R1, 0, 0, 42) + _RETURN_0))


def _percpu_data() -> None:
    array = calls.map_create(map_type=MapType.PERCPU_ARRAY, key_size=4, value_size=8, max_entries=1)
    with _open(array):
        address = _insn(0x18, _R1, _MAP_VALUE, 0, array) + _insn(0, immediate=0)
        os.close(_program(ProgramType.SOCKET_FILTER, address + _insn(0x79, _R0, _R1) + _insn(0x95)))


def _array_mmap() -> None:
    os.close(_array(_BPF_F_MMAPABLE))


def _expected_attach_type() -> None:
    os.close(_program(ProgramType.CGROUP_SOCK, attach_type=AttachType.CGROUP_INET_SOCK_CREATE))


def _bind_map() -> None:
    with _open(_array()) as array, _open(_program(ProgramType.SOCKET_FILTER)) as program:
        calls.prog_bind_map(prog_fd=program, map_fd=array)


def _module_btf() -> None:
    """A BTF has a name (that of its module) since there are BTFs of modules."""
    from purebpf.syscall import objects

    with _open(calls.btf_load(_TYPES[Feature.BTF])) as types:
        objects.btf_info(types)


def _arg_ctx_tag() -> None:
    """A function reads from its argument, which the verifier allows if it takes that for a context."""
    code = _insn(0x85, src=1, immediate=1) + _insn(0x95) + _insn(0x79, _R0, _R1, 8) + _insn(0x95)
    functions = struct.pack("=4I", 0, _ENTRY, 2, _TAKES_CONTEXT)
    with _open(calls.btf_load(_TAGGED_FUNCTIONS)) as types:
        os.close(
            calls.prog_load(
                prog_type=ProgramType.KPROBE,
                insns=code,
                license="GPL",
                btf_fd=types,
                func_info=functions,
                func_info_rec_size=8,
            )
        )


def _perf_link() -> None:
    from purebpf.syscall import links

    with _open(_program(ProgramType.TRACEPOINT)) as program, _expected(errno.EBADF):
        os.close(links.link_create_perf_event(prog_fd=program, event_fd=_NO_FD, attach_type=AttachType.PERF_EVENT))


def _uprobe_multi_link() -> None:
    """A directory is no place for a uprobe (EBADF), and -1 no process.

    Kernels before 6.10 did not check the process and then took threads for processes: they count as without.
    """
    from purebpf.syscall import links

    attach_type = AttachType.TRACE_UPROBE_MULTI
    with _open(_program(ProgramType.KPROBE, attach_type=attach_type)) as program:
        for pid, answer in ((0, errno.EBADF), (_NO_PROCESS, errno.EINVAL)):
            with _expected(answer):
                os.close(
                    links.link_create_uprobe_multi(
                        prog_fd=program, attach_type=attach_type, path=b"/", offsets=bytes(8), pid=pid
                    )
                )


def _far_offset() -> None:
    """An offset beyond the value is refused either way; an older kernel says that no map has such offsets.

    A kernel that takes it does not look at it, and is not trusted with one.
    """
    log = calls.Log(bytearray(4096))
    with _open(_array()) as array:
        address = _insn(0x18, _R1, _MAP_VALUE, 0, array) + _insn(0, immediate=1 << 30)
        try:
            code = address + _RETURN_0
            os.close(calls.prog_load(prog_type=ProgramType.SOCKET_FILTER, insns=code, license="GPL", log=log))
        except OSError as error:
            if error.errno in _REFUSED_CODE and "direct value offset of" not in log.text:
                return
            raise
    raise OSError(errno.EINVAL, "not refused")


def _arena() -> None:
    flags = _BPF_F_MMAPABLE
    os.close(calls.map_create(map_type=MapType.ARENA, key_size=0, value_size=0, max_entries=1, flags=flags))


def _insn_array() -> None:
    os.close(calls.map_create(map_type=MapType.INSN_ARRAY, key_size=4, value_size=16, max_entries=1))


def _syscall_wrapper() -> None:
    """The kernel's own symbols name the wrappers (__x64_sys_bpf); libbpf tries a kprobe on one, which needs kprobes."""
    from purebpf.host.kallsyms import read_kallsyms

    if not any(read_kallsyms().find(f"__{prefix}_sys_bpf") for prefix in _WRAPPERS):
        raise OSError(errno.EINVAL, "no wrapper")


class _expected:  # noqa: N801 (used as a function)
    """The call in the block is to fail with `answer`; any other outcome means that the feature is not there."""

    def __init__(self, answer: int) -> None:
        self._answer = answer

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            raise OSError(errno.EINVAL, "not refused")
        if not isinstance(error, OSError):
            return False
        if error.errno != self._answer and (error.errno in _REFUSED or error.errno == errno.EBADF):
            raise OSError(errno.EINVAL, "refused otherwise than expected") from error
        return error.errno == self._answer


class _Probe(Frozen):
    attempt: Callable[[], None]
    without: frozenset[int] = _REFUSED
    program_type: ProgramType = ProgramType.SOCKET_FILTER


def _code_probe(program_type: ProgramType, code: bytes) -> _Probe:
    return _Probe(_load_code(program_type, code), _REFUSED_CODE, program_type)


_READ_KERNEL = (
    _insn(0xBF, _R1, _R10)
    + _insn(0x07, _R1, 0, 0, -8)
    + _insn(0xB7, _R2, 0, 0, 8)
    + _insn(0xB7, _R3)
    + _call(_PROBE_READ_KERNEL)
    + _RETURN_0
)

_PROBES = {
    **{feature: _Probe(_load_types(types)) for feature, types in _TYPES.items()},
    Feature.PROG_NAME: _Probe(_name),
    Feature.GLOBAL_DATA: _Probe(_global_data, _REFUSED_CODE),
    Feature.PERCPU_DATA: _Probe(_percpu_data, _REFUSED_CODE),
    Feature.ARRAY_MMAP: _Probe(_array_mmap),
    Feature.EXP_ATTACH_TYPE: _Probe(_expected_attach_type, program_type=ProgramType.CGROUP_SOCK),
    Feature.PROBE_READ_KERNEL: _code_probe(ProgramType.TRACEPOINT, _READ_KERNEL),
    Feature.PROG_BIND_MAP: _Probe(_bind_map),
    Feature.MODULE_BTF: _Probe(_module_btf),
    Feature.ARG_CTX_TAG: _Probe(_arg_ctx_tag, _REFUSED_CODE, ProgramType.KPROBE),
    Feature.PERF_LINK: _Probe(_perf_link, program_type=ProgramType.TRACEPOINT),
    Feature.MEMCG_ACCOUNT: _code_probe(ProgramType.SOCKET_FILTER, _call(_KTIME_GET_COARSE_NS) + _RETURN_0),
    Feature.BPF_COOKIE: _code_probe(ProgramType.TRACEPOINT, _call(_GET_ATTACH_COOKIE) + _RETURN_0),
    Feature.SYSCALL_WRAPPER: _Probe(_syscall_wrapper),
    Feature.LDIMM64_OFFSET: _Probe(_far_offset),
    Feature.INSN_ARRAY: _Probe(_insn_array),
    Feature.ARENA: _Probe(_arena),
    Feature.UPROBE_MULTI_LINK: _Probe(_uprobe_multi_link, program_type=ProgramType.KPROBE),
}
"""bpf_ktime_get_coarse_ns() stands for accounting by cgroup: both came with 5.11, and the latter cannot be seen."""

_known: dict[Feature, bool] = {}


def supports(feature: Feature) -> bool:
    """Whether the running kernel has `feature`: probed once, then remembered.

    Raises `NotPermitted`, or `KernelError`, when the probe could not tell; it is tried again the next time.
    """
    answer = _known.get(feature)
    if answer is None:
        answer = _known[feature] = _try(feature)
    return answer


def _try(feature: Feature) -> bool:
    probe = _PROBES[feature]
    try:
        try:
            probe.attempt()
        except PermissionError:
            from purebpf.host.memlock import raise_limit

            if not raise_limit():
                raise
            probe.attempt()
    except OSError as error:
        if error.errno in probe.without:
            return False
        raise kernel_error("probe the kernel for", feature.text, error, program_type=probe.program_type) from error
    return True
