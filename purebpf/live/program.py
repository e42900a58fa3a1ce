"""A loaded program: one fd, its attach calls, its facts, its trial runs.

Rules: the program stays in the kernel as long as its fd is open or something (a link, a pin, a prog_array)
holds it. `attach()` goes by the section's name; every hook has a call of its own too. Links are the caller's.
"""

from __future__ import annotations

import errno

from purebpf.host import kernel_error
from purebpf.logs import DEBUG
from purebpf.syscall import objects, programs
from purebpf.uapi import AttachType, ProgramType

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    import socket
    from collections.abc import Callable, Sequence
    from logging import Logger
    from types import TracebackType
    from typing import Any, Self, TypeVar

    from purebpf.errors import KernelError
    from purebpf.live.link import IterLink, Link
    from purebpf.plan.steps import LoadProgram
    from purebpf.spec.model import ProgramSpec
    from purebpf.syscall.fd import Fd
    from purebpf.syscall.infos import ProgInfo
    from purebpf.syscall.programs import TestRun
    from purebpf.units import HasFd

    _Link = TypeVar("_Link", bound=Link)

Buffer = bytes | bytearray | memoryview


class Program:
    """A program in the kernel. Made by `purebpf.load`, which also closes it."""

    def __init__(
        self, fd: Fd, spec: ProgramSpec, step: LoadProgram, log: str = "", logger: Callable[[], Logger] | None = None
    ) -> None:
        self._fd = fd
        self._logger = logger
        self.spec = spec
        self.step = step
        self.log = log
        """What the verifier told while it was loaded; '' unless a log level was given."""

    @property
    def name(self) -> str:
        """Its name in the object file; the kernel shows the first 15 characters."""
        return self.spec.name

    @property
    def type(self) -> ProgramType:
        """Its program type."""
        return self.spec.type

    @property
    def expected_attach_type(self) -> AttachType | int | None:
        """The attach type it was loaded for, where its type has several."""
        return self.step.expected_attach_type

    @property
    def fd(self) -> int:
        """Its file descriptor's number; ValueError once closed."""
        return self._fd.number

    def fileno(self) -> int:
        """As `fd`."""
        return self._fd.number

    @property
    def closed(self) -> bool:
        """Whether its fd was closed (the program may live on, held by a link or a pin)."""
        return self._fd.closed

    def info(self) -> ProgInfo:
        """What the kernel knows of it: id, tag, sizes, load time, ..."""
        return objects.prog_info(self.fd)

    @property
    def id(self) -> int:
        """The kernel's id of it, as bpftool shows it."""
        return self.info().id

    # ------------------------------------------------------------------ attaching

    def attach(self, **options: Any) -> Link:
        """Attach it to what its section's name says.

        `options` are those of the hook's own call: `cookie`, `pid`, `interface` for XDP, `socket` for a socket
        filter, ... A section that does not name a place and no option that does is an AttachTargetError.
        """
        from purebpf.live.link import attach_by_section

        return self._told(attach_by_section(self, self.spec.definition, self.spec.attach_to, **options))

    def attach_tracepoint(self, category: str, name: str, *, cookie: int = 0) -> Link:
        """Attach it to tracepoint `category`/`name`."""
        from purebpf.live.link import attach_tracepoint

        return self._told(attach_tracepoint(self, category, name, cookie=cookie))

    def attach_raw_tracepoint(self, name: str, *, cookie: int = 0) -> Link:
        """Attach it to raw tracepoint `name`."""
        from purebpf.live.link import attach_raw_tracepoint

        return self._told(attach_raw_tracepoint(self, name, cookie=cookie))

    def attach_kprobe(self, function: str, *, offset: int = 0, returning: bool = False, cookie: int = 0) -> Link:
        """Attach it to the entry (or, with `returning`, the return) of a kernel function."""
        from purebpf.live.link import attach_kprobe

        return self._told(attach_kprobe(self, function, offset=offset, returning=returning, cookie=cookie))

    def attach_uprobe(
        self,
        path: str,
        symbol: str | None = None,
        *,
        offset: int = 0,
        returning: bool = False,
        pid: int | None = None,
        cookie: int = 0,
        ref_ctr_offset: int = 0,
    ) -> Link:
        """Attach it to a function of the program or library at `path`, in one process or in all."""
        from purebpf.live.link import attach_uprobe

        return self._told(
            attach_uprobe(
                self,
                path,
                symbol,
                offset=offset,
                returning=returning,
                pid=pid,
                cookie=cookie,
                ref_ctr_offset=ref_ctr_offset,
            )
        )

    def attach_kprobe_multi(
        self,
        functions: str | Sequence[str],
        *,
        returning: bool = False,
        session: bool = False,
        cookie: int | Sequence[int] = 0,
    ) -> Link:
        """Attach it to many kernel functions at once: names, and patterns such as `vfs_*`."""
        from purebpf.live.link import attach_kprobe_multi

        return self._told(attach_kprobe_multi(self, functions, returning=returning, session=session, cookie=cookie))

    def attach_uprobe_multi(
        self,
        path: str,
        symbols: str | Sequence[str] = (),
        *,
        offsets: Sequence[int] = (),
        returning: bool = False,
        session: bool = False,
        pid: int | None = None,
        cookie: int | Sequence[int] = 0,
    ) -> Link:
        """Attach it to many functions of the program or library at `path` at once, by names, patterns and offsets."""
        from purebpf.live.link import attach_uprobe_multi

        return self._told(
            attach_uprobe_multi(
                self, path, symbols, offsets=offsets, returning=returning, session=session, pid=pid, cookie=cookie
            )
        )

    def attach_trace(self, *, cookie: int = 0) -> Link:
        """Attach it (tp_btf, fentry, fexit, fmod_ret, fsession) to the target that it was loaded for."""
        from purebpf.live.link import attach_trace

        return self._told(attach_trace(self, cookie=cookie))

    def attach_freplace(self, target: HasFd | int | None = None, function: str = "", *, cookie: int = 0) -> Link:
        """Let it replace the function that it was loaded for, or a like one, `function` of program `target`."""
        from purebpf.live.link import attach_freplace

        return self._told(attach_freplace(self, target, function, cookie=cookie))

    def attach_lsm(self, *, cookie: int = 0) -> Link:
        """Attach it to the security hook that it was loaded for."""
        from purebpf.live.link import attach_lsm

        return self._told(attach_lsm(self, cookie=cookie))

    def attach_iter(
        self,
        *,
        map: HasFd | int | None = None,  # noqa: A002
        task: int | None = None,
        process: int | None = None,
        cgroup: HasFd | int | str | None = None,
        order: str = "down",
    ) -> IterLink:
        """Attach it, an iterator; the link is read. `map`, `task`, `process` or `cgroup` say what it walks over."""
        from purebpf.live.link import attach_iter

        return self._told(attach_iter(self, map=map, task=task, process=process, cgroup=cgroup, order=order))

    def attach_perf_event(self, event: int, *, cookie: int = 0) -> Link:
        """Attach it to an open perf event's fd, which stays the caller's."""
        from purebpf.live.link import attach_perf_event

        return self._told(attach_perf_event(self, event, cookie=cookie))

    def attach_socket(self, target: socket.socket | int) -> Link:
        """Attach it, a socket filter, to a socket."""
        from purebpf.live.link import attach_socket

        return self._told(attach_socket(self, target))

    def attach_xdp(self, interface: str | int, *, mode: str = "") -> Link:
        """Attach it to a network interface; `mode` is '' (the kernel chooses), 'skb', 'drv' or 'hw'."""
        from purebpf.live.link import attach_xdp

        return self._told(attach_xdp(self, interface, mode=mode))

    def _told(self, link: _Link) -> _Link:
        """The link, noted in the object's log."""
        if self._logger is not None and (log := self._logger()).isEnabledFor(DEBUG):
            log.debug("%s: link fd %d", link.what, link.fd)
        return link

    # ------------------------------------------------------------------ trying and keeping

    def test_run(
        self,
        data: Buffer | None = None,
        *,
        context: Buffer | None = None,
        repeat: int = 0,
        room: int = 0,
        flags: int = 0,
        cpu: int = 0,
    ) -> TestRun:
        """Run it once (or `repeat` times) on `data`, without attaching it (BPF_PROG_TEST_RUN).

        `room` is how many bytes of output to take at the most; by default as many as the input has, and 256 more
        for what the program prepends.
        """
        size = room or (len(data) + 256 if data is not None else 0)
        try:
            return programs.prog_test_run(
                self.fd,
                data=data,
                data_out_size=size,
                context=context,
                context_out_size=len(context) if context is not None and self.type != ProgramType.SYSCALL else 0,
                repeat=repeat,
                flags=flags,
                cpu=cpu,
            )
        except OSError as error:
            raise self._refused("run program", error) from error

    def _refused(self, operation: str, error: OSError) -> KernelError:
        remedy = ""
        # The kernel's own ENOTSUPP (524) has no name in user space.
        if error.errno in (524, errno.EOPNOTSUPP):
            remedy = f"programs of type {self.type} cannot be run by BPF_PROG_TEST_RUN on this kernel"
        return kernel_error(operation, self.name, error, program_type=self.type, remedy=remedy)

    def pin(self, path: str) -> None:
        """Keep it in the kernel under `path` in a bpf filesystem."""
        try:
            objects.obj_pin(self.fd, path.encode())
        except OSError as error:
            raise kernel_error("pin program", path, error) from error

    def close(self) -> None:
        """Close its fd; what is attached stays attached."""
        self._fd.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: builtins.type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"fd {self.fd}"
        return f"<Program '{self.name}' ({self.type}) {state}>"
