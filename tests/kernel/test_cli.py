"""The `purebpf` command on a kernel, run as a user runs it; afterwards nothing of it is left in the kernel."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO

import pytest

from purebpf.cli.main import main
from purebpf.host import features
from purebpf.syscall import objects
from purebpf.syscall.fd import Fd
from tests.conftest import BUILT
from tests.kernel.unprivileged import without_capabilities

LIMIT = 120
BOOTSTRAP = str(BUILT / "bootstrap.bpf.o")
MINIMAL = str(BUILT / "minimal.bpf.o")

pytestmark = pytest.mark.usefixtures("tracefs")


def command(*words: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "purebpf", *words]


def purebpf(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=LIMIT, check=False)


def on_a_terminal(*words: str) -> str:
    """What the command writes to a terminal of 80 columns."""
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    environment.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(command(*words), stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    finally:
        os.close(theirs)
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    shown = bytearray()
    try:
        with process, suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(ours, 4096):
                shown += chunk
    finally:
        watchdog.cancel()
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, until it ends; a watchdog ends a hang."""
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(LIMIT, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            process.kill()
            watchdog.cancel()


def programs_named(names: set[bytes]) -> set[int]:
    """The ids of the programs in the kernel that have one of these names."""
    found = set()
    number = objects.prog_next_id(0)
    while number is not None:
        try:
            with Fd(objects.prog_fd_by_id(number), "program") as fd:
                if objects.prog_info(fd.number).name.rstrip(b"\0") in names:
                    found.add(number)
        except FileNotFoundError:
            pass  # ended meanwhile
        number = objects.prog_next_id(number)
    return found


# ------------------------------------------------------------------ demo


def test_the_demo_shows_every_command_and_descendant_and_closes_with_a_line() -> None:
    done = purebpf("demo")
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows, closing = done.stdout.splitlines()
    assert header.split() == ["TIME", "EVENT", "PID", "PPID", "NAME", "CODE", "FILE", "OR", "DURATION"]
    started = [row.split() for row in rows if row.split()[1] == "exec"]
    ended = [row.split() for row in rows if row.split()[1] == "exit"]
    names = sorted(row[4] for row in started)
    assert names == sorted(["true", "uname", "sh", "date", "ls", "wc", "sleep", "sh", "sleep"])
    assert sorted(row[2] for row in started) == sorted(row[2] for row in ended)
    assert {row[5] for row in ended} == {"0"}
    parents = {row[3] for row in started}
    assert len(parents - {row[2] for row in started}) == 1, "the demo itself; the others are descendants' parents"
    assert closing.startswith(f"{len(rows)} events, 0 lost, loaded in ")
    assert closing.endswith(" ms")


def test_on_a_terminal_a_line_below_the_rows_counts_and_makes_room_for_the_closing_line() -> None:
    shown = on_a_terminal("demo")
    assert "\x1b[1m     TIME  EVENT " in shown
    assert "events, 0 lost; Ctrl-C ends it" in shown
    *_, closing = shown.rpartition("\x1b[2K")
    assert re.fullmatch(r"\d+ events, 0 lost, loaded in [\d.]+ ms\r\n", closing)


def test_the_demo_as_json_writes_nothing_but_events() -> None:
    done = purebpf("demo", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["type"] for event in events} == {"EVENT_EXEC", "EVENT_EXIT"}
    assert "true" in {event["comm"] for event in events}
    assert done.stderr.startswith(f"{len(events)} events, 0 lost, loaded in ")
    assert done.returncode == 0


def test_the_demo_of_the_whole_system_sees_a_process_that_is_not_its_own() -> None:
    with running("demo", "--all", "--duration", "60") as demo:
        assert demo.stdout is not None
        pid, seen = None, False
        # The first event tells that it is attached; until there is one, somebody must start something.
        stop = threading.Event()
        starter = threading.Thread(target=_start_until, args=(stop,))
        starter.start()
        try:
            demo.stdout.readline()
        finally:
            stop.set()
            starter.join()
        with subprocess.Popen(["true"]) as child:
            pid = child.pid
            child.wait(LIMIT)
        for line in demo.stdout:
            words = line.split()
            if words[1:5] == ["exit", str(pid), str(os.getpid()), "true"]:
                seen = True
                break
        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=LIMIT)
    assert seen
    assert (demo.returncode, errors) == (0, "")
    assert " lost, loaded in " in rest.splitlines()[-1]


def _start_until(stop: threading.Event) -> None:
    while not stop.is_set():
        subprocess.run(["true"], check=True)


def unprivileged(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command in a process without any capability."""

    def attempt() -> str:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        return json.dumps([code, out.getvalue(), err.getvalue()])

    code, out, err = json.loads(without_capabilities(attempt))
    return code, out, err


def test_without_privileges_the_demo_says_what_is_missing_and_shows_the_stages() -> None:
    code, out, err = unprivileged("demo")
    assert code == 2
    first, second, *_ = err.splitlines()
    assert first.startswith("purebpf: cannot run the demo: ")
    assert second == "  this process lacks CAP_BPF and CAP_PERFMON for programs of type tracepoint"
    assert "run it as root" in err
    stages = [line.split()[0] for line in out.splitlines() if line and not line.startswith(" ")]
    assert stages == ["read", "describe", "core", "link", "externs", "sanitize", "plan"]
    assert "load program 'on_exec'" in out


def test_without_privileges_nothing_but_json_comes_out_of_the_demo_for_who_wants_that() -> None:
    code, out, err = unprivileged("demo", "--json")
    assert (code, out) == (2, "")
    assert "load program 'on_exec'" in err


def test_without_privileges_run_is_refused_with_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_known", {})  # as in a new process
    code, out, err = unprivileged("run", MINIMAL)
    assert (code, out) == (2, "")
    first, second, *_ = err.splitlines()
    assert first == "purebpf: cannot load object 'minimal': Operation not permitted [EPERM]"
    assert second == "  this process lacks CAP_BPF and CAP_PERFMON for programs of type tracepoint"


@pytest.mark.parametrize("options", [[], ["--btf", "/sys/kernel/btf/vmlinux"]])
def test_stages_need_no_privilege(options: list[str]) -> None:
    code, out, err = unprivileged("stages", MINIMAL, "--json", *options)
    assert (code, err) == (0, "")
    assert json.loads(out)["target"] == (options[-1] if options else "the running kernel")


# ------------------------------------------------------------------ run


def test_run_stops_after_its_duration_and_leaves_nothing() -> None:
    done = purebpf("run", BOOTSTRAP, "--duration", "0.2", "--set", "min_duration_ns=60000000000")
    assert (done.returncode, done.stdout) == (0, "")
    first, last = done.stderr.splitlines()
    assert first.startswith("'bootstrap': 2 programs loaded in ")
    assert first.endswith(" ms, 2 attached, 1 ring buffer")
    assert last == "0 events"
    assert not programs_named({b"handle_exec", b"handle_exit"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_run_in_order_with_everything_detached(number: signal.Signals) -> None:
    with running("run", BOOTSTRAP, "--json") as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stderr.readline().endswith("1 ring buffer\n")
        with subprocess.Popen(["true"]) as child:
            child.wait(LIMIT)
        kinds = []
        for line in run.stdout:
            record = json.loads(line)
            assert set(record) == {"map", "event"}
            assert record["map"] == "rb"
            if record["event"]["pid"] == child.pid:
                kinds.append(record["event"]["exit_event"])
            if kinds == [False, True]:
                break
        assert programs_named({b"handle_exec"})
        run.send_signal(number)
        rest, errors = run.communicate(timeout=LIMIT)
    assert run.returncode == 0
    assert errors.endswith((" events\n", " event\n"))
    assert [json.loads(line)["map"] for line in rest.splitlines()] == ["rb"] * len(rest.splitlines())
    assert not programs_named({b"handle_exec", b"handle_exit"})


def test_run_of_an_object_without_a_ring_buffer_says_so_and_names_the_trace_pipe() -> None:
    done = purebpf("run", MINIMAL, "--duration", "0.1")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no ring buffer, so no events; bpf_printk() lines are shown with --trace" in done.stderr


def test_run_with_trace_shows_what_programs_print() -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "import os\nwhile os.read(0, 1):\n os.write(1, b'x')"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdin is not None
        with running("run", MINIMAL, "--trace", "--json", "--set", f"my_pid={writer.pid}") as run:
            assert run.stdout is not None
            assert run.stderr is not None
            assert run.stderr.readline().endswith("1 attached, 0 ring buffers\n")
            writer.stdin.write(b"go")
            writer.stdin.flush()
            record = next(found for found in map(json.loads, run.stdout) if found["pid"] == writer.pid)
            run.send_signal(signal.SIGTERM)
            run.communicate(timeout=LIMIT)
        writer.stdin.close()
    assert record["trace"] == f"BPF triggered from PID {writer.pid}."
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("xdp_counter", "program 'count_packets', SEC(\"xdp\"): give --interface"),
        ("uprobe", "program 'on_enter', SEC(\"uprobe\"): its section names no place"),
        ("rejected", "no program that is loaded by itself: see --program"),
    ],
)
def test_run_of_what_it_cannot_attach_is_an_error_that_says_why(name: str, said: str) -> None:
    done = purebpf("run", str(BUILT / f"{name}.bpf.o"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"purebpf: nothing of '{name}' can be attached from here\n")
    assert said in done.stderr


def test_the_verifiers_verdict_is_the_message() -> None:
    done = purebpf("run", str(BUILT / "rejected.bpf.o"), "--program", "packet_not_checked")
    assert done.returncode == 1
    assert done.stderr.startswith("purebpf: cannot load program 'packet_not_checked' (xdp): ")
    assert "rejected.bpf.c:" in done.stderr
    assert "invalid access to packet" in done.stderr
    assert "Traceback" not in done.stderr


def test_verbose_logs_every_fd_to_standard_error() -> None:
    done = purebpf("run", MINIMAL, "-v", "--duration", "0.1")
    assert (done.returncode, done.stdout) == (0, "")
    assert "purebpf.minimal: program 'handle_write': fd " in done.stderr
