"""One program at many places with one link: functions of the kernel (kprobe.multi), functions of a file (uprobe.multi).

Rules: places are named one by one, or by patterns with `*` and `?`. Of the kernel's functions only those count that
can be probed, as tracefs lists them. A `session` program runs at entry and at return, and says by what it returns at
entry whether it wants the return. All places are taken, or none.
"""

import errno
import os
import re
from collections.abc import Iterable, Sequence
from struct import pack

from purebpf.errors import AttachTargetError, KernelError
from purebpf.host import kernel_error
from purebpf.host.binaries import find_binary
from purebpf.host.kallsyms import read_kallsyms
from purebpf.host.mounts import require_tracefs
from purebpf.host.symbols import function_offset, open_symbols
from purebpf.live.link.base import AttachableProgram, Link, on, refused
from purebpf.live.link.kprobe import missing_function
from purebpf.live.too_new import lacking, too_new
from purebpf.syscall import links
from purebpf.syscall.fd import Fd
from purebpf.uapi import (
    BPF_F_KPROBE_MULTI_RETURN,
    BPF_F_UPROBE_MULTI_RETURN,
    AttachType,
    ProgramType,
)

Names = str | Sequence[str]
Cookies = int | Sequence[int]

_WORD = 0xFFFFFFFFFFFFFFFF
_REASONS = {
    errno.EINVAL: "the program was loaded for another way of attaching, or no probe is allowed at one of the places",
    errno.EADDRNOTAVAIL: "one of the functions cannot be probed",
}
_MOST_SHOWN = 3


def attach_kprobe_multi(
    program: AttachableProgram,
    functions: Names,
    *,
    returning: bool = False,
    session: bool = False,
    cookie: Cookies = 0,
) -> Link:
    """Run `program` at the entry of each of the kernel functions `functions`, or, `returning`, at its return.

    `functions` are names and patterns (`vfs_*`). `cookie` is one for all places or, with names alone, one for each.
    """
    attach_type = AttachType.TRACE_KPROBE_SESSION if session else AttachType.TRACE_KPROBE_MULTI
    names = _functions(_listed(functions), attach_type, program.name)
    hook, place = "kernel functions", _shown(names)
    try:
        number = links.link_create_kprobe_multi(
            prog_fd=program.fd,
            attach_type=attach_type,
            symbols=tuple(names),
            cookies=_packed(cookie, len(names)),
            flags=BPF_F_KPROBE_MULTI_RETURN if returning else 0,
        )
    except OSError as error:
        if error.errno == errno.ESRCH:
            raise _missing_of(names, program, hook, place, error) from error
        raise _refused(program, hook, place, error, attach_type) from error
    what = on(program, hook, place)
    return Link(Fd(number, f"the link of {what}"), what)


def attach_uprobe_multi(
    program: AttachableProgram,
    path: str | os.PathLike[str],
    symbols: Names = (),
    *,
    offsets: Sequence[int] = (),
    returning: bool = False,
    session: bool = False,
    pid: int | None = None,
    cookie: Cookies = 0,
) -> Link:
    """Run `program` at the entry of each of the functions `symbols` of a file, or, `returning`, at its return.

    `symbols` are names and patterns (`SSL_*`), `offsets` further places, counted from the file's start; `pid` limits
    it to one process (0: this one). `cookie` is one for all places or, with names and offsets alone, one for each.
    """
    attach_type = AttachType.TRACE_UPROBE_SESSION if session else AttachType.TRACE_UPROBE_MULTI
    file = find_binary(os.fspath(path))
    names = _listed(symbols)
    places = [*_offsets(file, names), *offsets]
    if not places:
        raise ValueError("nothing to attach to: give symbols or offsets")
    hook, place = f"functions of {file}", _shown(names or [f"{each:#x}" for each in places])
    try:
        number = links.link_create_uprobe_multi(
            prog_fd=program.fd,
            attach_type=attach_type,
            path=os.fsencode(file),
            offsets=pack(f"={len(places)}Q", *places),
            cookies=_packed(cookie, len(places)),
            pid=os.getpid() if pid == 0 else pid or 0,
            flags=BPF_F_UPROBE_MULTI_RETURN if returning else 0,
        )
    except OSError as error:
        if error.errno == errno.ESRCH:
            raise AttachTargetError(f"there is no process {pid} to probe") from error
        raise _refused(program, hook, place, error, attach_type) from error
    what = on(program, hook, place)
    return Link(Fd(number, f"the link of {what}"), what)


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    wanted = re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")).fullmatch
    return [name for name in names if wanted(name)]


def _functions(names: list[str], attach_type: AttachType, program: str) -> list[str]:
    """The kernel functions that are meant, each once."""
    if not names:
        raise ValueError("nothing to attach to: name functions of the kernel")
    found: dict[str, None] = {}
    probed: list[str] | None = None
    for name in names:
        if not _is_pattern(name):
            found[name] = None
            continue
        probed = _probed(attach_type, program) if probed is None else probed
        matching = _matching(name, probed)
        if not matching:
            raise AttachTargetError(f"the kernel has no function like '{name}' that can be probed")
        found.update(dict.fromkeys(matching))
    return list(found)


def _probed(attach_type: AttachType, program: str) -> list[str]:
    """The functions that can be probed and have a symbol, without those that ftrace made up."""
    symbols = read_kallsyms()
    # Asked before the list is looked for: being allowed to read it would not help a kernel without.
    if not symbols.find("register_fprobe"):
        raise lacking(attach_type, program)
    path = f"{require_tracefs()}/available_filter_functions"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            listed = [line.split()[0] for line in file if line.strip()]
    except OSError as error:
        raise kernel_error("read the functions that can be probed", path, error) from error
    known = set(symbols.functions())
    return [name for name in listed if name in known]


def _offsets(file: str, names: list[str]) -> list[int]:
    found: dict[int, None] = {}
    for name in names:
        if not _is_pattern(name):
            found[_offset(file, name)] = None
            continue
        with open_symbols(file) as symbols:
            matching = {
                each for wanted in _matching(name, dict.fromkeys(symbols.names())) for each in symbols.find(wanted)
            }
        if not matching:
            raise AttachTargetError(f"'{file}' has no function like '{name}'")
        found.update(dict.fromkeys(sorted(symbol.offset for symbol in matching)))
    return list(found)


def _offset(file: str, name: str) -> int:
    try:
        return function_offset(file, name)
    except OSError as error:
        raise kernel_error("read the symbols of", file, error) from error


def _packed(cookie: Cookies, count: int) -> bytes:
    cookies = [cookie] * count if isinstance(cookie, int) else list(cookie)
    if len(cookies) != count:
        raise ValueError(f"{len(cookies)} cookies for {count} places: give one, or one for each")
    if not any(cookies):
        return b""
    return pack(f"={count}Q", *(each & _WORD for each in cookies))


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return f"{', '.join(names[:_MOST_SHOWN])}{more}"


def _missing_of(
    names: list[str], program: AttachableProgram, hook: str, place: str, error: OSError
) -> AttachTargetError | KernelError:
    symbols = read_kallsyms()
    for name in names:
        if not any(symbol.is_code for symbol in symbols.find(name)):
            return missing_function(name, symbols)
    return refused(
        program, hook, place, error, program_type=ProgramType.KPROBE,
        reasons={errno.ESRCH: "one of the functions cannot be probed"},
    )  # fmt: skip


def _refused(program: AttachableProgram, hook: str, place: str, error: OSError, attach_type: AttachType) -> Exception:
    if error.errno == errno.EOPNOTSUPP:
        return lacking(attach_type, program.name)
    old = too_new(attach_type, program.name) if error.errno == errno.EINVAL else None
    return old or refused(program, hook, place, error, program_type=ProgramType.KPROBE, reasons=_REASONS)
