"""What `purebpf run` makes of its options and of events, without a kernel."""

import argparse
import json
from typing import Any

import pytest

import purebpf
from purebpf.btf.codec import codec_for
from purebpf.cli import run
from purebpf.cli.main import main
from purebpf.live.tracepipe import TraceLine
from purebpf.units import TypeId
from tests.conftest import BUILT

GLOBALS = str(BUILT / "globals.bpf.o")


def prepared(*words: str) -> purebpf.ObjectSpec:
    """The spec that `run` would load."""
    arguments = argparse.Namespace(file=GLOBALS, program=None, set=list(words))
    return run._prepared(arguments)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("data_int=7", "data_int", 7),
        ("data_int=-0x10", "data_int", -16),
        ("rodata_flag=false", "rodata_flag", False),
        ("bss_flag=true", "bss_flag", True),
        ("rodata_double=2.5", "rodata_double", 2.5),
        ("data_text=two words", "data_text", "two words"),
        ("data_text=a=b", "data_text", "a=b"),
        ("data_text='7'", "data_text", "7"),
        ("data_array=[4, 3, 2, 1]", "data_array", [4, 3, 2, 1]),
    ],
)
def test_a_variable_is_set_to_what_was_written(text: str, name: str, value: Any) -> None:
    assert prepared(text).value(name) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_int", "NAME=VALUE"),
        ("data_imt=1", "near: data_int"),
        ("data_int=word", "expected int"),
        ("data_int=99999999999", "data_int"),
    ],
)
def test_a_setting_that_cannot_be_is_an_error_that_names_it(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", GLOBALS, "--set", text]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_a_program_that_is_not_there_is_an_error_with_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", GLOBALS, "--program", "add_down"]) == 2
    assert "add_up" in capsys.readouterr().err


def event() -> Any:
    spec = purebpf.open(BUILT / "bootstrap.bpf.o")
    assert spec.btf is not None
    (type_id,) = spec.btf.find("event")
    codec = codec_for(spec.btf, TypeId(type_id))
    members = {"pid": 7, "ppid": 5, "exit_code": 1, "exit_event": True, "duration_ns": 9, "comm": "\x1b[0m"}
    members["filename"] = "a b"
    return codec.decode(codec.encode(members))


def test_a_json_line_names_the_map_and_has_the_event_as_data() -> None:
    assert json.loads(run._as_json("rb", event())) == {
        "map": "rb",
        "event": {
            "pid": 7,
            "ppid": 5,
            "exit_code": 1,
            "exit_event": True,
            "duration_ns": 9,
            "comm": "\x1b[0m",
            "filename": "a b",
        },
    }


def test_an_event_without_a_type_is_hexadecimal() -> None:
    assert run._as_json("rb", b"\x00\xff") == '{"map": "rb", "event": "00ff"}'
    assert run._as_text("rb", b"\x00\xff", alone=True) == "00ff"


@pytest.mark.parametrize(("alone", "prefix"), [(True, ""), (False, "rb: ")])
def test_a_line_names_its_map_only_among_several(alone: bool, prefix: str) -> None:
    shown = run._as_text("rb", event(), alone=alone)
    assert shown == f"{prefix}pid=7 ppid=5 exit_code=1 exit_event=True duration_ns=9 comm=\\x1b[0m filename='a b'"


def test_a_line_of_the_trace_pipe_is_shown_whole_and_given_in_parts() -> None:
    line = TraceLine("bash", 7, 1, 2.5, "hi\x1b", "bash-7 [001] ... 2.5: bpf_trace_printk: hi\x1b")
    assert run._as_text("", line, alone=False) == "trace: bash-7 [001] ... 2.5: bpf_trace_printk: hi\\x1b"
    data = {"trace": "hi\x1b", "task": "bash", "pid": 7, "cpu": 1, "time": 2.5}
    assert json.loads(run._as_json("", line)) == data
