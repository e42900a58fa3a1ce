"""A program's exception callback stands behind everything that its code reaches."""

from dataclasses import replace

import pytest

from purebpf.errors import RelocationError
from purebpf.plan.stages import open_object
from purebpf.relocate.core import reached
from purebpf.relocate.link import link
from purebpf.relocate.model import LinkedProgram
from purebpf.spec import ObjectSpec
from tests.writers import TypedObjectWriter

EXIT = b"\x95" + bytes(7)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"


def spec(*callbacks: str, **of_callback: bool) -> ObjectSpec:
    """Program 'entry', which calls 'leaf' and has these callbacks; the options are fields of 'after'."""
    file = TypedObjectWriter()
    file.function("leaf", EXIT).function("after", EXIT + EXIT).function("unused", EXIT)
    file.function("entry", CALL + EXIT, section="tc").call("entry", 0, "leaf")
    described = open_object(file.build())
    entry = replace(described.programs["entry"], exception_callbacks=callbacks)
    after = replace(described.functions["after"], **of_callback)
    return replace(described, programs={"entry": entry}, functions={**described.functions, "after": after})


def linked(described: ObjectSpec) -> LinkedProgram:
    return link(described, described.functions, "entry")


def test_it_comes_last_with_its_records() -> None:
    program = linked(spec("after"))
    assert [(f.name, f.start) for f in program.functions] == [("entry", 0), ("leaf", 2), ("after", 3)]
    assert len(program.code) == 5 * 8
    assert [int.from_bytes(program.func_info[at : at + 4], "little") for at in range(0, 24, 8)] == [0, 2, 3]


def test_one_that_is_called_as_well_stands_there_once() -> None:
    assert [f.name for f in linked(spec("leaf")).functions] == ["entry", "leaf"]


def test_without_one_nothing_is_appended() -> None:
    assert [f.name for f in linked(spec()).functions] == ["entry", "leaf"]


def test_of_several_none_is_appended_and_the_verifier_refuses_the_program() -> None:
    assert [f.name for f in linked(spec("after", "unused")).functions] == ["entry", "leaf"]


def test_core_adapts_it_too() -> None:
    assert {function.name for function in reached(spec("after"), "entry")} == {"entry", "leaf", "after"}


@pytest.mark.parametrize(
    ("callbacks", "options", "reason"),
    [
        (("nobody",), {}, "its exception callback 'nobody' is no function of .text in this object"),
        (("",), {}, "its exception callback '' is no function"),
        (("entry",), {}, "its exception callback 'entry' is no function of .text"),
        (("after",), {"hidden": True}, "its exception callback 'after' is hidden: make it global"),
        (("after",), {"is_global": False}, "its exception callback 'after' is static: make it global"),
    ],
)
def test_what_cannot_be_one_is_refused(callbacks: tuple[str, ...], options: dict[str, bool], reason: str) -> None:
    with pytest.raises(RelocationError) as caught:
        linked(spec(*callbacks, **options))
    assert reason in str(caught.value)
    assert "program 'entry'" in str(caught.value)
