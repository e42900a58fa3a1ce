"""The demo's table and JSON lines, and what it says is missing, without a kernel."""

import json
from typing import Any

import pytest

import purebpf
from purebpf.btf.codec import codec_for
from purebpf.cli import demo
from purebpf.errors import NotPermitted
from tests.conftest import BUILT


def event(
    kind: str, *, time_ns: int = 0, duration_ns: int = 0, exit_code: int = 0, comm: str = "sh", filename: str = ""
) -> Any:
    spec = purebpf.open(BUILT / "execs.bpf.o")
    assert spec.btf is not None
    (type_id,) = spec.btf.find("event")
    codec = codec_for(spec.btf, type_id)
    number = {"EVENT_EXEC": 1, "EVENT_EXIT": 2}[kind]
    members = {"time_ns": time_ns, "duration_ns": duration_ns, "type": number, "pid": 7, "ppid": 5}
    members["exit_code"] = exit_code
    return codec.decode(codec.encode({**members, "comm": comm, "filename": filename}))


def test_rows_stand_under_a_header_with_times_since_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    table = demo._Table()
    table.add(event("EVENT_EXEC", time_ns=5_000_000_000, filename="/bin/sh"))
    table.add(event("EVENT_EXIT", time_ns=5_250_000_000, duration_ns=1_500_000, exit_code=3 << 8))
    table.close("2 events, 0 lost, loaded in 3.0 ms")
    shown = capsys.readouterr()
    assert [line.split() for line in shown.out.splitlines()] == [
        "TIME EVENT PID PPID NAME CODE FILE OR DURATION".split(),  # noqa: SIM905 (as it is read)
        ["0.0000", "exec", "7", "5", "sh", "/bin/sh"],
        ["0.2500", "exit", "7", "5", "sh", "3", "1.5", "ms"],
        "2 events, 0 lost, loaded in 3.0 ms".split(),  # noqa: SIM905
    ]
    assert shown.err == ""


def test_json_lines_are_the_only_thing_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    lines = demo._Lines()
    lines.add(event("EVENT_EXEC", comm="\x1b[0m", filename="/bin/sh"))
    lines.close("1 event, 0 lost, loaded in 3.0 ms")
    shown = capsys.readouterr()
    members = {"time_ns": 0, "duration_ns": 0, "type": "EVENT_EXEC", "pid": 7, "ppid": 5, "exit_code": 0}
    members |= {"comm": "\x1b[0m", "filename": "/bin/sh"}
    assert json.loads(shown.out) == members
    assert shown.err == "1 event, 0 lost, loaded in 3.0 ms\n"


def test_control_characters_in_names_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = demo._Table()
    table.add(event("EVENT_EXEC", comm="\x1b[2J", filename="/tmp/\r\nfake"))
    assert "\\x1b[2J" in (shown := capsys.readouterr().out)
    assert "/tmp/\\r\\nfake" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, ""),
        (999, "1 us"),
        (1_500, "2 us"),
        (999_999, "1000 us"),
        (1_000_000, "1.0 ms"),
        (9_999_000_000, "9999.0 ms"),
        (10_000_000_000, "10.0 s"),
    ],
)
def test_a_duration_has_a_unit_that_fits(nanoseconds: int, shown: str) -> None:
    assert demo._duration(nanoseconds) == shown


@pytest.mark.parametrize(
    ("status", "shown"),
    [(0, "0"), (1 << 8, "1"), (255 << 8, "255"), (9, "SIGKILL"), (0x80 | 11, "SIGSEGV"), (40, "SIG40")],
)
def test_an_end_is_a_number_or_a_signal(status: int, shown: str) -> None:
    assert demo._ended(status) == shown


def test_everything_that_is_missing_is_named_not_only_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable() -> int:
        raise NotPermitted("read the kernel's trace events", "/sys/kernel/tracing", 13)

    monkeypatch.setattr(demo, "child_pid_offset", unreadable)
    monkeypatch.setattr(demo, "diagnose", lambda *_, **__: ["this process lacks CAP_BPF and CAP_PERFMON"])
    missing = demo._missing(NotPermitted("probe the kernel for", "names", 1))
    assert missing.evidence == (
        "this process lacks CAP_BPF and CAP_PERFMON",
        "cannot read the kernel's trace events '/sys/kernel/tracing': Permission denied [EACCES]",
    )
    assert str(missing).endswith("run it as root")


def test_the_commands_it_runs_are_short_and_harmless() -> None:
    assert {word for command in demo.COMMANDS for word in command.split() if word in ("rm", "kill", "sudo")} == set()
