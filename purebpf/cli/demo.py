"""`purebpf demo`: process starts and exits of a few commands it runs itself, or of the whole system.

The BPF object ships inside the package, so nothing is compiled. It follows forks by an offset that differs
between kernels; the offset is read from tracefs and given to the object before it is loaded.
"""

import argparse
import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib.resources import files
from typing import Any

import purebpf
from purebpf.btf.codec.records import plain
from purebpf.cli.main import EXIT_NOT_PERMITTED
from purebpf.cli.run import events, interruptible, open_readers
from purebpf.cli.screen import BOLD, DIM, Row, plain_row, screen
from purebpf.cli.stages import describable_target, show
from purebpf.cli.values import counted, printable
from purebpf.errors import NotPermitted
from purebpf.host.mounts import require_tracefs
from purebpf.host.permissions import diagnose
from purebpf.plan.stages import trace
from purebpf.plan.target import Feature
from purebpf.uapi import ProgramType

COMMANDS = (
    "true",
    "uname -sr",
    "sh -c 'date +%F; ls / | wc -l'",
    "sleep 0.2",
    "sh -c 'sleep 0.1 & wait'",
)
"""What the demo starts: short, harmless, and with descendants."""

_DEFAULT_SECONDS = 10.0
# Between the last command's end and the end of the demo: its exit event is on the way.
_GRACE_SECONDS = 0.2
_ROW = "{time:>9}  {event:<5}  {pid:>7}  {ppid:>7}  {name:<15}  {code:>7}  {detail}"
_HEADER = {
    "time": "TIME",
    "event": "EVENT",
    "pid": "PID",
    "ppid": "PPID",
    "name": "NAME",
    "code": "CODE",
    "detail": "FILE OR DURATION",
}


def demo(arguments: argparse.Namespace) -> int:
    """Run the command."""
    image = (files("purebpf") / "objects" / "execs.bpf.o").read_bytes()
    try:
        return _run(image, arguments)
    except NotPermitted as error:
        print(f"purebpf: {_missing(error)}", file=sys.stderr)
        print("\nThis is what loading it would do, stage by stage:", file=sys.stderr)
        # With --json, what reads our output wants events or nothing.
        with redirect_stdout(sys.stderr if arguments.json else sys.stdout):
            show(trace(image, describable_target(), name="execs"))
        return EXIT_NOT_PERMITTED


def _missing(error: NotPermitted) -> NotPermitted:
    """All that stands in the demo's way, not only what the kernel refused first."""
    evidence = diagnose("load program", errno.EPERM, program_type=ProgramType.TRACEPOINT)
    try:
        child_pid_offset()
    except (purebpf.BpfError, OSError) as unreadable:
        evidence += str(unreadable).splitlines()
    return NotPermitted("run the demo", "", error.errno or errno.EPERM, evidence=evidence, remedy="run it as root")


def _run(image: bytes, arguments: argparse.Namespace) -> int:
    started = time.perf_counter()
    spec = purebpf.open(image, name="execs")
    # First what every load needs, so that a missing capability is named before an unreadable file.
    purebpf.running_target().supports(Feature.PROG_NAME)
    spec = spec.with_values(**_values(arguments.all))
    with interruptible(), ExitStack() as stack:
        loaded = stack.enter_context(purebpf.load(spec))
        milliseconds = (time.perf_counter() - started) * 1e3
        stack.enter_context(loaded.attach())
        readers = open_readers(loaded, stack)
        seconds = arguments.duration or (_DEFAULT_SECONDS if arguments.all else None)
        shown = _Lines() if arguments.json else _Table()
        commands = _Commands(() if arguments.all else COMMANDS)

        def so_far() -> str:
            lost = loaded.variables["lost"] + loaded.variables["untracked"]
            return f"{counted(shown.count, 'event')}, {lost} lost"

        commands.start()
        try:
            with shown.opened(lambda: f"{so_far()}; Ctrl-C ends it"):
                for _, event in _until(commands, readers, seconds):
                    shown.add(event)
        except KeyboardInterrupt:
            pass
        finally:
            commands.stop()
        shown.close(f"{so_far()}, loaded in {milliseconds:.1f} ms")
    return 0


def _values(everything: bool) -> dict[str, Any]:
    values: dict[str, Any] = {"trace_all": everything, "child_pid_offset": child_pid_offset()}
    if not everything:
        # Inside a pid namespace our number is not the kernel's; the namespace's inode tells whose it is.
        namespace = os.stat("/proc/self/ns/pid")
        values["root_tgid"] = os.getpid()
        values["root_pidns_dev"] = os.major(namespace.st_dev) << 20 | os.minor(namespace.st_dev)
        values["root_pidns_ino"] = namespace.st_ino
    return values


def child_pid_offset() -> int:
    """Where `child_pid` stands in the record of tracepoint sched:sched_process_fork on this kernel."""
    path = os.path.join(require_tracefs(), "events/sched/sched_process_fork/format")
    with open(path) as file:
        for line in file:
            if "child_pid;" in line:
                return int(line.partition("offset:")[2].partition(";")[0])
    raise purebpf.NotSupported(
        "tracepoint sched:sched_process_fork with a field child_pid", config="CONFIG_TRACEPOINTS"
    )


class _Commands(threading.Thread):
    """Runs the demo's own commands one after the other; their output is not the demo's."""

    def __init__(self, commands: tuple[str, ...]) -> None:
        super().__init__(name="demo commands", daemon=True)
        self._commands = commands
        self._ended = threading.Event()
        self._idle = not commands

    def run(self) -> None:
        for command in self._commands:
            if self._ended.is_set():
                return
            subprocess.run(shlex.split(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def stop(self) -> None:
        """Start nothing more and wait for what runs."""
        self._ended.set()
        self.join(timeout=5)

    @property
    def done(self) -> bool:
        """Whether all have run; never, where there are none."""
        return not self._idle and not self.is_alive()


def _until(commands: _Commands, readers: dict[str, Any], seconds: float | None) -> Iterator[tuple[str, Any]]:
    """Events until the commands have ended and their last events have come, or `seconds` have passed."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while not commands.done:
        yield from events(readers, 0.05)
        if deadline is not None and time.monotonic() >= deadline:
            return
    yield from events(readers, _GRACE_SECONDS)


class _Lines:
    """Events as JSON, one a line; the closing line is not data."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def opened(self, tell: Callable[[], str]) -> Iterator[None]:
        """While events are added; `tell` says how it goes, to whom it may interest."""
        yield

    def add(self, event: Any) -> None:
        self.count += 1
        print(json.dumps(plain(event)), flush=True)

    def close(self, line: str) -> None:
        print(line, file=sys.stderr)


class _Table(_Lines):
    """Events as rows, the header before the first, the closing line below."""

    def __init__(self) -> None:
        super().__init__()
        self._origin: int | None = None
        self._row: Row = plain_row

    @contextmanager
    def opened(self, tell: Callable[[], str]) -> Iterator[None]:
        with screen(tell) as self._row:
            yield

    def add(self, event: Any) -> None:
        self.count += 1
        if self._origin is None:
            self._origin = event.time_ns
            self._row(_ROW.format(**_HEADER), BOLD)
        exited = event.type.name == "EVENT_EXIT"
        row = _ROW.format(
            time=f"{(event.time_ns - self._origin) / 1e9:.4f}",
            event="exit" if exited else "exec",
            pid=event.pid,
            ppid=event.ppid,
            name=printable(event.comm),
            code=_ended(event.exit_code) if exited else "",
            detail=_duration(event.duration_ns) if exited else printable(event.filename),
        )
        self._row(row.rstrip(), DIM if exited else "")

    def close(self, line: str) -> None:
        print(line, flush=True)


def _ended(status: int) -> str:
    """How a process ended: the number it gave to exit(), or the signal that ended it."""
    number = status & 0x7F
    if not number:
        return str(status >> 8 & 0xFF)
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _duration(nanoseconds: int) -> str:
    if not nanoseconds:
        return ""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:.0f} us"
    return f"{nanoseconds / 1e6:.1f} ms" if nanoseconds < 10_000_000_000 else f"{nanoseconds / 1e9:.1f} s"
