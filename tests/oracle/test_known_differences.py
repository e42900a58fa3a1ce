"""The table of known differences holds nothing that no object shows any more."""

from __future__ import annotations

from purebpf.uapi import ProgramType
from tests.oracle.corpus import SOURCES, built
from tests.oracle.known_differences import (
    ABSENT_FUNCTION,
    EXCEPTION_CALLBACK,
    FLAVOURED_FUNCTION,
    NEWER_SECTIONS,
    REFUSED_BY_LIBBPF,
    TAKES_THE_RUNNING_VERSION,
)
from tests.oracle.libbpf import judge
from tests.oracle.purebpf_side import prepare


def test_each_refusal_is_libbpfs_answer_to_some_object() -> None:
    answers = "\n".join(judge(path).reason for origin in built() for path in origin.objects())
    assert [reason for reason in REFUSED_BY_LIBBPF if reason not in answers] == []


def test_each_newer_section_is_in_an_object_and_means_nothing_to_libbpf() -> None:
    programs = judge(SOURCES / "built" / "sections_new.bpf.o").programs
    assert {record["type"] for record in programs} == {0}
    assert {record["section"].partition("/")[0] for record in programs} | {r["section"] for r in programs} >= set(
        NEWER_SECTIONS
    )


def test_each_other_treatment_of_functions_is_that_of_some_program() -> None:
    left_out = prepare(SOURCES / "built" / "kfunc.bpf.o").left_out
    assert FLAVOURED_FUNCTION in left_out["look"]
    assert left_out["call_the_absent"] == ABSENT_FUNCTION


def test_the_version_of_the_file_goes_before_that_of_the_kernel() -> None:
    loaded = judge(SOURCES / "built" / "version.bpf.o").loaded["on_nanosleep"]
    assert ProgramType(loaded["type"]) in TAKES_THE_RUNNING_VERSION
    assert loaded["kernel_version"] == 4 << 16 | 19 << 8 | 7


def test_exception_callbacks_are_in_an_object() -> None:
    assert EXCEPTION_CALLBACK in prepare(SOURCES / "built" / "exception_callback.bpf.o").left_out.values()
